/** Certificates as Node and OpenSSL read them: whom they name, who signed them, and how long they hold. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { commonNameOf, fingerprintOf, issueCertificate, makeAuthority, makeKeyPair } from './certificates.ts'

const now = Date.now()

test('a certificate names its node and its hosts, and holds for its authority alone', () => {
  const authority = makeAuthority(now)
  const other = makeAuthority(now)
  const { publicKey } = makeKeyPair()
  const text = issueCertificate(authority, { name: 'node-1', publicKey, hosts: ['nats-1', '10.0.0.1', '::1'] }, now)
  const certificate = new X509Certificate(text)
  assert.equal(commonNameOf(certificate), 'node-1')
  assert.match(certificate.subjectAltName ?? '', /DNS:nats-1, IP Address:10\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1/)
  const [own, foreign] = [new X509Certificate(authority.cert), new X509Certificate(other.cert)]
  assert.ok(own.ca && !certificate.ca)
  assert.ok(certificate.checkIssued(own) && certificate.verify(own.publicKey))
  assert.ok(!certificate.verify(foreign.publicKey))
  assert.notEqual(fingerprintOf(authority.cert), fingerprintOf(other.cert))
  const days = (certificate.validToDate.getTime() - now) / 86_400_000
  assert.ok(days > 89 && days <= 90, String(days))
  assert.throws(() => issueCertificate(authority, { name: 'a', publicKey: 'no key' }, now))
})

test('openssl takes the chain, for servers and for clients', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-certificates-'))
  try {
    const authority = makeAuthority(now)
    const node = issueCertificate(authority, { name: 'node-1', publicKey: makeKeyPair().publicKey }, now)
    writeFileSync(join(folder, 'ca.crt'), authority.cert)
    writeFileSync(join(folder, 'node.crt'), node)
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', join(folder, 'ca.crt'), join(folder, 'node.crt')]
      try {
        assert.match(execFileSync('openssl', args, { encoding: 'utf8' }), /OK/)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        t.skip('no openssl here: apt-get install openssl')
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
