/** Whom a cluster trusts: tokens for new machines, nodes that were removed, and strangers at the doors of users whose guests sleep. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeCertificate } from '../../src/gateway/certificate-fixture.ts'
import { openClusterLink } from '../../src/cluster/index.ts'
import { readIdentity } from '../../src/cluster/trust/node-identity.ts'
import { askNode } from '../../src/cluster/trust/node-requests.ts'
import { clusterSkip, startCluster, type TestCluster, type TestNode, until } from './cluster-fixture.ts'
import { openDoorRig, signInLink, user } from './doors-fixture.ts'

const skip = clusterSkip()

const identityOf = ({ env }: Pick<TestNode, 'env'>) => readIdentity(join(env['OXBOW_HOME']!, 'cluster'))!

/** The door for nodes of a node, as the others know it. */
async function peerUrlOf(cluster: TestCluster, name: string): Promise<string> {
  const { text } = await cluster.oxbow('a', 'cluster', 'nodes', '--json')
  const nodes = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; url: string })
  return nodes.find((node) => node.name === name)!.url
}

test(
  'a machine joins with a token, once; a node that is removed is refused everywhere within a second, and joins again',
  { skip },
  async (t) => {
    await using cluster = await startCluster()
    assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
    const early = await cluster.oxbow('a', 'cluster', 'invite')
    assert.match(early.text, /node of this machine does not run/)
    const a = await cluster.startNode('a')
    const stranger = await cluster.oxbow('b', 'cluster', 'join')
    assert.match(stranger.text, /has not joined a cluster yet[^]*oxbow cluster invite/)
    assert.match((await cluster.oxbow('b', 'cluster', 'invite')).text, /has not joined a cluster yet/)
    const invited = JSON.parse((await cluster.oxbow('a', 'cluster', 'invite', '--json')).text) as { token: string }
    const b = await cluster.startNode('b', invited.token)
    const folder = join(b.env['OXBOW_HOME']!, 'cluster')
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    for (const file of readdirSync(folder)) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file)
    assert.ok(!readdirSync(folder).includes('ca.key'))
    // The token holds once.
    const again = await cluster.oxbow('c', 'cluster', 'join', invited.token)
    assert.match(again.text, /The token was used, is older than an hour/)
    assert.match((await cluster.oxbow('c', 'cluster', 'join', 'oxbow-join-1.nonsense')).text, /This is no token of a cluster/)

    // Only who has a certificate of the cluster is forwarded.
    const url = await peerUrlOf(cluster, 'a')
    const { ca } = identityOf(a)
    await assert.rejects(askNode({ url, path: '/healthz', trust: { ca } }), { code: 'unauthenticated' })
    const removed = identityOf(b)
    assert.equal(((await askNode({ url, path: '/healthz', trust: removed })) as { node: string }).node, 'a')
    const still = await cluster.oxbow('a', 'cluster', 'remove', 'b')
    assert.match(still.text, /b is up/)
    b.machine('SIGKILL')
    await until(async () => !(await cluster.oxbow('a', 'cluster', 'nodes')).text.includes('\nb '))
    const link = await openClusterLink(cluster.clusterConfig, identityOf(a))
    const began = performance.now()
    await link.revoke('b', Date.now())
    for (;;) {
      const refused = await askNode({ url, path: '/healthz', trust: removed }).then(
        () => false,
        () => true,
      )
      if (refused) break
    }
    const tookMs = performance.now() - began
    t.diagnostic(`refused ${Math.round(tookMs)} ms after it was revoked`)
    await link.close()
    assert.match((await cluster.oxbow('a', 'cluster', 'remove', 'b')).text, /does not hold any more/)
    const refused = await cluster.oxbow('b', 'cluster', 'join')
    assert.match(refused.text, /This machine was removed from its cluster[^]*move .* away, print a token/)
    // A token makes it a node again, with another certificate.
    const { token } = JSON.parse((await cluster.oxbow('a', 'cluster', 'invite', '--json')).text) as { token: string }
    const lost = await cluster.oxbow('b', 'cluster', 'join', token)
    assert.match(lost.text, /is the node b of a cluster already[^]*move .* away/)
  },
)

test('a node that is removed while it runs ends, and its guests are on others', { skip }, async () => {
  await using cluster = await startCluster()
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const [, b] = [await cluster.startNode('a'), await cluster.startNode('b')]
  await cluster.oxbow('a', 'cluster', 'where', user, '--wake')
  assert.equal((await cluster.oxbow('a', 'cluster', 'move', user, 'b')).exit, 0)
  assert.match((await cluster.oxbow('a', 'cluster', 'remove', 'b')).text, /b is up[^]*oxbow cluster remove b --force/)
  assert.match((await cluster.oxbow('a', 'cluster', 'remove', 'b', '--force')).text, /Nodes that stay, and are up: a\./)
  await b.ended
  await until(() => b.said.text.includes('This machine was removed from its cluster'))
  await until(async () => (await cluster.oxbow('a', 'cluster', 'where', user)).text.includes('ann runs on a (ready'))
})

