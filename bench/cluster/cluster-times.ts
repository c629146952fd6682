/** How long a user's client waits for a guest that sleeps, moves, or whose machine has lost power. */
import { setTimeout as pause } from 'node:timers/promises'
import { send, type TestCluster, type TestNode, until } from '../../test/cluster/cluster-fixture.ts'

export const user = 'ann'

interface Placed {
  readonly state: string
  readonly node: string
}

async function whereIs(cluster: TestCluster, name: string): Promise<Placed> {
  return JSON.parse((await cluster.oxbow(name, 'cluster', 'where', user, '--json')).text) as Placed
}

/** @returns the names' nodes, and a key of the user, whose guest runs */
export async function begin(cluster: TestCluster, names: readonly string[]): Promise<{ nodes: TestNode[]; key: string }> {
  await cluster.oxbow(names[0]!, 'cluster', 'init')
  const nodes = await Promise.all(names.map((name) => cluster.startNode(name)))
  await cluster.oxbow(names[0]!, 'cluster', 'where', user, '--wake')
  return { nodes, key: await cluster.keyOf(user) }
}

/** A client that sends one message after the other, each until it is acknowledged. */
function keepSending(doors: () => readonly string[], key: string) {
  const state = { goesOn: true, slowestMs: 0, sent: 0 }
  const over = (async () => {
    for (let session: string | undefined; state.goesOn; state.sent += 1) {
      const began = performance.now()
      ;({ session } = await send(doors, key, { user, text: `message ${state.sent}`, ...(session !== undefined && { session }) }))
      state.slowestMs = Math.max(state.slowestMs, performance.now() - began)
      await pause(20)
    }
  })()
  over.catch(() => {})
  return {
    /** @returns the slowest message since the last look, once some have come behind what was done before */
    async slowest(): Promise<number> {
      const from = state.sent
      await until(() => state.sent > from + 5)
      const { slowestMs } = state
      state.slowestMs = 0
      return slowestMs
    },
    async end() {
      state.goesOn = false
      await over
    },
  }
}

/** @returns for each move under load, the time of the slowest message meanwhile, in milliseconds */
export async function pausesOfMoves(cluster: TestCluster, count: number): Promise<readonly number[]> {
  const { nodes, key } = await begin(cluster, ['a', 'b'])
  const load = keepSending(() => nodes.map(({ door }) => door), key)
  const found: number[] = []
  await load.slowest()
  for (let i = 0; i < count; i += 1) {
    // Another process is ready ahead by then.
    await pause(4_000)
    await load.slowest()
    const { node } = await whereIs(cluster, 'a')
    await cluster.oxbow('a', 'cluster', 'move', user, nodes.find(({ name }) => name !== node)!.name)
    found.push(await load.slowest())
  }
  await load.end()
  return found
}

/** @returns for each message to a guest that sleeps, the time until it is acknowledged, in milliseconds */
export async function coldWakes(cluster: TestCluster, count: number): Promise<readonly number[]> {
  const { nodes, key } = await begin(cluster, ['a', 'b'])
  const found: number[] = []
  for (let i = 0; i < count; i += 1) {
    await until(async () => (await whereIs(cluster, 'a')).state === 'asleep')
    await pause(3_000)
    const began = performance.now()
    await send(() => [nodes[i % 2]!.door], key, { user, text: `message ${i}` })
    found.push(performance.now() - began)
  }
  return found
}

/** @returns for each machine that lost power, the time until a message is acknowledged again, in milliseconds */
export async function takeovers(cluster: TestCluster, count: number): Promise<readonly number[]> {
  let { nodes, key } = await begin(cluster, ['a', 'b'])
  const found: number[] = []
  for (let i = 0; i < count; i += 1) {
    const { node } = await whereIs(cluster, 'a')
    const lost = nodes.find(({ name }) => name === node)!
    nodes = nodes.filter((each) => each !== lost)
    const began = performance.now()
    lost.machine('SIGKILL')
    await send(() => nodes.map(({ door }) => door), key, { user, text: `message ${i}` })
    found.push(performance.now() - began)
    nodes = [...nodes, await cluster.startNode(lost.name)]
    await pause(3_000)
  }
  return found
}
