/** How the gateway is reached from other machines: over TLS, through a proxy, or not at all. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import type { OxbowError } from '../base/index.ts'
import { makeCertificate } from './certificate-fixture.ts'
import { readExposure } from './exposure.ts'
import { startTestGateway } from './gateway-fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'oxbow-tls-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const { cert, key } = makeCertificate()
const [tls_cert, tls_key] = [file('cert.pem', cert), file('key.pem', key)]

void describe('other machines', () => {
  const expose = (options: Partial<Parameters<typeof readExposure>[0]>, isLocal = false) =>
    readExposure({ host: '0.0.0.0', tls_cert: '', tls_key: '', public_url: '', allow_plain: false, ...options }, isLocal)
  const fails = (run: () => unknown, says: RegExp): void =>
    assert.throws(run, (error: OxbowError) => error.code === 'bad_config' && says.test(`${error.message} ${error.hint}`))

  void test('are served only with TLS, behind a proxy, or where a person says that the network is trusted', () => {
    fails(() => expose({}), /in clear.*tls_cert.*public_url.*allow_plain/)
    assert.deepEqual(expose({ tls_cert, tls_key }), { cert, key })
    assert.equal(expose({ public_url: 'https://oxbow.example.com' }), null)
    assert.equal(expose({ allow_plain: true }), null)
    assert.equal(expose({}, true), null)
  })

  void test('get no half of a certificate: what is wrong with the files is said before anything listens', () => {
    fails(() => expose({ tls_cert }), /belong together/)
    fails(() => expose({ tls_key }), /belong together/)
    fails(() => expose({ tls_cert: join(folder, 'none.pem'), tls_key }), /none\.pem cannot be read \(ENOENT\)/)
    fails(() => expose({ tls_cert: tls_key, tls_key }), /not a PEM certificate/)
    fails(() => expose({ tls_cert, tls_key: file('other.pem', makeCertificate().key) }), /not the private key/)
    fails(() => expose({ tls_cert, tls_key: file('text.pem', 'no key') }), /not the private key/)
    const ended = makeCertificate(-1_000)
    fails(() => expose({ tls_cert: file('old.pem', ended.cert), tls_key: file('old-key.pem', ended.key) }), /ended on/)
    for (const public_url of ['oxbow.example.com', 'https://oxbow.example.com/path', 'ftp://x', 'https://user@x'])
      fails(() => expose({ public_url }), /origin that people open/)
  })
})

void describe('a gateway with a certificate', () => {
  void test('serves the API and the WebSocket over TLS, and terminals of this machine on a plain port', async () => {
    await using fixture = await startTestGateway({ tls_cert, tls_key })
    const { publicUrl, url } = fixture.gateway
    assert.match(publicUrl!, /^https:\/\/127\.0\.0\.1:\d+$/)
    assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+\/ws$/)
    const status = await new Promise<number>((resolve, reject) => {
      request(`${publicUrl}/healthz`, { ca: cert }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
        .once('error', reject)
        .end()
    })
    assert.equal(status, 200)
    const socket = new WebSocket(`${publicUrl!.replace('https', 'wss')}/ws`, ['oxbow', `bearer.${fixture.token}`], { ca: cert })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    socket.terminate()
    const terminal = await fixture.open()
    assert.equal((await terminal.ask('status', {})).type, 'result')
    terminal.socket.terminate()
    // Whoever does not trust the certificate sends no token.
    const stranger = new WebSocket(`${publicUrl!.replace('https', 'wss')}/ws`, ['oxbow', `bearer.${fixture.token}`])
    assert.match(String(await new Promise((resolve) => stranger.once('error', resolve))), /self-signed/)
  })
})
