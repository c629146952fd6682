/** What spaces cost: to switch, as people do it, and to recall in one of many. */
import { linkSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newSpace, openHome, openWorkspace, parseUser, spacesOf, workspaceName } from '../../src/runner/index.ts'
import { spacesFile } from '../../src/runner/spaces/space-names.ts'
import type { UserId } from '../../src/base/index.ts'
import { openPostgresStore, type Store } from '../../src/store/index.ts'
import { createDatabase, type PostgresDatabase, postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import { createMemoryData } from '../memory/memory-data.ts'
import { fill, search } from '../postgres/many-users.ts'
import { fillOthers } from '../postgres/other-users.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { runToEnd } from '../subjects/child-process.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { type BenchHome, commandLine, makeHome } from '../subjects/runner.ts'
import { fillLifelike } from '../talk/lifelike-memory.ts'
import { differentMessages, toldTalk } from '../talk/lifelike-talk.ts'

const others = 999
const warmUp = 10
/** Memories of the space that is searched, and of each other one. */
const ofTables = { own: 2_000, each: 200, tries: 5 }

export const spaces: Measure = {
  name: 'spaces',
  title: 'Spaces',
  how: 'To switch is the whole program `oxbow space use`, in a home with 1 000 spaces, compared with a bare Node. Recall is `memory.search` through the gateway, in turn in a home with one space and in one with 1 000, each of the others with a database of its own; both have the same memories. In Postgres spaces share tables: a search of the store by words and vector, in a database with one space and in one with 999 others, the quickest of five.',
  async run({ plan, modelUrl }) {
    const [passages] = plan.toldPassages
    const told = (database: string): Promise<void> => fillLifelike(database, passages)
    using alone = await makeHome(modelUrl, { fill: told })
    using many = await makeHome(modelUrl, { fill: told })
    const names = makeSpaces(many)
    const inTables = await tableSearches(plan.recallQuestions)
    return [...(await switches(many, names, plan.starts)), ...(await searches(alone, many, passages)), inTables]
  },
}

/** @returns their names */
function makeSpaces({ env, database }: BenchHome): readonly string[] {
  const home = openHome(env)
  openWorkspace(home, parseUser('bench'))
  const names = Array.from({ length: others }, (_, n) => `space-${n}`)
  newSpace(home, 'bench', { name: names[0]!, about: '', words: [], paths: [], created_at: 1 })
  // As if each had been made so: a thousand lists on disk, each with one more, would take most of a minute.
  const list = spacesFile(home.runner, 'bench')
  const [entry] = (JSON.parse(readFileSync(list, 'utf8')) as { readonly spaces: readonly [object] }).spaces
  writeFileSync(list, JSON.stringify({ current: '', spaces: names.map((name) => ({ ...entry, name })) }, null, 2))
  for (const name of names) {
    const { root } = openWorkspace(home, workspaceName('bench', name))
    // Nothing opens it.
    linkSync(database, join(root, 'internal', 'oxbow.db'))
  }
  if (spacesOf(home, 'bench').length !== names.length + 1) throw new Error('not all spaces are made')
  return names
}

async function switches({ env }: BenchHome, names: readonly string[], rounds: number): Promise<readonly Row[]> {
  const [bare, taken]: [number[], number[]] = [[], []]
  for (let round = -1; round < rounds; round++) {
    const spent = [
      await runToEnd(['-e', '0']),
      await runToEnd([commandLine(), 'space', 'use', names[(round + 1) % names.length]!, '--user', 'bench'], env),
    ] as const
    if (round < 0) continue
    bare.push(spent[0])
    taken.push(spent[1])
  }
  const [p50, own] = [median(taken), median(taken) - median(bare)]
  return [
    bounded(
      '`oxbow space use`, the whole program, p50',
      ms(p50),
      `bare Node ${ms(median(bare))}; beyond it ${ms(own)}`,
      'own part < 50 ms',
      own < 50,
    ),
    shown('the same, p95', ms(quantile(taken, 0.95)), `${taken.length} runs`),
  ]
}

async function searches(alone: BenchHome, many: BenchHome, passages: number): Promise<readonly Row[]> {
  const questions = differentMessages(toldTalk(passages), 200).map(({ text }) => text)
  await using one = await alone.start()
  await using other = await many.start()
  using inOne = await one.connect()
  using inMany = await other.connect()
  const taken: [number[], number[]] = [[], []]
  for (const [n, query] of questions.entries())
    for (const [at, client] of n % 2 === 0
      ? ([
          [0, inOne],
          [1, inMany],
        ] as const)
      : ([
          [1, inMany],
          [0, inOne],
        ] as const)) {
      const spent = await searchMs(client, query)
      if (n >= warmUp) taken[at].push(spent)
    }
  const [before, after] = [median(taken[0]), median(taken[1])]
  return [
    bounded(
      `recall with 1 000 spaces, ${passages} passages, p50`,
      `${ms(after)}, ${times(after / before)}`,
      `with one ${ms(before)}`,
      '≤ 1.05 × one space',
      after <= before * 1.05,
    ),
  ]
}

/** A space is a user of the store there. */
async function tableSearches(questions: number): Promise<Row> {
  const skip = postgresSkip()
  const what = `a search in Postgres with 1 000 spaces, ${ofTables.own} memories, p50`
  if (skip !== false) return shown(what, skip)
  await using server = await startPostgres({ settings: ['shared_buffers = 256MB', 'max_wal_size = 4GB'] })
  await using one = await createDatabase(server)
  await using many = await createDatabase(server)
  const data = createMemoryData(1, true)
  const open = ({ url }: PostgresDatabase): Promise<Store> =>
    openPostgresStore({ url, user: 'bench' as UserId, pool: 4, durability: 'normal' })
  const stores = [await open(one), await open(many)] as const
  try {
    for (const store of stores) await fill(store, data, ofTables.own)
    await fillOthers(many.sql, { users: others, each: ofTables.each })
    for (const { sql } of [one, many]) await sql('vacuum analyze')
    const taken: [number[], number[]] = [[], []]
    for (let n = 0; n < warmUp + questions; n++)
      for (const at of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        // What else the machine does takes longer than a search: the quickest of a few counts.
        let spent = Number.POSITIVE_INFINITY
        for (let tries = 0; tries < ofTables.tries; tries++) spent = Math.min(spent, await search(stores[at], data, n))
        if (n >= warmUp) taken[at].push(spent)
      }
    const [before, after] = [median(taken[0]), median(taken[1])]
    return bounded(
      what,
      `${ms(after)}, ${times(after / before)}`,
      `with one ${ms(before)}; ${others * ofTables.each} memories in the others`,
      '≤ 1.05 × one space',
      after <= before * 1.05,
    )
  } finally {
    for (const store of stores) await store.close()
  }
}

async function searchMs(client: GatewayClient, query: string): Promise<number> {
  const began = performance.now()
  const { status } = await client.call('memory.search', { query, include_conversation: true })
  if (status !== 'ok') throw new Error(`memory.search: ${status}`)
  return performance.now() - began
}
