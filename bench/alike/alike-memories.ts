/**
 * A memory of similar messages, as from an agent that reports every hour: every word is in every message, so a search for any word matches
 * them all. The words come from the bench's own prompts, which become the queries.
 */
import { createTextEngine } from '../../src/memory/index.ts'
import { createHasher, type MemoryChange, openSqliteStore } from '../../src/store/index.ts'
import { benchUser, type Workspace } from '../subjects/guest.ts'
import { copyMade } from '../memory/made-database.ts'
import { authorOf, messageEntry, sessionOf } from '../memory/memory-data.ts'

/** Messages of the person and the agent, alternating. */
const texts = [
  'bench: plain, one tool, five tools. The report of the hour: all is well and nothing waits.',
  'word '.repeat(20).trim(),
] as const
const messagesPerSession = 400
const batch = 2_000
/** A minute between messages; the newest is a day old. */
const stepMs = 60_000
const newestMs = 86_400_000

/** Fills the database of a new workspace as the guest would index such messages. */
export function fillAlike({ database }: Workspace, messages: number): Promise<void> {
  return copyMade(`alike-${messages}`, (path) => write(path, messages), database)
}

async function write(path: string, messages: number): Promise<void> {
  const text = createTextEngine({ embedder: 'words-50k' })
  const store = await openSqliteStore({ path, user: benchUser, durability: 'normal' })
  try {
    const hash = await createHasher()
    const terms = await Promise.all(texts.map((each) => text.terms(each)))
    const storedTerms = await Promise.all(texts.map((each) => text.storedTerms(each)))
    const vectors = await text.embed(texts)
    const embedder = await text.embedder()
    if (embedder === null) throw new Error('the built-in table of words is missing')
    const { id: model, dims } = embedder
    const hashes = texts.map(hash)
    const now = Date.now()
    await store.memory.change([{ change: 'model', model, dims, state: 'active' }])
    for (let first = 0; first < messages; first += batch) {
      const numbers = Array.from({ length: Math.min(batch, messages - first) }, (_, i) => first + i)
      const puts = numbers.map((number): MemoryChange => {
        const which = number % texts.length
        const context = number % messagesPerSession === 0 ? '' : (terms[1 - which] ?? '')
        const passage = { part: 0, start: 0, text: texts[which] ?? '', terms: storedTerms[which] ?? '', context }
        const session = sessionOf(number, messagesPerSession)
        const facts = { id: `message:${number}`, session, stream: session, place: number + 1, author: authorOf(number) }
        const at = now - newestMs - (messages - number) * stepMs
        return { change: 'put', item: { entry: messageEntry({ ...facts, at, hash: hashes[which] ?? '' }), passages: [passage] } }
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
}
