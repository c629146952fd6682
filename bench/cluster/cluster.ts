/** A cluster of processes on one machine, with real NATS and PostgreSQL: what a user waits for, and what a node costs. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { openClusterLink } from '../../src/cluster/nats-link.ts'
import { type ClusterChoice, clusterSkip, startCluster, type TestCluster, type TestNode } from '../../test/cluster/cluster-fixture.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, megabytes, ms, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { repositoryPath } from '../subjects/child-process.ts'
import { connectGateway, type GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { begin, coldWakes, pausesOfMoves, takeovers, user } from './cluster-times.ts'
import { type CountedLine, countedLine } from './counted-line.ts'

const sleepers = 10_000

export const cluster: Measure = {
  name: 'cluster',
  title: 'A cluster',
  how: 'Nodes of the built program as processes on this machine, with one NATS server and one PostgreSQL (fsync off). A client sends messages over the HTTP API to any door, each again until it is acknowledged.',
  async run(context) {
    const skip = clusterSkip()
    if (skip !== false) return [shown('not measured', skip)]
    const program = context.programs.bundle === null ? {} : { program: repositoryPath('dist/oxbow.js') }
    const few = context.plan.turns < 400
    const timed = async (choice: ClusterChoice, measure: (of: TestCluster) => Promise<readonly number[]>): Promise<readonly number[]> => {
      await using one = await startCluster({ ...program, answerMs: 20, ...choice })
      return await measure(one)
    }
    const moves = await timed({}, (one) => pausesOfMoves(one, few ? 5 : 20))
    const wakes = await timed({ cluster: ['idle_min = 0.1'] }, (one) => coldWakes(one, few ? 5 : 20))
    const kills = await timed({}, (one) => takeovers(one, few ? 3 : 20))
    return [
      atMost('message during a move, p50', moves, 0.5, 1_000),
      atMost('the same, the slowest', moves, 1, 1_000),
      atMost('message to a guest that sleeps until it is acknowledged, p50', wakes, 0.5, 1_000),
      atMost('kill of a machine until a message is acknowledged, p99', kills, 0.99, 15_000),
      ...(await costs(context, program)),
      ...(await idleCost(program)),
    ]
  },
}

function atMost(what: string, found: readonly number[], share: number, mostMs: number): Row {
  const value = quantile(found, share)
  const beside = `${found.length} times, p50 ${ms(median(found))}, slowest ${ms(Math.max(...found))}`
  return bounded(what, ms(value), beside, `< ${mostMs / 1_000} s`, value < mostMs)
}

/** Turns through the door of the other node, and in a guest of the same kind without a cluster. */
async function costs(context: BenchContext, program: ClusterChoice): Promise<readonly Row[]> {
  await using line = await countedLine()
  await using one = await startCluster({ ...program, modelUrl: context.modelUrl, storeUrl: line.url })
  const { nodes, key } = await begin(one, ['a', 'b'])
  const other = nodes.find((node) => node.guestPid(user) === null)!
  using terminal = await connectGateway(`${other.door.replace('http', 'ws')}/users/${user}/ws`, key)
  using workspace = makeWorkspace()
  const config = { store: { url: line.url(one.database.url) }, memory: { embedder: 'none' } }
  await using guest = await startGuest({ program: context.programs.usual, workspace, modelUrl: context.modelUrl, config: config })
  using alone = await guest.connect()

  const heard = await countMessages(one)
  await pause(10_000)
  const restful = heard() / 10
  const before = { messages: heard(), at: performance.now() }
  const count = Math.min(context.plan.turns, 100)
  for (const each of [alone, terminal]) await turnsOf(each, 20)
  const single = median(await turnsOf(alone, count))
  const through = median(await turnsOf(terminal, count))
  const seconds = (performance.now() - before.at) / 1_000
  const messages = (heard() - before.messages - restful * seconds) / (count + 20)
  const [fenced, plain] = [await tripsOfTurn(line, `oxbow ${user}`, terminal), await tripsOfTurn(line, 'oxbow bench', alone)]
  const ratio = through / single
  return [
    bounded(
      'turn without tools through the other node’s door, p50',
      ms(through),
      `without a cluster ${ms(single)}, ${times(ratio)}`,
      '≤ 1.3 ×',
      ratio <= 1.3,
    ),
    bounded(
      'messages of NATS for a turn',
      figure(Math.max(0, messages)),
      `and ${figure(restful)}/s in all for two nodes and a guest that does nothing`,
      '≤ 3',
      messages <= 3,
    ),
    bounded(
      'round trips to PostgreSQL of a turn',
      figure(fenced),
      `without a cluster ${figure(plain)}, whose client has the token of the guest; here it has an API key, which is read for its messages`,
      'one more',
      fenced <= plain + 1,
    ),
  ]
}

/** Turns during which round trips are counted. */
const tripTurns = 20
const restMs = 15_000

/** @returns round trips of one turn, without those that the same guest makes by the clock while it does nothing */
async function tripsOfTurn(line: CountedLine, name: string, by: GatewayClient): Promise<number> {
  await turnsOf(by, 2)
  const ofClock = (await line.tripsOf(name, () => pause(restMs))) / restMs
  const began = performance.now()
  const all = await line.tripsOf(name, async () => void (await turnsOf(by, tripTurns)))
  return Math.max(0, all - ofClock * (performance.now() - began)) / tripTurns
}

/** @returns how many messages have passed the server until now */
async function countMessages({ nats }: TestCluster): Promise<() => number> {
  const connection = await connect({ servers: nats.url })
  let count = 0
  connection.subscribe('>', { callback: () => void (count += 1) })
  await connection.flush()
  return () => count
}

async function turnsOf(terminal: GatewayClient, count: number): Promise<readonly number[]> {
  const took: number[] = []
  while (took.length < count) {
    const session = await terminal.open()
    for (let turn = 0; turn < 10 && took.length < count; turn += 1) {
      const began = performance.now()
      await terminal.turn(session, prompts.plain)
      took.push(performance.now() - began)
    }
    await terminal.unfollow(session)
  }
  return took
}

/** A node whose cluster has many users who sleep, and one whose cluster has none. */
async function idleCost(program: ClusterChoice): Promise<readonly Row[]> {
  await using one = await startCluster(program)
  await begin(one, ['a'])
  const bare = await one.startNode('b')
  await pause(8_000)
  const without = residentBytes(bare)
  await bare.stop()
  const link = await openClusterLink(one.nats.config)
  const names = Array.from({ length: sleepers }, (_, n) => `user-${n}`)
  for (let at = 0; at < sleepers; at += 500)
    await Promise.all(
      names.slice(at, at + 500).map((name) => link.writePlace(name, { node: 'a', isWanted: false, failure: '', isAsleep: true })),
    )
  await link.close()
  await one.database.sql(
    `insert into cluster_alarm select 'user-' || n, now() + interval '1 day' from generate_series(0, ${sleepers - 1}) n`,
  )
  const full = await one.startNode('b')
  await pause(8_000)
  const more = residentBytes(full) - without
  const guests = full.guests()
  return [
    bounded(
      `memory of a node for ${sleepers} users who sleep`,
      megabytes(Math.max(0, more)),
      `the node itself ${megabytes(without)}; ${guests} of their guests run`,
      '< 20 MB, 0 processes',
      more < 20e6 && guests === 0,
    ),
  ]
}

function residentBytes({ pid }: TestNode): number {
  const [, kb = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) * 1_024
}
