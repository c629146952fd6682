/** Cost of other users' memories and activity for one user, in the same file and on the same machine. */
import { DatabaseSync } from 'node:sqlite'
import { statSync } from 'node:fs'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, megabytes, ms, perSecond, type Row, shown, times } from '../report.ts'
import { median } from '../statistics.ts'
import { benchUser, makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { createMemoryData, type MemoryData } from './memory-data.ts'

const seed = 5
const ownMemories = 2_000
/** Memories of each other user in the same file. */
const eachOther = 10_000
const batch = 250
const hits = 20
const contextWeight = 0.5
const turns = 40
const warmUp = 10
/** Memories of each of the concurrent users. */
const sideMemories = 300
const sideMs = 4_000

export const otherUsers: Measure = {
  name: 'other-users',
  title: 'Memories of others',
  how: "The same searches, writes and turns that recall, by turns in a file of one user and in one that also holds other users' memories (copied row by row). Side by side: each user with a file, a writer and a searcher of its own, all searching without a pause in one process.",
  async run(context) {
    const data = createMemoryData(seed, true)
    return [...(await sameFile(context, data)), ...(await sideBySide(context, data))]
  },
}

async function fill({ memory }: Store, data: MemoryData, from: number, count: number): Promise<void> {
  for (let first = from; first < from + count; first += batch) {
    const size = Math.min(batch, from + count - first)
    await memory.change(Array.from({ length: size }, (_, i) => ({ change: 'put', item: data.item(first + i) })))
  }
}

async function open(path: string, user: UserId): Promise<Store> {
  const store = await openSqliteStore({ path, user, durability: 'normal' })
  await store.opened()
  return store
}

async function sameFile(context: BenchContext, data: MemoryData): Promise<readonly Row[]> {
  using alone = makeWorkspace()
  using shared = makeWorkspace()
  for (const { database } of [alone, shared]) await fillFor(database, benchUser, data, ownMemories)
  await fillFor(shared.database, otherName(0), data, eachOther)
  const began = performance.now()
  const others = Math.max(2, Math.ceil(context.plan.othersMemories / eachOther))
  copyOthers(shared.database, others)
  const copied = performance.now() - began
  const sides = await costs(context, [alone, shared], data)
  const row = (what: keyof Costs): Row => {
    const [without, beside] = [median(sides[0][what]), median(sides[1][what])]
    const ratio = beside / without
    return bounded(`${names[what]}, p50`, ms(beside), `${times(ratio)} of ${ms(without)} without them`, '≤ 1.25 ×', ratio <= 1.25)
  }
  return [
    shown(
      `memories of ${others} others in the same file`,
      figure(others * eachOther),
      `${megabytes(statSync(shared.database).size)}, copied in ${(copied / 1_000).toFixed(0)} s`,
    ),
    ...(['search', 'write', 'turn'] as const).map(row),
  ]
}

async function fillFor(path: string, user: UserId, data: MemoryData, count: number): Promise<void> {
  const store = await open(path, user)
  await fill(store, data, 0, count)
  await store.close()
}

interface Costs {
  readonly search: number[]
  readonly write: number[]
  readonly turn: number[]
}

const names: Readonly<Record<keyof Costs, string>> = {
  search: `a search by words in ${ownMemories} memories of one's own`,
  write: 'a memory written',
  turn: 'a turn that recalls',
}

/** Alternates both sides, so that other load on the machine affects both. */
async function costs(
  { plan, programs, modelUrl }: BenchContext,
  workspaces: readonly [Workspace, Workspace],
  data: MemoryData,
): Promise<readonly [Costs, Costs]> {
  const sides: readonly [Costs, Costs] = [
    { search: [], write: [], turn: [] },
    { search: [], write: [], turn: [] },
  ]
  const stores = await Promise.all(workspaces.map(({ database }) => open(database, benchUser)))
  for (let i = -warmUp; i < plan.recallQuestions; i++) {
    for (const [side, store] of stores.entries()) {
      const took = await ask(store, data, i + warmUp)
      const began = performance.now()
      await fill(store, data, ownMemories + i + warmUp, 1)
      if (i >= 0) sides[side]?.search.push(took)
      if (i >= 0) sides[side]?.write.push(performance.now() - began)
    }
  }
  for (const store of stores) await store.close()
  await using guest = await startGuest({ program: programs.usual, workspace: workspaces[0], modelUrl })
  await using second = await startGuest({ program: programs.usual, workspace: workspaces[1], modelUrl })
  using terminal = await guest.connect()
  using secondTerminal = await second.connect()
  for (let i = -warmUp; i < turns; i++) {
    for (const [side, each] of [terminal, secondTerminal].entries()) {
      const session = await each.open()
      const began = performance.now()
      await each.turn(session, prompts.plain)
      if (i >= 0) sides[side]?.turn.push(performance.now() - began)
      await each.unfollow(session)
    }
  }
  return sides
}

async function ask({ memory }: Store, data: MemoryData, number: number): Promise<number> {
  const { terms } = data.question(number)
  const began = performance.now()
  await memory.search({ filter: {}, text: { terms, contextWeight, limit: hits } })
  return performance.now() - began
}

function otherName(number: number): UserId {
  return `other-${number}` as UserId
}

/** Copies the rows of the first other user for all others: takes seconds instead of minutes. */
function copyOthers(path: string, others: number): void {
  // Allows writing to the internal tables of the index.
  const database = new DatabaseSync(path, { defensive: false })
  const columns = (table: string): readonly string[] =>
    database
      .prepare(`select name from pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => `"${String(name)}"`)
      .filter((name) => name !== '"user"')
  database.exec('pragma cache_size = -262144; pragma synchronous = off')
  for (let number = 1; number < others; number++) {
    database.exec('begin')
    for (const table of ['memory_state', 'memory_entry', 'memory_passage']) {
      const list = columns(table).join(', ')
      const copy = database.prepare(`insert into ${table} ("user", ${list}) select ?, ${list} from ${table} where "user" = ?`)
      copy.run(otherName(number), otherName(0))
    }
    database.exec('commit')
  }
  database.close()
}

async function sideBySide({ plan }: BenchContext, data: MemoryData): Promise<readonly Row[]> {
  const workspaces = Array.from({ length: plan.sideUsers }, makeWorkspace)
  const stores: Store[] = []
  try {
    for (const [i, { database }] of workspaces.entries()) stores.push(await open(database, otherName(i)))
    for (const store of stores) await fill(store, data, 0, sideMemories)
    for (const store of stores) await ask(store, data, 0)
    const [first] = stores
    if (first === undefined) return []
    const alone = (await counted([first], data))[0] ?? 0
    const counts = await counted(stores, data)
    const total = counts.reduce((sum, count) => sum + count, 0)
    const [least, fair] = [Math.min(...counts), total / stores.length]
    return [
      shown(
        `searches of ${stores.length} users at once, each in a file of its own`,
        perSecond(total / (sideMs / 1_000)),
        `one alone ${perSecond(alone / (sideMs / 1_000))}`,
      ),
      bounded('what the least served of them gets', times(least / fair), 'of an equal share', '≥ 0.5 ×', least >= fair * 0.5),
    ]
  } finally {
    for (const store of stores) await store.close()
    for (const workspace of workspaces) workspace[Symbol.dispose]()
  }
}

/** @returns the number of searches of each user */
function counted(stores: readonly Store[], data: MemoryData): Promise<readonly number[]> {
  const end = performance.now() + sideMs
  return Promise.all(
    stores.map(async (store) => {
      let count = 0
      for (; performance.now() < end; count++) await ask(store, data, count)
      return count
    }),
  )
}
