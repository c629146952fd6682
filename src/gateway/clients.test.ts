/** How much a client may ask, and what it is answered when the gateway closes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../base/index.ts'
import { createFakeKernel } from './fake-kernel.ts'
import { openTerminal, startTestGateway } from './gateway-fixture.ts'

/** A name that the compiler does not know: of a call that only this test has. */
const testEchoName: string = 'test.echo'

void test('a gateway that closes answers what is under way, or says when to ask again', async () => {
  const kernel = createFakeKernel()
  const slow = Promise.withResolvers<void>()
  const call = (async (name: string, input: Json) => {
    if (name === 'system.calls') return { status: 'ok', output: calls, text: '', ok: true }
    if (name === 'test.slow') await slow.promise
    if (name === 'test.never') await new Promise(() => {})
    return kernel.call(testEchoName, input)
  }) as typeof kernel.call
  const calls = ['test.slow', 'test.never'].map((name) => ({ name, audience: ['terminal'], routes: [], input: {} }))
  await using fixture = await startTestGateway({ kernel: { ...kernel, call }, limits: { drainMs: 200 } })
  const ask = (name: string) =>
    fetch(`${fixture.http}/api/v1/calls/${name}`, { method: 'POST', headers: { authorization: `Bearer ${fixture.token}` } })
  const [ends, never] = [ask('test.slow'), ask('test.never')]
  const terminal = await fixture.open()
  const asked = terminal.ask('call', { name: 'test.slow', input: {} })
  const closing = fixture.gateway.close()
  slow.resolve()
  assert.equal((await ends).status, 200)
  assert.equal((await asked).type, 'result', 'the answer comes before the connection closes')
  const refused = await never
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '2'])
  await closing
  assert.equal((await terminal.closed).code, 1001)
})

void test('a key without all rights is limited in the cookie of a page, too', async () => {
  const kernel = createFakeKernel()
  const statusesOf = async (mayAll: boolean): Promise<readonly number[]> => {
    const withKey = async () => ({ ...kernel, check: async () => mayAll })
    await using fixture = await startTestGateway({ kernel: { ...kernel, withKey }, requests_per_minute: 10 })
    const headers = { cookie: `oxbow-${new URL(fixture.http).port}=oxbow_${'0'.repeat(38)}`, 'oxbow-page': '0'.repeat(21) }
    const asked = Array.from({ length: 4 }, () => fetch(`${fixture.http}/api/v1/status`, { headers }))
    return (await Promise.all(asked)).map(({ status }) => status)
  }
  assert.deepEqual(await statusesOf(true), [200, 200, 200, 200])
  assert.ok((await statusesOf(false)).includes(429))
})

void test('frames of a key count as its requests; over its rate they are refused with the time to wait', async () => {
  const kernel = createFakeKernel()
  const key = `oxbow_${'0'.repeat(59)}`
  await using fixture = await startTestGateway({ kernel: { ...kernel, withKey: async () => kernel }, requests_per_minute: 10 })
  const terminal = await openTerminal(fixture.gateway.url, key)
  for (let i = 0; i < 2; i += 1) assert.equal((await terminal.ask('status', {})).type, 'result')
  const answer = await terminal.ask('status', {})
  assert.ok(answer.type === 'error')
  const refused = answer.payload
  assert.equal(refused.code, 'limit_reached')
  assert.match(refused.hint, /^Try again in \d s\.$/)
  const limited = await fetch(`${fixture.http}/api/v1/status`, { headers: { authorization: `Bearer ${key}` } })
  assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '6'])
  const owner = await fixture.open()
  for (let i = 0; i < 20; i += 1) assert.equal((await owner.ask('status', {})).type, 'result')
  terminal.socket.terminate()
  owner.socket.terminate()
})
