/** A machine that is paused for longer than its leases last, and goes on with requests in its hands: with the fence, and without it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../../src/base/index.ts'
import { chainFaults, commitsIn, interleavings, messageFaults } from './cluster-checker.ts'
import { type ClusterChoice, clusterSkip, send, startCluster, until } from './cluster-fixture.ts'
import { unfencedBuild } from './changed-build.ts'

const skip = clusterSkip()
const user = 'ann'

async function pauseLeader(choice: ClusterChoice) {
  await using cluster = await startCluster(choice)
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  const woken = await cluster.oxbow('a', 'cluster', 'where', user, '--wake', '--json')
  const leader = nodes.find(({ name }) => name === (JSON.parse(woken.text) as { node: string }).node)!
  const others = nodes.filter((node) => node !== leader).map(({ door }) => door)
  const key = await cluster.keyOf(user)
  const acknowledged: string[] = []
  const say = async (text: string): Promise<void> => {
    await send(() => others, key, { user, text })
    acknowledged.push(text)
  }
  await Promise.all(['1', '2', '3'].map((n) => say(`before ${n}`)))

  const pid = leader.guestPid(user)!
  const { url } = JSON.parse(readFileSync(join(leader.env['OXBOW_HOME']!, 'users', user, 'ipc', 'gateway.json'), 'utf8')) as { url: string }
  const pausedAt = performance.now()
  leader.machine('SIGSTOP')
  // The system takes these in while the guest is paused: they are the first that it sees.
  const late = ['1', '2', '3', '4'].map(async (n) => {
    const response = await fetch(`http://${new URL(url).host}/api/v1/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ text: `late ${n}` }),
    }).catch(() => null)
    await response?.text().catch(() => '')
    return response?.ok === true
  })
  await say('taken over')
  const takeoverMs = performance.now() - pausedAt
  leader.machine('SIGCONT', 'guests')
  for (let round = 1; round <= 8; round += 1) {
    await say(`after ${round}`)
    await sleep(50)
  }
  const lateAcknowledged = (await Promise.all(late)).filter(Boolean).length
  leader.machine('SIGCONT', 'node')
  // Another guest may start here later: it is another process.
  await until(() => !isAlive(pid))
  await say('at the end')
  return {
    takeoverMs,
    lateAcknowledged,
    interleaved: interleavings(commitsIn(cluster.postgresLog())),
    epochs: new Set(commitsIn(cluster.postgresLog()).map(({ epoch }) => epoch)).size,
    messages: await messageFaults(cluster.database, user, acknowledged).catch((error: unknown) => [String(error)]),
    chain: await chainFaults(cluster.database, user),
  }
}

test('a machine that is paused for longer than its leases last writes nothing when it goes on', { skip }, async (t) => {
  const { takeoverMs, lateAcknowledged, interleaved, epochs, messages, chain } = await pauseLeader({})
  t.diagnostic(`taken over after ${Math.round(takeoverMs)} ms`)
  assert.equal(epochs, 2)
  assert.deepEqual({ lateAcknowledged, interleaved, messages, chain }, { lateAcknowledged: 0, interleaved: [], messages: [], chain: [] })
})

test('without the fence the checker finds that two epochs have written in turn', { skip }, async (t) => {
  using build = unfencedBuild()
  const { lateAcknowledged, interleaved } = await pauseLeader({ program: build.program })
  t.diagnostic(`${lateAcknowledged} late messages were acknowledged: ${interleaved[0] ?? ''}`)
  assert.notEqual(interleaved.length, 0)
})
