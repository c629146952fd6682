/** Sealed secrets of a cluster's users: stored on one node, they open on every one, and a new master key is the one of all. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { program } from '../support/built.ts'
import { patienceMs } from '../support/patience.ts'
import { clusterSkip, send, startCluster, type TestCluster } from './cluster-fixture.ts'

const user = 'ann'

function withInput(cluster: TestCluster, node: string, input: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [program, ...words], {
    env: cluster.env(node),
    input,
    timeout: patienceMs,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
}

const keyFile = (cluster: TestCluster, node: string): string => join(cluster.env(node)['OXBOW_HOME']!, 'runner', 'keys', `${user}.json`)

test(
  'a key of the model that is sealed on one node opens on every node, and under a new master key as well',
  { skip: clusterSkip() },
  async () => {
    // The key is in no variable: a guest that cannot open the secret does not start.
    await using cluster = await startCluster({ env: { OPENAI_API_KEY: '' } })
    const oxbow = async (node: string, ...words: readonly string[]): Promise<string> => {
      const { exit, text } = await cluster.oxbow(node, ...words)
      assert.equal(exit, 0, text)
      return text
    }
    await oxbow('a', 'cluster', 'init')
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
    const doors = (): readonly string[] => nodes.map(({ door }) => door)
    withInput(cluster, 'b', 'sealed-key\n', 'secret', 'set', 'OPENAI_API_KEY', '--user', user)
    await oxbow('a', 'cluster', 'where', user, '--wake')
    const key = await cluster.keyOf(user)
    for (const node of ['c', 'a']) {
      await oxbow('a', 'cluster', 'move', user, node)
      await send(doors, key, { user, text: `on ${node}` })
      assert.deepEqual(readFileSync(keyFile(cluster, node)), readFileSync(keyFile(cluster, 'b')))
    }
    const before = readFileSync(keyFile(cluster, 'c'), 'utf8')
    await oxbow('c', 'secret', 'rotate', '--user', user)
    assert.notEqual(readFileSync(keyFile(cluster, 'c'), 'utf8'), before)
    await oxbow('a', 'cluster', 'move', user, 'b')
    await send(doors, key, { user, text: 'on b, under a new key' })
    assert.equal(readFileSync(keyFile(cluster, 'b'), 'utf8'), readFileSync(keyFile(cluster, 'c'), 'utf8'))
    const rows = await cluster.database.sql<{ sealed: Buffer }>('select sealed from cluster_key')
    const { current } = JSON.parse(readFileSync(keyFile(cluster, 'b'), 'utf8')) as { current: { key: string } }
    assert.equal(rows.length, 1)
    assert.ok(!rows[0]!.sealed.toString('latin1').includes(current.key))
  },
)
