/** `oxbow memory reindex` is killed while it reads and while it makes vectors: nothing is lost, questions are answered, and it can be done again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { createLocalTextEngine, createMemory, type Memory } from '../../src/memory/index.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { type CallId, type SessionId, systemClock, type TurnId } from '../../src/base/index.ts'
import type { NewRecord } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/config/index.ts'

const [messages, notes] = [80, 30]
const session = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId
const postgres = usePostgres()

function said(i: number): NewRecord {
  const call = `01890a5d-ac96-774b-8000-${String(i).padStart(12, '0')}` as CallId
  const body = JSON.stringify({ text: `Message number ${i} tells of word${i}.` })
  const turn = call as string as TurnId
  return { at: 1_750_000_000_000 + i, actor: 'user:ada', session, turn, call, name: 'turn.send', phase: 'started', body }
}

interface Opened extends AsyncDisposable {
  readonly store: Store
  readonly memory: Memory
  /** The vectors of a model went, to be made again. */
  readonly dropped: Promise<void>
}

async function open(place: string): Promise<Opened> {
  const config = configSchema.parse({ store: { url: place.startsWith('postgres:') ? place : '' }, memory: { embedder: 'hash' } })
  const kept = await openStore({ config: config.store, environment: {}, path: place, user })
  await kept.opened()
  const dropped = Promise.withResolvers<void>()
  const change: Store['memory']['change'] = async (changes) => {
    await kept.memory.change(changes)
    if (changes.some((each) => each.change === 'model' && each.state === 'dropped')) dropped.resolve()
  }
  const store = Object.assign(Object.create(kept) as Store, {
    memory: Object.assign(Object.create(kept.memory) as Store['memory'], { change }),
  })
  const text = createLocalTextEngine({ embedder: 'hash' })
  const memory = createMemory({ store, config: config.memory, clock: systemClock, text: async () => text })
  return {
    store,
    memory,
    dropped: dropped.promise,
    async [Symbol.asyncDispose]() {
      await memory.close()
      await store.close()
    },
  }
}

async function fill(place: string): Promise<void> {
  await using house = await open(place)
  await house.store.append({ records: Array.from({ length: messages }, (_, i) => said(i)) })
  const [keep, correct] = await Promise.all([house.memory.notes(), house.memory.corrections()])
  for (let i = 0; i < notes; i++) {
    const caller = { user, actor: 'user:ada', rights: new Set<string>(), audience: 'terminal', session: '', turn: '', process: '' }
    const { id } = await keep.save({ content: `Note ${i} says fact${i}.`, tags: [`tag${i}`] }, { id: `note-${i}`, caller } as never)
    if (i % 10 === 0) await correct.pin(id, true)
  }
  while ((await house.store.memory.cursor('journal')) < messages) await house.memory.caughtUp()
  await vectorsMade(house)
}

async function vectorsMade({ memory }: Opened): Promise<void> {
  memory.poke()
  for (let [made, wanted] = [0, 1]; made < wanted;) {
    const { models, passages } = await memory.stats()
    await pause(20)
    ;[made, wanted] = [models.find(({ state }) => state === 'active')?.vectors ?? 0, passages]
  }
}

/** What nobody may lose, whatever happens to the index. */
async function assertKept({ store, memory }: Opened, about: string): Promise<void> {
  const entries = await store.memory.list({}, 1_000)
  assert.equal(new Set(entries.map(({ id }) => id)).size, messages + notes, about)
  assert.equal(entries.filter(({ tags }) => tags.includes('pinned')).length, notes / 10, about)
  const recall = await memory.recall()
  for (const [text, found] of [
    ['word57', /word57/],
    ['fact23', /fact23/],
    ['word0', /word0\b/],
  ] as const) {
    const [hit] = await recall.recall({ text, filter: {}, limit: 3, tokens: 500 })
    assert.match(hit?.text ?? '', found, about)
  }
}

/** Runs it until it has come so far, and kills it. @returns false when it ended before */
async function killedAt(place: string, isFar: (read: number, embedded: number) => boolean): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'reindexer-to-kill.ts'), place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let isThere = false
  for await (const line of createInterface({ input: child.stdout })) {
    const [read = 0, embedded = 0] = line.split(' ').map(Number)
    isThere = isFar(read, embedded)
    if (isThere) break
  }
  child.kill('SIGKILL')
  await ended
  return isThere
}

type Moment = readonly [string, (read: number, embedded: number) => boolean]

async function killAndLook(place: string, from = 0): Promise<void> {
  await fill(place)
  const all = messages + notes
  const moments: readonly Moment[] = [
    ['reading messages', (read) => read > messages / 2],
    ['reading notes', (read) => read > messages + 10],
    ['making vectors', (_, embedded) => embedded > all / 3],
  ]
  for (const [name, isFar] of moments.slice(from)) {
    assert.ok(await killedAt(place, isFar), name)
    await using house = await open(place)
    await assertKept(house, `killed while ${name}`)
  }
  await using house = await open(place)
  await house.memory.reindex(new AbortController().signal)
  await house.dropped
  await vectorsMade(house)
  await assertKept(house, 'done again')
  const { models, passages, problem } = await house.memory.stats()
  assert.deepEqual([models.map(({ vectors, state }) => [vectors, state]), problem], [[[passages, 'active']], null])
}

test('memory whose reindexing is killed loses nothing, answers, and can be reindexed: in a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-reindex-'))
  try {
    await killAndLook(join(folder, 'oxbow.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test(
  'memory whose reading anew is killed loses nothing and answers, and can be read anew: in Postgres',
  { skip: postgresSkip() },
  async () => {
    await using database = await postgres.database()
    // Each is a start of a program: where words are read is proven with the file.
    await killAndLook(database.url, 1)
  },
)
