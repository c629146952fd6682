/** Guests that have nothing to do end, and come back for whoever wants to reach the user, and for what is due. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainFaults, messageFaults } from './cluster-checker.ts'
import { clusterSkip, send, startCluster, type TestCluster, until } from './cluster-fixture.ts'

const skip = clusterSkip()
const user = 'ann'

async function stateOf(cluster: TestCluster): Promise<{ readonly state: string; readonly wakes_at: number | null }> {
  return JSON.parse((await cluster.oxbow('a', 'cluster', 'where', user, '--json')).text) as never
}

async function call(door: string, key: string, name: string, input: object): Promise<unknown> {
  const response = await fetch(`${door}/users/${user}/api/v1/calls/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(input),
  })
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text)
}

test('a guest with nothing to do ends; a message at any door wakes it, and what is due does, once', { skip }, async (t) => {
  await using cluster = await startCluster({ cluster: ['idle_min = 0.03'] })
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  const key = await cluster.keyOf(user)
  const asleep = (): Promise<void> => until(async () => (await stateOf(cluster)).state === 'asleep')
  const doors = nodes.map(({ door }) => door)

  const texts = ['first', 'second', 'third']
  for (const [n, text] of texts.entries()) {
    await asleep()
    assert.deepEqual(
      nodes.map((node) => node.guestPid(user)),
      [null, null],
    )
    const began = performance.now()
    const { tries } = await send(() => [doors[n % 2]!], key, { user, text })
    t.diagnostic(`acknowledged ${Math.round(performance.now() - began)} ms after it was sent to a guest that slept`)
    assert.equal(tries, 1)
  }
  assert.match((await cluster.oxbow('a', 'cluster', 'where', user)).text, /ann (?:runs|sleeps)/)

  const at = Date.now() + 12_000
  await call(doors[0]!, key, 'schedule.create', {
    name: 'later',
    goal: 'what was planned',
    cadence: { type: 'once', at: new Date(at).toISOString() },
  })
  await asleep()
  assert.match(
    (await cluster.oxbow('a', 'cluster', 'where', user)).text,
    /^ann sleeps; it was on [ab] last\. A message wakes it, and what is due/,
  )
  assert.ok(Math.abs(((await stateOf(cluster)).wakes_at ?? 0) - at) < 1_000)
  // Nobody asks for the user.
  await until(async () => {
    const rows = await cluster.database.sql(`select 1 from journal where "user" = $1 and name = 'turn.send' and body like '%planned%'`, [
      user,
    ])
    return rows.length > 0
  })
  t.diagnostic(`the run began ${Date.now() - at} ms after it was due`)
  await asleep()
  assert.equal((await stateOf(cluster)).wakes_at, null)
  assert.deepEqual(await cluster.database.sql(`select * from cluster_alarm`), [])
  assert.deepEqual(await messageFaults(cluster.database, user, [...texts, 'what was planned']), [])
  assert.deepEqual(await chainFaults(cluster.database, user), [])
})
