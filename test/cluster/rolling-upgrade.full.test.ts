/** Three nodes are upgraded one after another to another version of what nodes say to each other, under load: nothing is lost, and nothing goes back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildOfProtocol } from './changed-build.ts'
import { clusterSkip, send, startCluster, type TestNode, until } from './cluster-fixture.ts'
import { chainFaults, commitsIn, interleavings, messageFaults } from './cluster-checker.ts'
import { user, whereIs } from './doors-fixture.ts'

const skip = clusterSkip()

test('a rolling upgrade under load loses no message, and no guest goes back to an older node', { skip }, async (t) => {
  using newer = buildOfProtocol(2)
  await using cluster = await startCluster()
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  let nodes: readonly TestNode[] = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  const key = await cluster.keyOf(user)
  const doors = (): readonly string[] => nodes.map(({ door }) => door)
  const acknowledged: string[] = []
  const load = { goesOn: true }
  let slowestMs = 0
  const clients = Array.from({ length: 3 }, async (_, client) => {
    let session: string | undefined
    for (let i = 1; load.goesOn; i += 1) {
      const text = `client ${client} message ${i}`
      const began = performance.now()
      session = (await send(doors, key, { user, text, ...(session !== undefined && { session }) })).session
      acknowledged.push(text)
      slowestMs = Math.max(slowestMs, performance.now() - began)
    }
  })
  for (const client of clients) client.catch(() => {})
  const upgraded = new Set<string>()
  // The node with the guest is the last.
  const first = await whereIs(cluster, nodes)
  for (const node of nodes.toSorted((one, other) => Number(one === first) - Number(other === first))) {
    const before = acknowledged.length
    await until(() => acknowledged.length > before + 5)
    nodes = nodes.filter((each) => each !== node)
    await node.stop()
    nodes = [...nodes, await cluster.startNode(node.name, undefined, newer.program)]
    upgraded.add(node.name)
    if (node !== first) {
      // An older node may keep a guest; it is the one that has not moved.
      assert.equal((await whereIs(cluster, nodes)).name, first.name)
    }
  }
  const at = await whereIs(cluster, nodes)
  assert.ok(upgraded.has(at.name))
  const before = acknowledged.length
  await until(() => acknowledged.length > before + 5)
  load.goesOn = false
  await Promise.all(clients)
  t.diagnostic(`${acknowledged.length} messages, the slowest was acknowledged after ${Math.round(slowestMs)} ms`)
  assert.deepEqual(await messageFaults(cluster.database, user, acknowledged), [])
  assert.deepEqual(interleavings(commitsIn(cluster.postgresLog())), [])
  assert.deepEqual(await chainFaults(cluster.database, user), [])

  // One of the older version comes back: it forwards, and takes nobody.
  const late = await cluster.startNode('d')
  const old = await cluster.oxbow('d', 'cluster', 'move', user, 'd')
  assert.match(old.text, /d is of an older version than other nodes/)
  assert.ok(upgraded.has((await whereIs(cluster, [...nodes, late])).name))
  await send(() => [late.door], key, { user, text: 'through an older door' })
  assert.match((await cluster.oxbow('d', 'cluster', 'doctor')).text, /FAIL {2}versions/)
})
