/** What is done to a cluster: each fault begins, holds for a while, and is undone, so that any number of them may follow each other. */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { clockLibrary, type NetCluster, type NetNode } from './net-cluster.ts'
import { missingOf, type NatsMember } from './nats-member.ts'

export interface FaultContext {
  readonly cluster: NetCluster
  readonly users: readonly string[]
  readonly random: () => number
  /** Machines that something is being done to: two faults at once are on two of them. */
  readonly taken: Set<NetNode>
}

export interface Fault {
  readonly name: string
  /** How often it is drawn. */
  readonly weight: number
  /** How many of each kind are at once, `mostAtOnce` says. */
  readonly of: 'node' | 'nats' | 'postgres' | 'network'
  run(context: FaultContext): Promise<void>
}

/** Two members of NATS, or both servers of Postgres, are more than either promises to survive. */
export const mostAtOnce: Readonly<Record<Fault['of'], number>> = { node: 2, nats: 1, postgres: 1, network: 1 }

/** Where one of the users is, as the database knows it; another machine where something is done to that one. */
async function victim({ cluster, users, random, taken }: FaultContext): Promise<NetNode> {
  const user = users[Math.floor(random() * users.length)]!
  const rows = await cluster.postgres
    .sql<{ node: string }>(`select node from cluster_lease where "user" = $1`, [user])
    .catch(() => [] as { node: string }[])
  const free = cluster.nodes.filter((node) => !taken.has(node))
  const found = free.find(({ machine }) => machine.name === rows[0]?.node) ?? anyOf(free, random)
  taken.add(found)
  return found
}

const anyOf = <Item>(items: readonly Item[], random: () => number): Item => items[Math.floor(random() * items.length)]!

/** Until it is there: what it needs may be away at the same time. */
async function startAgain(node: NetNode, clockOffS = 0): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await node.start(clockOffS)
      return
    } catch (error) {
      await node.kill()
      if (tries === maxStarts) throw error
      await sleep(2_000)
    }
  }
}

/** NATS may be without a leader meanwhile, and whoever keeps a node running starts it again. */
const maxStarts = 30

async function pause(node: NetNode, ms: number): Promise<void> {
  const paused = node.node()
  paused?.machine('SIGSTOP')
  await sleep(ms)
  paused?.machine('SIGCONT')
}

/** @param toBoth the others do not hear it either */
async function cutOff(context: FaultContext, node: NetNode, ways: 'one' | 'both' | 'other', ms: number): Promise<void> {
  const { network, nodes, postgresMachines } = context.cluster
  const others = [...nodes.filter((each) => each !== node).map(({ machine }) => machine), ...postgresMachines]
  for (const other of others) {
    if (ways === 'other') network.cut(other, node.machine, 'one')
    else network.cut(node.machine, other, ways)
  }
  await sleep(ms)
  network.mend()
}

const between = (random: () => number, least: number, most: number): number => least + random() * (most - least)

const nodeFaults: readonly Fault[] = [
  {
    name: 'machine killed',
    weight: 4,
    of: 'node',
    async run(context) {
      const node = await victim(context)
      await node.kill()
      await sleep(between(context.random, 0, 15_000))
      await startAgain(node)
    },
  },
  {
    name: 'machine killed, and its disk lost',
    weight: 3,
    of: 'node',
    async run(context) {
      const node = await victim(context)
      const killed = node.node()
      await node.kill()
      killed?.wipe()
      await startAgain(node)
    },
  },
  {
    name: 'node process killed, its guests left',
    weight: 3,
    of: 'node',
    async run(context) {
      const node = await victim(context)
      const killed = node.node()
      killed?.machine('SIGKILL', 'node')
      await killed?.ended
      await sleep(between(context.random, 0, 3_000))
      await startAgain(node)
    },
  },
  {
    name: 'guests killed',
    weight: 6,
    of: 'node',
    run: async (context) => (await victim(context)).node()?.machine('SIGKILL', 'guests'),
  },
  {
    name: 'machine paused for 30 s',
    weight: 2,
    of: 'node',
    run: async (context) => pause(await victim(context), 30_000),
  },
  {
    name: 'machine paused for a moment',
    weight: 3,
    of: 'node',
    run: async (context) => pause(await victim(context), between(context.random, 500, 9_000)),
  },
  {
    name: 'node ended in order',
    weight: 2,
    of: 'node',
    async run(context) {
      const node = await victim(context)
      await node.node()?.stop()
      await node.kill()
      await startAgain(node)
    },
  },
  {
    name: 'clock 5 min off',
    weight: 2,
    of: 'node',
    async run(context) {
      if (!existsSync(clockLibrary)) return
      const node = await victim(context)
      await node.kill()
      await startAgain(node, context.random() < 0.5 ? 300 : -300)
      await sleep(between(context.random, 5_000, 15_000))
      await node.kill()
      await startAgain(node)
    },
  },
  {
    name: 'disk full',
    weight: 2,
    of: 'node',
    async run(context) {
      const { machine } = await victim(context)
      machine.fill()
      await sleep(between(context.random, 2_000, 10_000))
      machine.makeRoom()
    },
  },
]