test('nobody without a key of the user has a guest started; whoever has one does', { skip }, async (t) => {
  await using rig = await openDoorRig()
  const { cluster, nodes, key } = rig
  const link = await openClusterLink(cluster.clusterConfig, identityOf(rig.home))
  // The guest sleeps: nobody has it, and nobody wants it.
  for (const node of nodes) node.machine('SIGKILL')
  await until(async () => (await link.lease(user)) === null)
  await link.writePlace(user, { node: rig.home.name, movesTo: '', isWanted: false, failure: '' })
  await link.close()
  const [one, two] = await Promise.all(nodes.map(({ name }) => cluster.startNode(name)))
  const ask = async (name: string, bearer?: string, path = '/api/v1/sessions') => {
    const headers: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }
    const answer = await fetch(`${two!.door}/users/${name}${path}`, { headers })
    return { status: answer.status, body: await answer.text() }
  }
  const wrongSecret = key.slice(0, -5) + (key.endsWith('aaaaa') ? 'bbbbb' : 'aaaaa')
  const unknownId = `oxbow_${'0'.repeat(16)}${key.slice(22)}`
  for (const bearer of [undefined, 'nonsense', wrongSecret, unknownId, `${key}x`]) {
    const [asleep, nobody] = [await ask(user, bearer), await ask('nobody', bearer)]
    assert.equal(asleep.status, 401)
    assert.deepEqual(asleep, nobody, String(bearer))
  }
  assert.deepEqual(await ask(user, undefined, '/v1/models'), await ask('nobody', undefined, '/v1/models'))
  assert.equal((await ask(user, undefined, '/')).status, (await ask('nobody', undefined, '/')).status)
  const hook = await fetch(`${two!.door}/users/${user}/hooks/none`, { method: 'POST', body: '{}' })
  assert.equal(hook.status, 401)
  assert.deepEqual([one!.guestPid(user), two!.guestPid(user)], [null, null])
  // Whoever goes on is told to wait.
  let last = 0
  for (let tries = 0; tries < 200 && last !== 429; tries += 1) last = (await ask(user)).status
  assert.equal(last, 429)

  const began = performance.now()
  const woken = await ask(user, key)
  assert.equal(woken.status, 200, woken.body)
  t.diagnostic(`the first request that wakes the guest is answered after ${Math.round(performance.now() - began)} ms`)

  // Revoked at one node, refused at another.
  const other = await cluster.keyOf(user)
  assert.equal((await ask(user, other)).status, 200)
  const where = nodes.map(({ name }) => name)
  const id = other.slice(6, 22)
  const home = one!.guestPid(user) === null ? two! : one!
  assert.ok(where.includes(home.name))
  const gone = await fetch(`${home.door}/users/${user}/api/v1/keys/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${key}` },
  })
  assert.equal(gone.status, 200, await gone.text())
  const revokedAt = performance.now()
  while ((await ask(user, other)).status !== 401) assert.ok(performance.now() - revokedAt < 60_000)
  t.diagnostic(`refused at another node ${Math.round(performance.now() - revokedAt)} ms after the key was revoked`)
})

test('nodes and NATS speak TLS by the certificates of the cluster, and nobody else gets in', { skip }, async () => {
  await using cluster = await startCluster({ natsTls: true })
  const { exit, text } = await cluster.oxbow('a', 'cluster', 'init')
  assert.equal(exit, 0, text)
  await cluster.startNode('a')
  await cluster.startNode('b')
  assert.match((await cluster.oxbow('b', 'cluster', 'status')).text, /nodes {3}2, 2 of them up/)
  const doctor = await cluster.oxbow('b', 'cluster', 'doctor')
  for (const line of [
    /ok {4}certificate: holds for 8\d days/,
    /ok {4}authority: holds for/,
    /ok {4}nats over TLS: authority: the cluster’s own/,
    /ok {4}a: answers/,
  ])
    assert.match(doctor.text, line)
  assert.equal(doctor.exit, 0, doctor.text)
  await assert.rejects(openClusterLink(cluster.clusterConfig), { code: 'guest_unreachable' })
})

test('a door with a certificate speaks HTTPS to people, and its cookies travel over nothing else', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-door-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const { cert, key } = makeCertificate()
  writeFileSync(join(folder, 'door.crt'), cert)
  writeFileSync(join(folder, 'door.key'), key)
  await using cluster = await startCluster({
    sections: ['[cluster.door]', `cert = "${join(folder, 'door.crt')}"`, `key = "${join(folder, 'door.key')}"`],
  })
  assert.equal((await cluster.oxbow('a', 'cluster', 'init')).exit, 0)
  const node = await cluster.startNode('a')
  assert.match(node.door, /^https:/)
  assert.equal((await cluster.oxbow('a', 'cluster', 'where', user, '--wake')).exit, 0)
  const link = await signInLink(cluster, node)
  assert.ok(link.startsWith(`${node.door}/users/${user}/#sign-in=`), link)
  const code = link.split('=').at(-1)!
  const { status, headers } = await new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve, reject) => {
    const signing = request(`${node.door}/users/${user}/web/session`, {
      ca: cert,
      method: 'POST',
      headers: { origin: node.door, 'content-type': 'application/json' },
    })
    signing.once('error', reject)
    signing.once('response', (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, headers: response.headers })
    })
    signing.end(JSON.stringify({ code }))
  })
  assert.equal(status, 200)
  assert.match(headers['set-cookie']?.[0] ?? '', new RegExp(`Path=/users/${user}/web/[\\w-]{21}/; .*Secure`))
  await assert.rejects(fetch(node.door.replace('https', 'http')))
})
