/** Three nodes as a person has them: doors, moves, drains, and machines that are lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterSkip, send, startCluster, until } from './cluster-fixture.ts'

const skip = clusterSkip()

test('three nodes', { skip }, async () => {
  await using cluster = await startCluster()
  const t0 = performance.now()
  const init = await cluster.oxbow('a', 'cluster', 'init')
  assert.equal(init.exit, 0, init.text)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  console.log('nodes', performance.now() - t0)
  const woken = await cluster.oxbow('a', 'cluster', 'where', 'ann', '--wake', '--json')
  assert.equal(woken.exit, 0, woken.text + a!.said.text + b!.said.text + c!.said.text)
  console.log(woken.text, performance.now() - t0)
  const key = await cluster.keyOf('ann')
  console.log(await send(() => [a!.door], key, { user: 'ann', text: 'one' }))
  console.log(await send(() => [b!.door], key, { user: 'ann', text: 'two' }))
  console.log((await cluster.oxbow('c', 'cluster', 'nodes')).text)
  console.log((await cluster.oxbow('c', 'cluster', 'status')).text)
  console.log((await cluster.oxbow('c', 'cluster', 'doctor')).text)
  console.log((await cluster.oxbow('c', 'cluster', 'where', 'bob')).text)
  console.log(a!.said.text, b!.said.text, c!.said.text)
})
