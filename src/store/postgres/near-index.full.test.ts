import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '../../base/index.ts'
import { anything, put } from '../contract/memory-fixture.ts'
import type { MemoryFilter, MemoryStore } from '../memory.ts'
import { ann } from '../store-fixture.ts'
import type { Store } from '../store.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { buildNear, type NearState } from './near-index.ts'
import { pgvectorSkip, postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresDriver, PostgresSession } from './postgres-session.ts'

const dims = 24
const count = 400

interface Subject {
  readonly store: Store
  readonly session: PostgresSession
  /** Makes the index or brings it up to date, however few there are. */
  build(): Promise<NearState>
  /** Passages in the index's table. */
  indexed(): Promise<number>
}

const postgres = usePostgres()

async function subject(driver: PostgresDriver, user: UserId, work: (subject: Subject) => Promise<void>): Promise<void> {
  const { store } = await openEngine(driver, { user })
  const session = await driver.connect()
  const build = async (): Promise<NearState> => {
    await session.exec('begin')
    const state = await buildNear({ session, user, isMany: () => true })
    await session.exec('commit')
    return state
  }
  const indexed = async (): Promise<number> => {
    const [row] = await session.rows({ text: 'select name from memory_near where "user" = $1', values: [user] })
    if (row === undefined) return 0
    return Number((await session.rows({ text: `select count(*) from ${String(row[0])}`, values: [] }))[0]?.[0])
  }
  try {
    await store.memory.change([
      { change: 'model', model: 'm', dims, state: 'active' },
      ...Array.from({ length: count }, (_, i) => put(`e${i}`, `text ${i}`, { tags: i % 100 === 0 ? ['rare'] : [] })),
    ])
    await embed(store.memory, 0)
    await work({ store, session, build, indexed })
  } finally {
    await session.close()
    await store.close()
  }
}

const skip = pgvectorSkip()

async function on(work: (subject: Subject) => Promise<void>): Promise<void> {
  await using database = await postgres.database()
  await database.sql('create extension vector')
  await subject(pgDriver(database.url), ann, work)
}

/** The same numbers everywhere. */
function vectorOf(seed: number): Float32Array<ArrayBuffer> {
  let state = (seed + 1) * 48_271
  return Float32Array.from({ length: dims }, () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647 - 0.5
  })
}

async function embed(memory: MemoryStore, shift: number): Promise<void> {
  const lacking = await memory.withoutVector('m', 1_000)
  const vectors = lacking.map(({ id, text }) => ({ passage: id, vector: vectorOf(Number(text.split(' ')[1]) + shift) }))
  await memory.change([{ change: 'vectors', model: 'm', vectors }])
}

async function nearest(memory: MemoryStore, seed: number, filter: MemoryFilter = anything, limit = 5) {
  const { vector, passages } = await memory.search({ filter, vector: { model: 'm', vector: vectorOf(seed), limit } })
  return vector.map(({ passage, score }) => [passages.find(({ id }) => id === passage)?.entry.id ?? 'missing', score] as const)
}

const ids = (hits: readonly (readonly [string, number])[]): readonly string[] => hits.map(([id]) => id)

test('an index finds what is found without one, with the same scores, and is asked', { skip }, () =>
  on(async ({ store: { memory }, session, build, indexed }) => {
    const questions = Array.from({ length: 30 }, (_, i) => 1_000 + i)
    const before = await Promise.all(questions.map((seed) => nearest(memory, seed)))
    assert.equal(await build(), 'made')
    assert.equal(await indexed(), count)
    const now = await Promise.all(questions.map((seed) => nearest(memory, seed)))
    const scores = new Map(now.flatMap((hits, i) => hits.map(([id, score]) => [`${i} ${id}`, score] as const)))
    const same = before.flatMap((hits, i) => hits.map(([id, score]) => Math.abs((scores.get(`${i} ${id}`) ?? 0) - score) < 1e-6))
    // An index of this kind may miss one now and then.
    assert.ok(same.filter(Boolean).length >= 0.99 * same.length, `${same.filter(Boolean).length} of ${same.length}`)
    // What the index does not know is not found: it is what is asked.
    const [best] = await nearest(memory, 7)
    const [row] = await session.rows({ text: 'select name from memory_near', values: [] })
    await session.exec(`delete from ${String(row?.[0])} where passage = 8`)
    assert.equal(best?.[0], 'e7')
    assert.ok(!ids(await nearest(memory, 7)).includes('e7'))
  }),
)

test('what is new or changed since the index was made is found at once, and upkeep puts it in', { skip }, () =>
  on(async ({ store: { memory }, build, indexed }) => {
    await build()
    await memory.change([put('new', 'text 2000')])
    await embed(memory, 0)
    assert.equal((await nearest(memory, 2_000))[0]?.[0], 'new')
    await memory.change([{ change: 'vectors', model: 'm', vectors: [{ passage: 10, vector: vectorOf(3_000) }] }])
    assert.equal((await nearest(memory, 3_000))[0]?.[0], 'e9')
    assert.ok(!ids(await nearest(memory, 9)).includes('e9'))
    assert.equal(await indexed(), count)
    assert.equal(await build(), 'extended')
    assert.equal(await indexed(), count + 1)
    assert.equal(await build(), 'current')
    assert.equal((await nearest(memory, 2_000))[0]?.[0], 'new')
    assert.equal((await nearest(memory, 3_000))[0]?.[0], 'e9')
    assert.ok(!ids(await nearest(memory, 9)).includes('e9'))
  }),
)

test('a filter that few pass leaves no search with an index short', { skip }, () =>
  on(async ({ store: { memory }, build }) => {
    const before = await nearest(memory, 5, { tags: ['rare'] })
    await build()
    assert.equal(before.length, 4)
    assert.deepEqual(ids(await nearest(memory, 5, { tags: ['rare'] })), ids(before))
    assert.equal((await nearest(memory, 5, anything, 300)).length, 300)
  }),
)

test('what is erased leaves the index at once, and a model that is dropped takes its table with it', { skip }, () =>
  on(async ({ store: { memory }, session, build, indexed }) => {
    await build()
    await memory.change([{ change: 'erase', id: 'e7' }])
    assert.equal(await indexed(), count - 1)
    assert.ok(!ids(await nearest(memory, 7)).includes('e7'))
    await memory.change([{ change: 'model', model: 'm', dims, state: 'dropped' }])
    assert.equal(await indexed(), 0)
    const tables = await session.rows({
      text: `select 1 from pg_class where relname like 'memory\\_near\\__%' and relkind = 'r'`,
      values: [],
    })
    assert.deepEqual(tables, [])
  }),
)

test('without pgvector nothing is made, and vectors are found all the same', { skip: postgresSkip() }, async () => {
  await using database = await postgres.database()
  // The role of tests may not make extensions that only an administrator makes.
  await subject(pgDriver(database.url), ann, async ({ store: { memory }, build, indexed }) => {
    assert.equal(await build(), 'no pgvector')
    assert.equal(await indexed(), 0)
    assert.equal((await nearest(memory, 7))[0]?.[0], 'e7')
  })
})
