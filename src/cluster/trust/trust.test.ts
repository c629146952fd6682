/** Identities on disk, tokens, renewals and revocations, with a clock of the test's own. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { issueCertificate } from './certificates.ts'
import { enrol, makeInvite, renewOwn } from './enrolment.ts'
import { foundCluster, makeNode, readAuthority, readIdentity } from './node-identity.ts'
import { isDue } from './renewal.ts'
import { openRevocations } from './revocations.ts'

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

test('files that do not belong together are told, with what to do', () => {
  const folder = join(root, 'mixed')
  foundCluster(folder, 'node-1', now)
  writeFileSync(join(folder, 'node.key'), makeNode().key)
  assert.throws(() => readIdentity(folder), { code: 'bad_config', hint: /join again/ })
  assert.equal(readIdentity(join(root, 'nowhere')), null)
})
