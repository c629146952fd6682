/** Files of a cluster's users: machines lose power and their disks, and each write that was acknowledged is there. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBucket } from '../../src/store/files/bucket-fixture.ts'
import { clusterSkip, send, startCluster, type TestCluster, type TestNode, until } from './cluster-fixture.ts'
import { keepWriting, missing } from './file-clients.ts'

const skip = clusterSkip()
const user = 'ann'
/** Machines that lose power; more by OXBOW_FILE_KILLS. */
const kills = Number(process.env['OXBOW_FILE_KILLS'] ?? 4)

async function whereIs(cluster: TestCluster, nodes: readonly TestNode[]): Promise<TestNode | undefined> {
  const { text } = await cluster.oxbow(nodes[0]!.name, 'cluster', 'where', user, '--json')
  return nodes.find(({ name }) => name === (JSON.parse(text) as { node: string }).node)
}

test('machines lose power and their disks: each acknowledged write is on the one that takes over', { skip }, async (t) => {
  await using cluster = await startCluster()
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  let nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  const key = await cluster.keyOf(user)
  const clients = ['x', 'y', 'z'].map((name) => keepWriting({ name, user, key, doors: () => nodes.map(({ door }) => door) }))
  const acknowledged = (): number => clients.reduce((sum, { state }) => sum + state.acknowledged, 0)
  for (let round = 1; round <= kills; round += 1) {
    const before = acknowledged()
    await until(() => acknowledged() > before + 12)
    await sleep(Math.random() * 400)
    const lost = await whereIs(cluster, nodes)
    assert.ok(lost !== undefined, 'it runs')
    nodes = nodes.filter((node) => node !== lost)
    const began = performance.now()
    lost.machine('SIGKILL')
    await lost.ended
    lost.wipe()
    const atKill = acknowledged()
    await until(() => acknowledged() > atKill + 6)
    t.diagnostic(
      `round ${round}: writes are acknowledged again ${Math.round(performance.now() - began)} ms after ${lost.name} lost its disk`,
    )
    nodes = [...nodes, await cluster.startNode(lost.name)]
  }
  await Promise.all(clients.map((client) => client.end()))
  const last = await whereIs(cluster, nodes)
  const faults = clients.flatMap(({ told }) => missing(last!.shared(user), told))
  t.diagnostic(`${acknowledged()} writes, ${clients.reduce((sum, { told }) => sum + told.size, 0)} files known`)
  assert.deepEqual(faults, [])
})

test('a user from before the cluster starts where the files are, and any node has them then', { skip }, async () => {
  await using cluster = await startCluster()
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => cluster.startNode(name)))
  const [, b, c] = nodes as [TestNode, TestNode, TestNode]
  mkdirSync(b.shared(user), { recursive: true })
  writeFileSync(join(b.shared(user), 'notes.md'), 'from before')
  assert.match((await cluster.oxbow('b', 'cluster', 'where', user, '--wake')).text, /ann runs on b /)
  assert.equal((await cluster.oxbow('a', 'cluster', 'move', user, 'c')).exit, 0)
  assert.equal(readFileSync(join(c.shared(user), 'notes.md'), 'utf8'), 'from before')
})

const step = (name: string, args: object, delay = 600) => ({
  events: [{ delay_ms: delay }, { tool_call: { name, arguments: args as never } }],
})
const script = {
  turns: [
    {
      steps: [
        step('file_write', { path: 'plan.md', text: 'the plan\n' }, 0),
        step('shell_exec', {
          command: `mkdir -p out && printf 'one\\0two' > out/x.bin && head -c 3000000 /dev/urandom > out/big.bin && sha256sum < out/big.bin > sum && printf '#!/bin/sh\\necho ran\\n' > run.sh && chmod 755 run.sh && ln -s plan.md link && echo old > old.txt`,
        }),
        step('file_move', { from: 'old.txt', to: 'new name.txt' }),
        step('file_write', { path: 'middle.md', text: 'middle\n' }),
        step('file_edit', { path: 'plan.md', find: 'the plan', replace: 'the new plan' }, 1_500),
        step('shell_exec', { command: './run.sh > ran.txt; cat link' }),
        { events: [{ text: 'It is done.' }] },
      ],
    },
    { match: 'only talk', steps: [step('file_read', { path: 'plan.md' }, 0), { events: [{ text: 'It says so.' }] }] },
  ],
}

test('a turn that writes files goes on at another node with all that its steps have written', { skip }, async () => {
  await using bucket = await startBucket()
  const { bucket: called, endpoint, region, key: id, secret } = bucket.place
  const blobs = ['[cluster.blobs]', `bucket = "${called}"`, `endpoint = "${endpoint}"`, `region = "${region}"`]
  const lines = [...blobs, '[approval]', `privileged = "allow"`]
  const env = { OXBOW_BLOBS_KEY: id, OXBOW_BLOBS_SECRET: secret }
  await using cluster = await startCluster({ script, cluster: lines, env })
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const nodes = await Promise.all(['a', 'b'].map((name) => cluster.startNode(name)))
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  const key = await cluster.keyOf(user)
  const lost = (await whereIs(cluster, nodes))!
  const other = nodes.find((node) => node !== lost)!
  await send(() => nodes.map(({ door }) => door), key, { user, text: 'work' })
  const outcome = async (name: string): Promise<number> => {
    const rows = await cluster.database.sql<{ count: string }>(
      `select count(*) as count from journal where "user" = $1 and name = $2 and phase = 'outcome'`,
      [user, name],
    )
    return Number(rows[0]!.count)
  }
  await until(async () => (await outcome('file.write')) === 2)
  lost.machine('SIGKILL')
  await lost.ended
  lost.wipe()
  await until(async () => (await outcome('turn.send')) === 1)
  // A turn that changes no file asks the database no more than without a cluster.
  const asked = (): number =>
    cluster
      .postgresLog()
      .split('\n')
      .filter((line) => /execute|statement/.test(line) && /cluster_(?:files|packs|parts)/.test(line)).length
  await until(() => cluster.postgresLog().includes('"newest"'))
  await sleep(3_000)
  const before = asked()
  assert.ok(before > 0, 'the log has them')
  await send(() => [other.door], key, { user, text: 'only talk' })
  await until(async () => (await outcome('turn.send')) === 2)
  await sleep(3_000)
  assert.equal(asked(), before)
  const shared = other.shared(user)
  const found = Object.fromEntries(
    readdirSync(shared, { recursive: true, encoding: 'utf8' })
      .sort()
      .flatMap((name) => {
        const facts = lstatSync(join(shared, name))
        if (facts.isSymbolicLink()) return [[name, `-> ${readlinkSync(join(shared, name))}`]]
        return facts.isFile() ? [[name, `${(facts.mode & 0o777).toString(8)} ${readFileSync(join(shared, name), 'latin1')}`]] : []
      }),
  )
  const big = Buffer.from(found['out/big.bin']!.slice('644 '.length), 'latin1')
  assert.equal(found['sum'], `644 ${createHash('sha256').update(big).digest('hex')}  -\n`)
  assert.ok(bucket.objects.size > 0 && bucket.refused.length === 0, bucket.refused.join('\n'))
  const { 'out/big.bin': _, sum: __, ...rest } = found
  assert.deepEqual(rest, {
    link: '-> plan.md',
    'middle.md': '644 middle\n',
    'new name.txt': '644 old\n',
    'out/x.bin': '644 one\0two',
    'plan.md': '644 the new plan\n',
    'ran.txt': '644 ran\n',
    'run.sh': '755 #!/bin/sh\necho ran\n',
  })
})
