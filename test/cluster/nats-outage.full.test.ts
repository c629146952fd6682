/** NATS is away for longer than leases last, or comes back without what it had stored: nobody is doubled, and everything answers again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { chainFaults, commitsIn, interleavings, messageFaults } from './cluster-checker.ts'
import { clusterSkip, send, startCluster, type TestCluster, type TestNode, until } from './cluster-fixture.ts'

const skip = clusterSkip()
const user = 'ann'
/** Leases end after 10 s. */
const outageMs = Number(process.env['OXBOW_OUTAGE_S'] ?? 15) * 1_000

async function begin(cluster: TestCluster): Promise<{ readonly nodes: readonly TestNode[]; readonly key: string }> {
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  return { nodes, key: await cluster.keyOf(user) }
}

async function faultsOf(cluster: TestCluster, acknowledged: readonly string[]): Promise<readonly string[]> {
  return [
    ...(await messageFaults(cluster.database, user, acknowledged)),
    ...interleavings(commitsIn(cluster.postgresLog())),
    ...(await chainFaults(cluster.database, user)),
  ]
}

const guestsOf = (nodes: readonly TestNode[]): number => nodes.filter((node) => node.guestPid(user) !== null).length

test('NATS is away: guests go on while their lease is safe, end, and start once it is back', { skip }, async (t) => {
  await using cluster = await startCluster()
  const { nodes, key } = await begin(cluster)
  const doors = (): readonly string[] => nodes.map(({ door }) => door)
  const texts = ['before', 'in the first seconds', 'during the outage']
  const { session } = await send(doors, key, { user, text: texts[0]! })
  await cluster.nats.stop()
  const stopped = performance.now()
  await send(doors, key, { user, text: texts[1]!, session })
  assert.ok(performance.now() - stopped < 6_000, 'a guest goes on without NATS while its lease is safe')
  await until(() => guestsOf(nodes) === 0)
  const endedMs = performance.now() - stopped
  t.diagnostic(`the guest ended ${Math.round(endedMs)} ms after NATS`)
  const waiting = send(doors, key, { user, text: texts[2]!, session })
  await sleep(Math.max(0, outageMs - (performance.now() - stopped)))
  assert.equal(guestsOf(nodes), 0)
  await cluster.nats.start()
  const back = performance.now()
  await waiting
  t.diagnostic(`messages are acknowledged again ${Math.round(performance.now() - back)} ms after NATS is back`)
  await until(() => guestsOf(nodes) === 1)
  assert.deepEqual(await faultsOf(cluster, texts), [], nodes.map(({ said }) => said.text).join('\n'))
  assert.match((await cluster.oxbow('a', 'cluster', 'nodes')).text, /a +up[^]*b +up/)
})

test('NATS loses what it had stored: nodes make it anew, and users who slept or ran are found again', { skip }, async (t) => {
  await using cluster = await startCluster({ cluster: ['idle_min = 0.05'] })
  const { nodes, key } = await begin(cluster)
  const doors = (): readonly string[] => nodes.map(({ door }) => door)
  const { session } = await send(doors, key, { user, text: 'before' })
  await cluster.nats.stop()
  await cluster.nats.start(true)
  const back = performance.now()
  await send(doors, key, { user, text: 'after', session })
  t.diagnostic(`acknowledged ${Math.round(performance.now() - back)} ms after NATS is back, empty`)
  await until(async () => (await cluster.oxbow('a', 'cluster', 'where', user)).text.includes('ready'))
  await send(doors, key, { user, text: 'later', session })
  await until(() => guestsOf(nodes) === 0)
  await cluster.nats.stop()
  await cluster.nats.start(true)
  await send(doors, key, { user, text: 'to one that slept', session })
  assert.deepEqual(
    await faultsOf(cluster, ['before', 'after', 'later', 'to one that slept']),
    [],
    nodes.map(({ said }) => said.text).join('\n'),
  )
  // Without a key nobody learns who there is.
  const unknown = await fetch(`${doors()[0]}/users/nobody/healthz`)
  assert.equal(unknown.status, 401)
})
