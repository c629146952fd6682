import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemRandom } from '../types/index.ts'
import { createToken, refuseSource, refuseToken } from './admission.ts'

const token = createToken(systemRandom)
const rules = { host: '127.0.0.1', token }
const isServed = (host: string | undefined, origin?: string, configured = '127.0.0.1'): boolean =>
  refuseSource({ ...(host !== undefined && { host }), ...(origin !== undefined && { origin }) }, { host: configured, token }) === null

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

void describe('the token', () => {
  void test('is taken from the header or, for browsers, from the offered protocols', () => {
    assert.equal(refuseToken({ authorization: `Bearer ${token}` }, rules), null)
    assert.equal(refuseToken({ authorization: `bearer ${token}` }, rules), null)
    assert.equal(refuseToken({ 'sec-websocket-protocol': `oxbow, bearer.${token}` }, rules), null)
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
    for (const authorization of wrong) assert.equal(refuseToken({ authorization }, rules)?.code, 'unauthenticated', authorization)
    for (const protocol of ['oxbow', 'bearer.', `bearer.${token.slice(1)}`]) {
      assert.equal(refuseToken({ 'sec-websocket-protocol': protocol }, rules)?.code, 'unauthenticated', protocol)
    }
    assert.equal(refuseToken({}, rules)?.code, 'unauthenticated')
  })

  void test('is refused with a wrong header, even with a valid protocol', () => {
    assert.equal(refuseToken({ authorization: 'Bearer x', 'sec-websocket-protocol': `bearer.${token}` }, rules)?.code, 'unauthenticated')
  })

  void test('has 256 bits and is different each time', () => {
    assert.equal(Buffer.from(token, 'base64url').length, 32)
    assert.notEqual(createToken(systemRandom), token)
  })

  void test('is never sent to a peer that does not know it', () => {
    assert.ok(!JSON.stringify(refuseToken({ authorization: 'Bearer x' }, rules)).includes(token))
  })
})
