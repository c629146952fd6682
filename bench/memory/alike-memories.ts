/**
 * A memory of similar messages, as from an agent that reports every hour: every word is in every message, so a search for any word matches
 * them all. The words are those of the bench's own prompts, which become the queries.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTextEngine } from '../../src/memory/index.ts'
import { createHasher, type MemoryChange, type MemoryEntry, openSqliteStore } from '../../src/store/index.ts'
import type { SessionId } from '../../src/types/index.ts'
import { benchUser, type Workspace } from '../subjects/guest.ts'

/** Messages of the person and the agent, alternating. */
const texts = [
  'bench: plain, one tool, five tools. The report of the hour: all is well and nothing waits.',
  'word '.repeat(20).trim(),
] as const
const messagesPerSession = 400
const batch = 2_000
/** An hour between reports; the newest is a day old. */
const stepMs = 60_000
const newestMs = 86_400_000

/** Databases by number of messages: made once, copied for each guest, removed at exit. */
const made = new Map<number, Promise<string>>()

/** Fills the database of a new workspace as the guest would index such messages. */
export async function fillAlike({ database }: Workspace, messages: number): Promise<void> {
  const filled = made.get(messages) ?? make(messages)
  made.set(messages, filled)
  copyFileSync(await filled, database)
}

async function make(messages: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-common-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'oxbow.db')
  const text = createTextEngine({ embedder: 'words-50k' })
  const store = await openSqliteStore({ path, user: benchUser, durability: 'normal' })
  try {
    const hash = await createHasher()
    const terms = await Promise.all(texts.map((each) => text.terms(each)))
    const vectors = await text.embed(texts)
    const facts = await text.embedder()
    if (facts === null) throw new Error('the built-in table of words is missing')
    const { id: model, dims } = facts
    const hashes = texts.map(hash)
    const now = Date.now()
    await store.memory.change([{ change: 'model', model, dims, state: 'active' }])
    for (let first = 0; first < messages; first += batch) {
      const numbers = Array.from({ length: Math.min(batch, messages - first) }, (_, i) => first + i)
      const puts = numbers.map((number): MemoryChange => {
        const which = number % texts.length
        const at = now - newestMs - (messages - number) * stepMs
        const context = number % messagesPerSession === 0 ? '' : (terms[1 - which] ?? '')
        const passage = { part: 0, start: 0, text: texts[which] ?? '', terms: terms[which] ?? '', context }
        return { change: 'put', item: { entry: entryOf(number, at, hashes[which] ?? ''), passages: [passage] } }
      })
      await store.memory.change(puts)
      // A store counts its passages from 1.
      const ofBatch = numbers.map((number) => ({ passage: number + 1, vector: vectors[number % texts.length]! }))
      await store.memory.change([{ change: 'vectors', model, vectors: ofBatch }])
    }
  } finally {
    await store.close()
    await text.close()
  }
  return path
}

function entryOf(number: number, at: number, hash: string): MemoryEntry {
  const session = `0192f0a0-0000-7000-8000-${String(Math.floor(number / messagesPerSession)).padStart(12, '0')}` as SessionId
  return {
    id: `message:${number}`,
    kind: 'message',
    type: 'conversation',
    session,
    stream: session,
    place: number + 1,
    author: number % 2 === 0 ? 'user' : 'agent',
    tags: [],
    labels: [],
    createdAt: at,
    updatedAt: at,
    validFrom: at,
    validTo: null,
    supersededBy: '',
    contradicts: [],
    confirmedBy: [],
    importance: 0.35,
    tier: 'warm',
    protection: 'none',
    accesses: 0,
    accessedAt: at,
    seq: 0,
    hash,
    extra: '{}',
  }
}
