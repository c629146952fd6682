/** Routes of plugins through a real gateway: who may reach them, and what a stranger's page cannot do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createToken, startGateway } from '../../src/gateway/index.ts'
import { systemRandom } from '../../src/base/index.ts'
import type { CallOutcome } from '../../src/protocol/index.ts'
import { createFakeHosts } from './fake-hosts.ts'
import { openPartsFixture, rightsOf } from './parts-fixture.ts'

void test(
  'routes answer who has signed in, and everybody where they are public; they make calls for neither more',
  { timeout: 15_000 },
  async (t) => {
    const calls: (CallOutcome | undefined)[] = []
    const hosts = createFakeHosts({
      site: {
        rights: ['session.read'],
        exports: {
          routes: [
            { method: 'GET', path: '/open/:name', public: true },
            { method: 'POST', path: '/closed', public: false },
          ],
        },
        async route({ path, params, headers, body, query, method }, { call }) {
          calls.push(await call!('session.list', {}))
          for (const name of ['authorization', 'cookie', 'x-api-key', 'oxbow-page'])
            assert.equal(headers[name], undefined, `${name}: what proves who asks stays here`)
          const text = JSON.stringify({ path, params, query, method, body: Buffer.from(body, 'base64').toString() })
          const set = { 'content-type': 'text/html', 'set-cookie': 'a=b', location: 'https://evil.example', 'x-own': '1' }
          return { status: 201, headers: set, body: Buffer.from(text).toString('base64') }
        },
      },
    })
    await using fixture = await openPartsFixture(hosts, { config: rightsOf('plugin.site') })
    const token = createToken(systemRandom)
    const gateway = await startGateway({ kernel: fixture.kernel, host: '127.0.0.1', port: 0, token })
    t.after(() => gateway.close())
    const base = gateway.url.replace('ws:', 'http:').replace('/ws', '')
    const authorization = `Bearer ${token}`

    const open = await fetch(`${base}/plugins/site/open/ada?x=1`)
    assert.equal(open.status, 201)
    assert.deepEqual(await open.json(), { path: '/open/ada', params: { name: 'ada' }, query: { x: '1' }, method: 'GET', body: '' })
    assert.equal(open.headers.get('set-cookie'), null)
    assert.equal(open.headers.get('location'), null)
    assert.equal(open.headers.get('x-own'), '1')
    assert.match(open.headers.get('content-security-policy') ?? '', /^sandbox;/)
    assert.equal(calls[0]?.status, 'refused', 'a request of nobody makes no calls')

    const closed = await fetch(`${base}/plugins/site/closed`, { method: 'POST', body: 'hi' })
    assert.equal(closed.status, 401)
    const admitted = await fetch(`${base}/plugins/site/closed`, { method: 'POST', body: 'hi', headers: { authorization } })
    assert.equal(admitted.status, 201)
    assert.equal(((await admitted.json()) as { body: string }).body, 'hi')
    assert.equal(calls.length, 2)

    for (const [path, method, status] of [
      ['/plugins/site/nowhere', 'GET', 404],
      ['/plugins/nobody/open/ada', 'GET', 404],
      ['/plugins/site/open/ada', 'DELETE', 404],
      ['/plugins/site/open/%zz', 'GET', 201],
      ['/plugins/%zz/open', 'GET', 400],
    ] as const)
      assert.equal((await fetch(`${base}${path}`, { method })).status, status, path)
    // A browser sends what a program on another port of this machine has set.
    const visitor = await fetch(`${base}/plugins/site/open/ada`, { headers: { cookie: 'theme=dark', 'oxbow-page': 'x' } })
    assert.equal(visitor.status, 201)
    const byApiKey = await fetch(`${base}/plugins/site/closed`, { method: 'POST', body: 'hi', headers: { 'x-api-key': token } })
    assert.equal(byApiKey.status, 201)
    const wrong = await fetch(`${base}/plugins/site/open/ada`, { headers: { authorization: 'Bearer wrong' } })
    assert.equal(wrong.status, 401)
  },
)

void test('a public route answers one address only so often, and who has signed in as often as before', { timeout: 15_000 }, async (t) => {
  let answered = 0
  const hosts = createFakeHosts({
    site: {
      rights: [],
      exports: { routes: [{ method: 'GET', path: '/open', public: true }] },
      async route() {
        answered += 1
        return { status: 200, headers: {}, body: '' }
      },
    },
  })
  await using fixture = await openPartsFixture(hosts, { config: rightsOf('plugin.site') })
  const token = createToken(systemRandom)
  const gateway = await startGateway({ kernel: fixture.kernel, host: '127.0.0.1', port: 0, token, requests_per_minute: 20 })
  t.after(() => gateway.close())
  const url = gateway.url.replace('ws:', 'http:').replace('/ws', '/plugins/site/open')
  const asked = await Promise.all(Array.from({ length: 12 }, () => fetch(url)))
  const refused = asked.filter(({ status }) => status === 429)
  assert.ok(refused.length >= 6, `${refused.length} of 12`)
  assert.ok(Number(refused[0]?.headers.get('retry-after')) >= 1)
  assert.equal(answered, asked.length - refused.length)
  assert.equal((await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status, 200)
})
