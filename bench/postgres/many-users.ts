/** Many users in one Postgres: the cost of a million memories of others, and the shares of a hundred concurrent users. */
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { openEngine, pgDriver } from '../../src/store/postgres/engine-fixture.ts'
import { createDatabase, postgresSkip, type PostgresDatabase, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import type { Store } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'
import { createMemoryData, dims, type MemoryData, vectorsOf } from '../memory/memory-data.ts'
import type { BenchPlan } from '../bench-plan.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, ms, perSecond, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { fillOthers } from './other-users.ts'
import { turnMs } from './turn-time.ts'

const seed = 3
const batch = 250
const own = 5_000
const others = { users: 100, each: 10_000 }
/** Guests started on each side, alternating. */
const rounds = 3
const workers = 100
/** Longer than other measures, because each user's operations are counted, and small counts vary. */
const sideTimes = 2
const memoriesOfWorker = 64
/** One in this many operations is a write. */
const writeEvery = 4
/** Minimum part of an equal share for each of a hundred users. */
const leastShare = 0.5

export const manyPostgresUsers: Measure = {
  name: 'postgres-users',
  title: 'Many users in one Postgres',
  how: 'A server of its own, fsync off. One user with 5 000 memories of 384 dimensions, in a database with 1 000 000 of 100 others and in one without, by turns. Then 100 users with connections of their own, each doing three searches by words and vector for one write of a memory, all at once in one process.',
  async run(context) {
    const skip = postgresSkip()
    if (skip !== false) return [shown('not measured', skip)]
    await using server = await startPostgres({ settings: ['max_connections = 300', 'shared_buffers = 256MB', 'max_wal_size = 4GB'] })
    await using database = await createDatabase(server)
    await using empty = await createDatabase(server)
    const data = createMemoryData(seed, true)
    return [...(await besideMillion(context, database, empty, data)), ...(await sideBySide(empty, data, context.plan))]
  },
}

async function besideMillion(
  context: BenchContext,
  database: PostgresDatabase,
  empty: PostgresDatabase,
  data: MemoryData,
): Promise<readonly Row[]> {
  // Another model than the guest's, which keeps only its own.
  const open = async ({ url }: PostgresDatabase): Promise<Store> => {
    const store = await openPostgresStore({ url, user: 'searcher' as UserId, pool: 4, durability: 'normal' })
    await store.opened()
    return store
  }
  for (const one of [database, empty]) {
    const store = await open(one)
    await fill(store, data, own)
    await store.close()
  }
  const began = performance.now()
  await fillOthers(database.sql, others)
  // Otherwise the server would do it during the measured turns.
  await database.sql('vacuum analyze')
  await database.sql('checkpoint')
  const seconds = (performance.now() - began) / 1_000
  const took = { full: [] as number[], empty: [] as number[] }
  const [full, without] = [await open(database), await open(empty)]
  for (let i = 0; i < context.plan.recallQuestions; i++) {
    took.full.push(await search(full, data, i))
    took.empty.push(await search(without, data, i))
  }
  await full.close()
  await without.close()
  const turns = { full: [] as number[], empty: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    turns.empty.push(await turnMs(context, empty.url))
    turns.full.push(await turnMs(context, database.url))
  }
  const total = others.users * others.each
  const row = (what: string, a: readonly number[], b: readonly number[]): Row => {
    const [beside, alone] = [median(a), median(b)]
    return bounded(what, ms(beside), `${times(beside / alone)} of without them`, '≤ 1.3 ×', beside <= 1.3 * alone)
  }
  return [
    shown(`${total} memories of ${others.users} others written by the server`, `${figure(seconds)} s`),
    row('a search among 5 000 memories with other users, p50', took.full, took.empty),
    row('a turn without tools with other users, p50', turns.full, turns.empty),
  ]
}

async function sideBySide(database: PostgresDatabase, data: MemoryData, { busySeconds }: BenchPlan): Promise<readonly Row[]> {
  const engines = await Promise.all(
    Array.from({ length: workers }, (_, i) => openEngine(pgDriver(database.url, 2), { user: `worker-${i}` as UserId })),
  )
  try {
    for (const { store } of engines) await fill(store, data, memoriesOfWorker)
    // The first search of each user opens its read connection, which costs as much as ten searches.
    for (const { store } of engines) await search(store, data, 0)
    const [first] = engines
    if (first === undefined) return []
    const alone = await work(first.store, data, performance.now() + (busySeconds * 1_000) / 4)
    const seconds = busySeconds * sideTimes
    const until = performance.now() + seconds * 1_000
    const done = await Promise.all(engines.map(({ store }) => work(store, data, until)))
    const counts = done.map((took) => took.length)
    const mean = counts.reduce((sum, count) => sum + count, 0) / workers
    const share = Math.min(...counts) / mean
    const [slow, usual] = [quantile(done.flat(), 0.95), quantile(done.flat(), 0.5)]
    const slowAlone = quantile(alone, 0.95)
    return [
      shown(
        `${workers} users at once, together`,
        perSecond((mean * workers) / seconds),
        `${times(usual / median(alone))} of alone for each, p50`,
      ),
      bounded(
        'the least of them gets of an equal share',
        figure(share),
        `the most ${figure(Math.max(...counts) / mean)}`,
        `≥ ${leastShare}`,
        share >= leastShare,
      ),
      bounded(
        'the same, p95 of one thing',
        ms(slow),
        // A quarter of the operations are writes, which take longer than searches, so both sides have the same mix.
        `${times(slow / slowAlone)} of p95 alone`,
        `≤ ${workers} ×`,
        slow <= workers * slowAlone,
      ),
    ]
  } finally {
    for (const { store } of engines) await store.close()
  }
}

/** Writes memories with their vectors, as a user of the store. */
export async function fill({ memory }: Store, data: MemoryData, count: number): Promise<void> {
  await memory.change([{ change: 'model', model: 'm', dims, state: 'active' }])
  for (let first = 0; first < count; first += batch) {
    const numbers = Array.from({ length: Math.min(batch, count - first) }, (_, i) => first + i)
    await memory.change(numbers.map((number) => ({ change: 'put', item: data.item(number) })))
    // A store counts its passages from 1.
    const vectors = vectorsOf(
      data,
      numbers.map((number) => number + 1),
      first,
    )
    await memory.change([{ change: 'vectors', model: 'm', vectors }])
  }
}

/** @returns how long a search by words and vector takes */
export async function search({ memory }: Store, data: MemoryData, number: number): Promise<number> {
  const { terms, vector } = data.question(number)
  const began = performance.now()
  await memory.search({ filter: {}, text: { terms, contextWeight: 0.5, limit: 20 }, vector: { model: 'm', vector, limit: 20 } })
  return performance.now() - began
}

/** @returns the duration of each operation */
async function work(store: Store, data: MemoryData, until: number): Promise<readonly number[]> {
  const took: number[] = []
  for (let i = 0; performance.now() < until; i++) {
    const began = performance.now()
    if (i % writeEvery === 0) await store.memory.change([{ change: 'put', item: data.item(memoriesOfWorker + i) }])
    else await search(store, data, i)
    took.push(performance.now() - began)
  }
  return took
}
