/** Three nodes as a person has them: any door, moves, drains, and machines that lose power under load. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../src/client/index.ts'
import { chainFaults, commitsIn, interleavings, messageFaults } from './cluster-checker.ts'
import { clusterSkip, send, startCluster, type TestCluster, type TestNode, until } from './cluster-fixture.ts'

const skip = clusterSkip()
const user = 'ann'

async function whereIs(cluster: TestCluster, nodes: readonly TestNode[]): Promise<TestNode> {
  const { text } = await cluster.oxbow(nodes[0]!.name, 'cluster', 'where', user, '--json')
  return nodes.find(({ name }) => name === (JSON.parse(text) as { node: string }).node)!
}

/** Clients that send one message after the other until they are told to end. */
function keepSending(count: number, doors: () => readonly string[], key: string) {
  const acknowledged: string[] = []
  const slowestMs = { is: 0 }
  const state = { goesOn: true }
  const clients = Array.from({ length: count }, async (_, client) => {
    let session: string | undefined
    for (let i = 1; state.goesOn; i += 1) {
      const text = `client ${client} message ${i}`
      const began = performance.now()
      const sent = await send(doors, key, { user, text, ...(session !== undefined && { session }) })
      session = sent.session
      acknowledged.push(text)
      slowestMs.is = Math.max(slowestMs.is, performance.now() - began)
      await sleep(300)
    }
  })
  // Whoever ends the load is told; a test that fails before has its own reason.
  for (const client of clients) client.catch(() => {})
  return {
    acknowledged,
    slowestMs,
    async end() {
      state.goesOn = false
      await Promise.all(clients)
    },
  }
}

async function faultsOf(cluster: TestCluster, acknowledged: readonly string[]) {
  return {
    messages: await messageFaults(cluster.database, user, acknowledged),
    interleaved: interleavings(commitsIn(cluster.postgresLog())),
    chain: await chainFaults(cluster.database, user),
  }
}
const noFaults = { messages: [], interleaved: [], chain: [] }

test('every door leads to the guest, which moves, and whose node drains, without the loss of a message', { skip }, async (t) => {
  await using cluster = await startCluster()
  const early = await cluster.oxbow('a', 'cluster', 'status')
  assert.match(early.text, /The NATS servers have no cluster yet[^]*oxbow cluster init/)
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const preview = await cluster.oxbow('a', 'cluster', 'remove', 'gone', '--dry-run')
  assert.equal(preview.text, 'Would forget the node gone. Nothing is changed.\n')
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  const doors = nodes.map(({ door }) => door)
  // A slip of the fingers shows: which nodes are there still.
  const removed = await cluster.oxbow('a', 'cluster', 'remove', 'gone')
  assert.match(removed.text, /^gone is forgotten.*\nNodes that stay, and are up: a, b, c\.\n$/)
  assert.match((await cluster.oxbow('a', 'cluster', 'remove', 'Node 2')).text, /"Node 2" cannot be the name of a node/)
  const unknown = await fetch(`${doors[0]}/users/nobody/healthz`)
  assert.equal(unknown.status, 401)
  assert.match(await unknown.text(), /The API key is missing/)
  const woken = await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  assert.match(woken.text, /ann runs on [abc] \(ready, lease \d+\)/)
  const key = await cluster.keyOf(user)

  for (const door of doors) {
    const client = await connect({ url: `${door.replace('http', 'ws')}/users/${user}/ws`, token: key, client: 'test' })
    assert.equal((await client.status()).read_only, null)
    await client.close()
    const refused = await fetch(`${door}/users/${user}/api/v1/sessions`, { headers: { authorization: 'Bearer oxbow_wrong' } })
    assert.equal(refused.status, 401)
  }

  const load = keepSending(3, () => doors, key)
  const first = await whereIs(cluster, nodes)
  const next = nodes.find((node) => node !== first)!
  const moved = await cluster.oxbow('a', 'cluster', 'move', user, next.name)
  assert.equal(moved.text, `${user} runs on ${next.name}.\n`)
  const drained = await cluster.oxbow('a', 'cluster', 'drain', next.name)
  assert.match(drained.text, /has no guests any more/, nodes.map(({ said }) => said.text).join('\n'))
  await until(async () => (await whereIs(cluster, nodes)) !== next)
  assert.match((await cluster.oxbow('b', 'cluster', 'nodes')).text, new RegExp(`^${next.name} +draining +0/50`, 'm'))
  const before = load.acknowledged.length
  await until(() => load.acknowledged.length > before + 3)
  await load.end()
  t.diagnostic(`${load.acknowledged.length} messages, the slowest was acknowledged after ${Math.round(load.slowestMs.is)} ms`)
  assert.deepEqual(await faultsOf(cluster, load.acknowledged), noFaults)

  // A node that ends in order gives its guests away; nobody waits for a lease to end.
  const last = await whereIs(cluster, nodes)
  const began = performance.now()
  await last.stop()
  const left = nodes.filter((node) => node !== last && node !== next)
  await send(() => left.map(({ door }) => door), key, { user, text: 'after an orderly end' })
  t.diagnostic(`acknowledged ${Math.round(performance.now() - began)} ms after the end of its node began`)
})

test('machines that lose power under load: another node takes over, and each acknowledged message is one turn', { skip }, async (t) => {
  await using cluster = await startCluster({ answerMs: 400 })
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  let nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  const key = await cluster.keyOf(user)
  const load = keepSending(4, () => nodes.map(({ door }) => door), key)
  for (const round of [1, 2]) {
    const before = load.acknowledged.length
    await until(() => load.acknowledged.length > before + 8)
    const lost = await whereIs(cluster, nodes)
    const began = performance.now()
    nodes = nodes.filter((node) => node !== lost)
    lost.machine('SIGKILL')
    const atKill = load.acknowledged.length
    await until(() => load.acknowledged.length > atKill + 4)
    t.diagnostic(`round ${round}: messages are acknowledged again ${Math.round(performance.now() - began)} ms after the kill`)
    nodes = [...nodes, await cluster.startNode(lost.name)]
  }
  // The guest alone is killed: its node starts the next one, under a newer epoch.
  const node = await whereIs(cluster, nodes)
  const pid = node.guestPid(user)!
  node.machine('SIGKILL', 'guests')
  await until(() => node.guestPid(user) !== null && node.guestPid(user) !== pid)
  const before = load.acknowledged.length
  await until(() => load.acknowledged.length > before + 4)
  await load.end()
  t.diagnostic(`${load.acknowledged.length} messages`)
  assert.deepEqual(await faultsOf(cluster, load.acknowledged), noFaults)
})
