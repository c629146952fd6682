/** What spaces cost: to switch, as people do it, and to recall in one of many. */
import { linkSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newSpace, openHome, openWorkspace, parseUser, spacesOf, workspaceName } from '../../src/runner/index.ts'
import { spacesFile } from '../../src/runner/spaces/space-names.ts'
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

export const spaces: Measure = {
  name: 'spaces',
  title: 'Spaces',
  how: 'To switch is the whole program `oxbow space use`, in a home with 1 000 spaces, compared with a bare Node. Recall is `memory.search` through the gateway, in turn in a home with one space and in one with 1 000, each of the others with a database of its own; both have the same memories.',
  async run({ plan, modelUrl }) {
    const [passages] = plan.toldPassages
    const fill = (database: string): Promise<void> => fillLifelike(database, passages)
    using alone = await makeHome(modelUrl, { fill })
    using many = await makeHome(modelUrl, { fill })
    const names = makeSpaces(many)
    return [...(await switches(many, names, plan.starts)), ...(await searches(alone, many, passages))]
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

async function searchMs(client: GatewayClient, query: string): Promise<number> {
  const began = performance.now()
  const { status } = await client.call('memory.search', { query, include_conversation: true })
  if (status !== 'ok') throw new Error(`memory.search: ${status}`)
  return performance.now() - began
}
