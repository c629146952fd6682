/** A cluster whose user’s guest is on another node than the door that is asked. */
import { startCluster, type ClusterChoice, type TestCluster, type TestNode } from './cluster-fixture.ts'
import assert from 'node:assert/strict'

export interface DoorRig extends AsyncDisposable {
  readonly cluster: TestCluster
  readonly nodes: readonly TestNode[]
  /** Has the guest. */
  readonly home: TestNode
  /** Another. */
  readonly away: TestNode
  readonly key: string
  /** `http://127.0.0.1:port/users/ann` at the other node. */
  readonly address: string
}

export const user = 'ann'

export async function whereIs(cluster: TestCluster, nodes: readonly TestNode[]): Promise<TestNode> {
  const { text } = await cluster.oxbow(nodes[0]!.name, 'cluster', 'where', user, '--json')
  return nodes.find(({ name }) => name === (JSON.parse(text) as { node: string }).node)!
}

/** @returns the link that signs a browser in, as `oxbow web` prints it on the node with the guest */
export async function signInLink(cluster: TestCluster, node: TestNode): Promise<string> {
  const { text } = await cluster.oxbow(node.name, 'web', '--user', user, '--no-open', '--json')
  // In a checkout it may build the page first, and says so.
  const line = text.split('\n').find((each) => each.startsWith('{'))
  assert.ok(line !== undefined, text)
  return (JSON.parse(line) as { url: string }).url
}

export async function openDoorRig(choice: ClusterChoice = {}): Promise<DoorRig> {
  const cluster = await startCluster(choice)
  try {
    assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
    const nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
    assert.equal((await cluster.oxbow('a', 'cluster', 'where', user, '--wake')).exit, 0)
    const home = await whereIs(cluster, nodes)
    const away = nodes.find((node) => node !== home)!
    return {
      cluster,
      nodes,
      home,
      away,
      key: await cluster.keyOf(user, '*'),
      address: `${away.door}/users/${user}`,
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}
