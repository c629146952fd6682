import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemRandom } from '../base/index.ts'
import { createToken, isKeyInAddress, refuseSource, refuseToken } from './admission.ts'

const token = createToken(systemRandom)
const isServed = (host: string | undefined, origin?: string, configured = '127.0.0.1'): boolean =>
  refuseSource({ ...(host !== undefined && { host }), ...(origin !== undefined && { origin }) }, { host: configured }) === null

void describe('the source of a request', () => {
  void test('loopback is served under each of its names', () => {
    for (const host of ['127.0.0.1', '127.0.0.1:8080', 'localhost:1', 'LOCALHOST', '[::1]:8080', '127.8.8.8:1'])
      assert.ok(isServed(host), host)
  })

  void test('a DNS name that is rebound to loopback is refused', () => {
    const hosts = [
      'evil.example',
      'evil.example:8080',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '127.evil:1',
      '',
      '127.0.0.1@evil:1',
      'a b',
      '127.0.0.1:x',
    ]
    for (const host of [...hosts, undefined]) assert.ok(!isServed(host), String(host))
  })

  void test('the configured host is served, another address is not', () => {
    assert.ok(isServed('box.local:80', undefined, 'box.local'))
    assert.ok(isServed('192.168.1.4:80', undefined, '192.168.1.4'))
    assert.ok(!isServed('192.168.1.5:80', undefined, '192.168.1.4'))
  })

  void test('with a wildcard address, any address is served, but no other name', () => {
    assert.ok(isServed('192.168.1.4:80', undefined, '0.0.0.0'))
    assert.ok(isServed('[fe80::1]:80', undefined, '::'))
    assert.ok(!isServed('evil.example:80', undefined, '0.0.0.0'))
  })

  void test('a page may connect only to the gateway that served it', () => {
    assert.ok(isServed('127.0.0.1:80', 'http://127.0.0.1:80'))
    for (const origin of ['http://evil.example', 'http://127.0.0.1:81', 'http://localhost:80', 'null', '', 'file://']) {
      assert.ok(!isServed('127.0.0.1:80', origin), origin)
    }
  })
})

void describe('a proxy in front', () => {
  void test('is served under its own name, to its own pages, and nothing else is', () => {
    const rules = { host: '127.0.0.1', publicUrl: 'https://oxbow.example.com' }
    const from = (host: string, origin?: string) => refuseSource({ host, ...(origin !== undefined && { origin }) }, rules)
    assert.equal(from('oxbow.example.com'), null)
    assert.equal(from('oxbow.example.com', 'https://oxbow.example.com'), null)
    assert.equal(from('127.0.0.1:80', 'https://oxbow.example.com'), null)
    for (const [host, origin] of [
      ['evil.oxbow.example.com', undefined],
      ['oxbow.example.com.evil', undefined],
      ['oxbow.example.com:81', undefined],
      ['oxbow.example.com', 'https://evil.example'],
      ['oxbow.example.com', 'null'],
    ] as const)
      assert.equal(from(host, origin)?.code, 'denied', `${host} ${origin}`)
  })
})

void describe('an address', () => {
  void test('with a key in it is refused, whatever the name of the field', () => {
    for (const url of [
      '/ws?token=x',
      '/api/v1/x?a=1&access_token=x',
      '/ws?x=oxbow_0123456789abcdef',
      '/oxbow_0123456789abcdefxyz',
      '/?api-key=1&apikey=2',
    ])
      assert.ok(isKeyInAddress(url), url)
    for (const url of ['/ws', '/api/v1/memory/search?query=token', '/api/v1/keys/oxbow', '/api/v1/files/token.txt?raw=1', '/x?tokens=1'])
      assert.ok(!isKeyInAddress(url), url)
  })
})

void describe('the token', () => {
  void test('is taken from the header or, for browsers, from the offered protocols', () => {
    assert.equal(refuseToken({ authorization: `Bearer ${token}` }, token), null)
    assert.equal(refuseToken({ authorization: `bearer ${token}` }, token), null)
    assert.equal(refuseToken({ 'sec-websocket-protocol': `oxbow, bearer.${token}` }, token), null)
  })

  void test('is refused when missing, empty, wrong, truncated or in another scheme', () => {
    const wrong = [
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${token.slice(1)}`,
      `Bearer ${token}x`,
      `Basic ${token}`,
      token,
      `Bearer ${token} ${token}`,
    ]
    for (const authorization of wrong) assert.equal(refuseToken({ authorization }, token)?.code, 'unauthenticated', authorization)
    for (const protocol of ['oxbow', 'bearer.', `bearer.${token.slice(1)}`]) {
      assert.equal(refuseToken({ 'sec-websocket-protocol': protocol }, token)?.code, 'unauthenticated', protocol)
    }
    assert.equal(refuseToken({}, token)?.code, 'unauthenticated')
  })

  void test('is refused with a wrong header, even with a valid protocol', () => {
    assert.equal(refuseToken({ authorization: 'Bearer x', 'sec-websocket-protocol': `bearer.${token}` }, token)?.code, 'unauthenticated')
  })

  void test('has 256 bits and is different each time', () => {
    assert.equal(Buffer.from(token, 'base64url').length, 32)
    assert.notEqual(createToken(systemRandom), token)
  })

  void test('is never sent to a peer that does not know it', () => {
    assert.ok(!JSON.stringify(refuseToken({ authorization: 'Bearer x' }, token)).includes(token))
  })
})
