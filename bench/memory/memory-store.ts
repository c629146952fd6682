/** Speed of writing and searching memories in the store, and their size. */
import { statSync } from 'node:fs'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'
import type { Measure } from '../measure.ts'
import { createMemoryData, dims, type MemoryData } from './memory-data.ts'
import { openBenchPostgres } from './bench-postgres.ts'
import { bounded, figure, ms, perSecond, type Row, shown, times } from '../report.ts'
import { quantile } from '../statistics.ts'
import { benchUser, makeWorkspace } from '../subjects/guest.ts'

const seed = 3
const textBatch = 250
const vectorBatch = 500
/** Weight of a word from the previous turn. */
const contextWeight = 0.5
const hits = 20
const warmUp = 20
const exactQuestions = 40
/** Other users who search at the same time, each with this many memories. */
const others = 3
const otherMemories = 500

export const memoryStore: Measure = {
  name: 'memory-store',
  title: 'The store of memory',
  how: 'Sentences of 329 characters with the words of the one before as context and vectors of 384 numbers, by seed; a question is four words and a vector, the best 20 of each; for comparison, the question is compared with every vector in plain JavaScript, in the same minute.',
  async run({ plan }) {
    const data = createMemoryData(seed, true)
    const count = plan.recallPassages
    using workspace = makeWorkspace()
    const rows: Row[] = []
    const open = async (user: UserId): Promise<Store> => {
      const store = await openSqliteStore({ path: workspace.database, user, durability: 'normal' })
      await store.opened()
      return store
    }
    const filler = await open(benchUser)
    rows.push(...(await fill('SQLite', filler, data, count)))
    await filler.close()
    const bytes = statSync(workspace.database).size / count
    rows.push(bounded('SQLite: bytes a memory, all indexes', figure(bytes), '', '≤ 2 500', bytes <= 2_500))
    const store = await open(benchUser)
    rows.push(...(await search('SQLite', store, data, count, plan.recallQuestions, 15, 40)))
    rows.push(await sideBySide(store, open, data, plan.recallQuestions))
    await store.close()
    await using postgres = await openBenchPostgres()
    if (postgres.url === null) return [...rows, shown('Postgres', postgres.why)]
    const remote = await postgres.open(benchUser)
    rows.push(...(await fill('Postgres', remote, data, count)))
    rows.push(...(await search('Postgres', remote, data, count, plan.recallQuestions, 10, 40)))
    await remote.close()
    return rows
  },
}

async function fill(name: string, { memory }: Store, data: MemoryData, count: number): Promise<readonly Row[]> {
  let making = 0
  const made = <Made>(make: () => Made): Made => {
    const began = performance.now()
    const result = make()
    making += performance.now() - began
    return result
  }
  const rate = async (batch: number, write: (first: number, size: number) => Promise<void>): Promise<number> => {
    making = 0
    const began = performance.now()
    for (let first = 0; first < count; first += batch) await write(first, Math.min(batch, count - first))
    return (count / (performance.now() - began - making)) * 1_000
  }
  const numbers = (first: number, size: number): readonly number[] => Array.from({ length: size }, (_, i) => first + i)
  const texts = await rate(textBatch, (first, size) => {
    const items = made(() => numbers(first, size).map((number) => data.item(number)))
    return memory.change(items.map((item) => ({ change: 'put', item })))
  })
  await memory.change([{ change: 'model', model: 'm', dims, state: 'active' }])
  const vectors = await rate(vectorBatch, (first, size) => {
    // A store counts its passages from 1.
    const list = made(() => numbers(first, size).map((number) => ({ passage: number + 1, vector: data.vector(number) })))
    return memory.change([{ change: 'vectors', model: 'm', vectors: list }])
  })
  return [
    bounded(`${name}: ${count} memories written, found by text`, perSecond(texts), '', '≥ 2 000/s', texts >= 2_000),
    shown(`${name}: their vectors written`, perSecond(vectors)),
  ]
}

type Asked = ReturnType<MemoryData['question']>

async function ask({ memory }: Store, { terms, vector }: Asked): Promise<number> {
  const began = performance.now()
  await memory.search({ filter: {}, text: { terms, contextWeight, limit: hits }, vector: { model: 'm', vector, limit: hits } })
  return performance.now() - began
}

async function search(
  name: string,
  store: Store,
  data: MemoryData,
  count: number,
  questions: number,
  usual: number,
  slow: number,
): Promise<readonly Row[]> {
  const vectors = Array.from({ length: count }, (_, number) => data.vector(number))
  const first = await ask(store, data.question(0))
  const took: number[] = []
  const plain: number[] = []
  let same = 0
  for (let i = 0; i < questions + warmUp; i++) {
    const question = data.question(i)
    const time = await ask(store, question)
    if (i >= warmUp) took.push(time)
    if (i >= exactQuestions) continue
    const began = performance.now()
    const nearest = nearestOf(vectors, question.vector)
    plain.push(performance.now() - began)
    const found = await store.memory.search({ filter: {}, vector: { model: 'm', vector: question.vector, limit: 10 } })
    same += found.vector.filter(({ passage }) => nearest.includes(passage)).length
  }
  const [p50, p95, scan] = [quantile(took, 0.5), quantile(took, 0.95), quantile(plain, 0.5)]
  const exact = same / (10 * exactQuestions)
  return [
    bounded(
      `${name}: a search by words and vector, p50`,
      ms(p50),
      `${times(p50 / scan)} of a plain scan (${ms(scan)})`,
      `< ${usual} ms`,
      p50 < usual,
    ),
    bounded(`${name}: the same, p95`, ms(p95), '', `< ${slow} ms`, p95 < slow),
    bounded(`${name}: of the ten nearest vectors are found`, figure(exact), 'all compared', '≥ 0.99', exact >= 0.99),
    shown(`${name}: the first search of a process`, ms(first), 'reads what it holds'),
  ]
}

/** @returns the passages of the ten nearest */
function nearestOf(vectors: readonly Float32Array[], question: Float32Array): readonly number[] {
  const scores = new Float64Array(vectors.length)
  vectors.forEach((vector, i) => {
    let dot = 0
    for (let d = 0; d < dims; d++) dot += (vector[d] as number) * (question[d] as number)
    scores[i] = dot
  })
  return Array.from(scores.keys())
    .sort((a, b) => (scores[b] as number) - (scores[a] as number))
    .slice(0, 10)
    .map((number) => number + 1)
}

/** Other users of the same file search continuously meanwhile. */
async function sideBySide(store: Store, open: (user: UserId) => Promise<Store>, data: MemoryData, questions: number): Promise<Row> {
  const stores = await Promise.all(Array.from({ length: others }, (_, i) => open(`other-${i}` as UserId)))
  try {
    for (const other of stores) await fill('', other, data, otherMemories)
    const alone: number[] = []
    for (let i = 0; i < questions; i++) alone.push(await ask(store, data.question(i)))
    const stop = new AbortController()
    const busy = stores.map(async (other) => {
      for (let i = 0; !stop.signal.aborted; i++) await ask(other, data.question(i))
    })
    const beside: number[] = []
    for (let i = 0; i < questions; i++) beside.push(await ask(store, data.question(i)))
    stop.abort()
    await Promise.all(busy)
    const ratio = quantile(beside, 0.5) / quantile(alone, 0.5)
    return bounded(
      `SQLite: the same while ${others} others search without a pause`,
      times(ratio),
      'alone',
      `≤ ${others + 1} ×`,
      ratio <= others + 1,
    )
  } finally {
    for (const other of stores) await other.close()
  }
}
