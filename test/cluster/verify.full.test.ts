/** `oxbow cluster verify` on a cluster of processes: sound, under its own load, and after somebody has changed what must not change. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterSkip, startCluster, until } from './cluster-fixture.ts'

test('a cluster verifies, also under load, and what is wrong is named', { skip: clusterSkip() }, async () => {
  await using cluster = await startCluster()
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
  assert.match((await cluster.oxbow('a', 'cluster', 'where', 'ann', '--wake')).text, /ann runs on/)
  const quiet = await cluster.oxbow('a', 'cluster', 'verify')
  assert.match(quiet.text, /^ok {4}1 users, \d+ records: 0 findings\n/)
  assert.equal(quiet.exit, 0)

  const loaded = await cluster.oxbow('a', 'cluster', 'verify', '--load', '6')
  assert.match(loaded.text, /^ok {4}1 users, \d+ records, 6 messages sent to cluster-verify: 0 findings\n/)
  assert.match(loaded.text, /cluster-verify moves to b/)
  assert.equal(loaded.exit, 0)
  const { text: json } = await cluster.oxbow('b', 'cluster', 'verify', '--json')
  const reports = json
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly user: string; readonly findings: readonly unknown[] })
  assert.deepEqual(
    reports.map(({ user, findings }) => [user, findings.length]),
    [
      ['ann', 0],
      ['cluster-verify', 0],
      ['', 0],
    ],
  )

  // A record that was changed, an epoch that was, and a node that is gone while its key still stands.
  await cluster.database.sql(`update journal set actor = 'user:eve' where "user" = 'cluster-verify' and seq = 3`)
  await cluster.database.sql(`update cluster_lease set epoch = epoch + 1000 where "user" = 'ann'`)
  const harmed = await cluster.oxbow('a', 'cluster', 'verify')
  assert.match(harmed.text, /FAIL {2}cluster-verify: journal: record 3/)
  assert.match(harmed.text, /FAIL {2}ann: lease: [ab] serves under the lease \d+, and [ab] has written under the newer 1\d\d\d/)
  assert.equal(harmed.exit, 1)
  nodes[1]!.machine('SIGSTOP')
  const paused = await cluster.oxbow('a', 'cluster', 'verify', '--user', 'ann')
  assert.match(paused.text, /FAIL {2}lease: the node b does not answer/)
  nodes[1]!.machine('SIGCONT')
  await until(async () => (await cluster.oxbow('a', 'cluster', 'nodes')).exit === 0)
})