const otherFaults: readonly Fault[] = [
  {
    name: 'NATS member killed',
    weight: 3,
    of: 'nats',
    async run({ cluster, random }) {
      const { nats } = anyOf(cluster.nodes, random)
      await nats.signal('SIGKILL')
      await sleep(between(random, 0, 8_000))
      await nats.start()
    },
  },
  {
    name: 'NATS member paused',
    weight: 2,
    of: 'nats',
    async run({ cluster, random }) {
      const { nats } = anyOf(cluster.nodes, random)
      await nats.signal('SIGSTOP')
      await sleep(between(random, 1_000, 12_000))
      await nats.signal('SIGCONT')
    },
  },
  {
    name: 'NATS data of one member lost',
    weight: 2,
    of: 'nats',
    run: ({ cluster, random }) => anyOf(cluster.nodes, random).nats.loseData(),
  },
  {
    name: 'Postgres primary killed, standby promoted',
    weight: 3,
    of: 'postgres',
    run: ({ cluster }) => cluster.postgres.failOver(),
  },
  {
    name: 'Postgres process killed',
    weight: 4,
    of: 'postgres',
    run: ({ cluster }) => cluster.postgres.killBackend(),
  },
  {
    name: 'machine cut off',
    weight: 2,
    of: 'network',
    run: async (context) => cutOff(context, await victim(context), 'both', between(context.random, 2_000, 20_000)),
  },
  {
    name: 'machine hears nothing',
    weight: 2,
    of: 'network',
    run: async (context) => cutOff(context, await victim(context), 'one', between(context.random, 2_000, 20_000)),
  },
  {
    name: 'machine is not heard',
    weight: 2,
    of: 'network',
    run: async (context) => cutOff(context, await victim(context), 'other', between(context.random, 2_000, 20_000)),
  },
]

export const faults: readonly Fault[] = [...nodeFaults, ...otherFaults]

/** @returns one by its weight */
export function drawFault(random: () => number, from: readonly Fault[] = faults): Fault {
  const all = from.flatMap((fault) => Array.from({ length: fault.weight }, () => fault))
  return anyOf(all, random)
}

/**
 * Waits until all of NATS answers and has what the others have, so that the next fault may take another member. A member that stays behind is
 * started again, as its keeper does where it asks for `/healthz`: 2.9.10 does not always recover from a cut by itself.
 * @returns the members that were started again @throws with what is missing
 */
export async function wholeAgain({ cluster }: FaultContext): Promise<readonly string[]> {
  const restarted: string[] = []
  let missing: readonly (readonly [NatsMember, string])[] = []
  const began = performance.now()
  for (let patient = patientMs; performance.now() - began < wholeMs; await sleep(200)) {
    const all = await Promise.all(cluster.nodes.map(async ({ nats }) => [nats, await missingOf(nats)] as const))
    missing = all.filter(([, text]) => text !== '')
    if (missing.length === 0) return restarted
    if (performance.now() - began < patient) continue
    patient = performance.now() - began + patientMs
    // In turn, where it is not one of those that answer nothing or have no leader. Started twice for nothing, a member lacks what the leader of a
    // consumer does not give it: then the others have their turn.
    const times = ({ machine: { name } }: NatsMember): number => restarted.filter((each) => each === name).length
    const urgency = ([member, text]: (typeof all)[number]): number => times(member) + (text === '' ? 1.5 : isLost(text) ? -2 : 0)
    const [[behind]] = all.toSorted((one, other) => urgency(one) - urgency(other)) as [[NatsMember, string]]
    restarted.push(behind.machine.name)
    await behind.signal('SIGCONT')
    await behind.signal('SIGKILL')
    await behind.start()
  }
  throw new Error(`NATS is not whole after ${wholeMs / 1_000} s: ${missing.map(([, text]) => text).join('; ')}`)
}

/** It has no leader, or does not answer. */
const isLost = (text: string): boolean => text.includes('meta leader') || !text.includes('status')
const patientMs = 15_000
const wholeMs = 240_000
