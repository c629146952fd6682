/** Identities on disk, tokens, renewals and revocations, with a clock of the test's own. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { issueCertificate, issuedAtOf, makeKeyPair } from './certificates.ts'
import { authorityPath, enrol, joinByToken, makeInvite, renewBy, renewOwn } from './enrolment.ts'
import { foundCluster, makeNode, readAuthority, readIdentity, writeIdentity } from './node-identity.ts'
import { isDue } from './renewal.ts'
import { openRevocations, revokedFrom } from './revocations.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-trust-'))
after(() => rmSync(root, { recursive: true, force: true }))
const day = 86_400_000
const now = Date.now()

test('a cluster is founded once: what is there stays, and another name gets a certificate of its own', () => {
  const folder = join(root, 'founded')
  const first = foundCluster(folder, 'node-1', now)
  assert.deepEqual(foundCluster(folder, 'node-1', now), first)
  const renamed = foundCluster(folder, 'node-2', now)
  assert.deepEqual([renamed.name, renamed.ca], ['node-2', first.ca])
  assert.match(first.nkey, /^U[A-Z2-7]{55}$/)
})

test('an invitation holds once and for an hour, and nobody joins without one', () => {
  const folder = join(root, 'inviting')
  foundCluster(folder, 'node-1', now)
  const { publicKey } = makeNode()
  const secretIn = (token: string): string =>
    (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { secret: string }).secret
  const ask = (secret: string, at: number, name = 'node-2') => enrol(folder, { name, publicKey, secret }, null, at)
  const secret = secretIn(makeInvite(folder, 'https://node-1:7701', now).token)
  assert.ok(!readFileSync(join(folder, 'invites.json'), 'utf8').includes(secret), 'kept as a hash')
  assert.throws(() => ask('', now), { code: 'unauthenticated' })
  assert.throws(() => ask(`${secret}x`, now), { code: 'unauthenticated' })
  assert.throws(() => ask(secret, now, 'Node 2'), { code: 'bad_input' })
  assert.match(ask(secret, now).cert, /BEGIN CERTIFICATE/)
  assert.throws(() => ask(secret, now), { code: 'unauthenticated' })
  const late = secretIn(makeInvite(folder, 'https://node-1:7701', now).token)
  assert.throws(() => ask(late, now + 3_600_001), { code: 'unauthenticated' })
  // A node gets its next certificate by the one that it has, and none for another name.
  assert.match(enrol(folder, { name: 'node-2', publicKey }, 'node-2', now).cert, /BEGIN CERTIFICATE/)
  assert.throws(() => enrol(folder, { name: 'node-3', publicKey }, 'node-2', now), { code: 'unauthenticated' })
  assert.throws(() => enrol(join(root, 'elsewhere'), { name: 'node-2', publicKey, secret }, null, now), { code: 'bad_config' })
})

test('a certificate is due in its last third, and the node stays who it is', () => {
  const folder = join(root, 'renewing')
  const identity = foundCluster(folder, 'node-1', now)
  assert.ok(!isDue(identity.cert, now + 55 * day))
  assert.ok(isDue(identity.cert, now + 65 * day))
  const next = renewOwn(folder, identity, now + 65 * day)
  assert.deepEqual([next.name, next.nkey, next.ca], [identity.name, identity.nkey, identity.ca])
  assert.ok(!isDue(next.cert, now + 65 * day))
  assert.notEqual(next.key, identity.key)
})

test('a kill in the middle of a renewal leaves the identity of before, or the new one', () => {
  const folder = join(root, 'killed')
  const path = (name: string): string => join(folder, name)
  const before = foundCluster(folder, 'node-1', now)
  const next = renewOwn(folder, before, now)
  // Before the certificate was changed, and after.
  writeFileSync(path('node.crt'), before.cert)
  writeFileSync(path('node.key'), before.key)
  writeFileSync(path('node.key.next'), next.key)
  assert.deepEqual(readIdentity(folder), before)
  writeFileSync(path('node.crt'), next.cert)
  assert.deepEqual(readIdentity(folder), next)
  const last = renewOwn(folder, next, now)
  assert.deepEqual(readIdentity(folder), last)
  assert.ok(!existsSync(path('node.key.next')))
})

test('a removed node stays removed after a restart, and its next certificate holds', () => {
  const folder = join(root, 'revoking')
  foundCluster(folder, 'node-1', now)
  const issuedAt = (at: number): number =>
    new X509Certificate(
      issueCertificate(readAuthority(folder)!, { name: 'node-2', publicKey: makeNode().publicKey }, at),
    ).validFromDate.getTime() + 3_600_000
  openRevocations(folder).add('node-2', now)
  const again = openRevocations(folder)
  assert.ok(again.isRevoked('node-2', issuedAt(now - 1_000)))
  assert.ok(!again.isRevoked('node-2', issuedAt(now + 2_000)))
  assert.ok(!again.isRevoked('node-3', issuedAt(now - 1_000)))
  again.add('node-2', now - 10_000)
  assert.deepEqual([...openRevocations(folder).list()], [['node-2', now]])
})

test('a certificate that a removed node still gets does not hold, and one by a token does', () => {
  const folder = join(root, 'removing')
  foundCluster(folder, 'node-1', now)
  const revocations = openRevocations(folder, () => now)
  const { publicKey } = makeNode()
  const issuedAt = (cert: string): number => issuedAtOf(new X509Certificate(cert))
  // The authority has not heard of it yet, and its clock is five minutes ahead.
  const renewed = enrol(folder, { name: 'node-2', publicKey }, 'node-2', now + 300_000, revocations.issueAt)
  revocations.add('node-2', revokedFrom(now))
  assert.ok(revocations.isRevoked('node-2', issuedAt(renewed.cert)))
  const { token } = makeInvite(folder, 'https://node-1:7701', now)
  const { secret } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { secret: string }
  const joined = enrol(folder, { name: 'node-2', publicKey, secret }, null, now, revocations.issueAt)
  assert.ok(!revocations.isRevoked('node-2', issuedAt(joined.cert)))
  assert.ok(new X509Certificate(joined.cert).validFromDate.getTime() <= now)
  // Removed again, at once.
  revocations.add('node-2', revokedFrom(now + 2_000))
  assert.ok(revocations.isRevoked('node-2', issuedAt(joined.cert)))
})

test('a node is refused although the disk that remembers it is full', () => {
  const file = join(root, 'no-folder')
  writeFileSync(file, '')
  const revocations = openRevocations(join(file, 'cluster'))
  revocations.add('node-2', now)
  assert.ok(revocations.isRevoked('node-2', now))
})

test('what anybody may have written in NATS revokes no node for good, and keeps no node from starting', () => {
  const folder = join(root, 'forged')
  foundCluster(folder, 'node-1', now)
  const revocations = openRevocations(folder, () => now)
  for (const name of ['x'.repeat(101), '__proto__', 'Node 1', '', '..']) revocations.add(name, now)
  for (const at of [now + 365 * day, Number.MAX_VALUE, Infinity, NaN]) revocations.add('node-2', at)
  assert.deepEqual([...revocations.list()], [])
  revocations.add('constructor', now)
  assert.deepEqual([...openRevocations(folder).list()], [['constructor', now]])
})

test('whatever another node answers, a node that renews or joins stays who it is, and a token is shown to no other node', async (t) => {
  const folder = join(root, 'authority')
  const authority = foundCluster(folder, 'node-1', now)
  const mine = makeNode()
  const own = join(root, 'renewed')
  writeIdentity(own, mine, {
    cert: issueCertificate(readAuthority(folder)!, { name: 'node-2', publicKey: mine.publicKey }, now),
    ca: authority.ca,
  })
  const identity = readIdentity(own)!
  const liar = makeKeyPair()
  const cert = issueCertificate(readAuthority(folder)!, { name: 'node-3', publicKey: liar.publicKey }, now)
  let answer: object = {}
  const asked: string[] = []
  const server = createServer({ cert: cert + authority.ca, key: liar.privateKey, minVersion: 'TLSv1.3' }, (request, response) => {
    asked.push(request.url!)
    request.resume().once('end', () => response.end(JSON.stringify(request.url === authorityPath ? { ca: authority.ca } : answer)))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const other = foundCluster(join(root, 'another'), 'node-2', now)
  for (const wrong of ['', 'no certificate', cert, identity.cert, other.cert, authority.cert]) {
    answer = { cert: wrong, ca: authority.ca }
    assert.equal(await renewBy(own, identity, [url]), null, wrong)
    assert.deepEqual(readIdentity(own), identity)
  }
  assert.equal(asked.length, 6)
  const { token } = makeInvite(folder, url, now)
  await assert.rejects(joinByToken(join(root, 'joining'), 'node-4', token), /another node answers: node-3/)
  assert.equal(asked.at(-1), authorityPath, 'the secret was not sent')
  assert.equal(readIdentity(join(root, 'joining')), null)
})

test('files that do not belong together are told, with what to do', () => {
  const folder = join(root, 'mixed')
  foundCluster(folder, 'node-1', now)
  writeFileSync(join(folder, 'node.key'), makeNode().key)
  assert.throws(() => readIdentity(folder), { code: 'bad_config', hint: /join again/ })
  assert.equal(readIdentity(join(root, 'nowhere')), null)
})
