/** What a host may not send, over plain streams: each violation ends it, and its requests fail as ones that may have had an effect. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { encodeFrame } from '../../protocol/index.ts'
import { done } from './host-fixture.ts'
import { ask, callOf, fuzzLink, type Pipe, pipe, ran, within } from './host-pipe-fixture.ts'

const violations: readonly (readonly [what: string, send: (host: Pipe) => void, problem: RegExp])[] = [
  ['a reply to no request', (host) => host.say(8, ran), /replied to no request/],
  ['a reply that is not JSON', (host) => host.say(2, '{"ok":'), /neither a result nor a failure/],
  ['a reply of another form', (host) => host.say(2, { ok: { ok: 1 } }), /wrong form/],
  ['a reply with more than it may have', (host) => host.say(2, { ok: { ...ran.ok, sudo: true } }), /wrong form/],
  ['a code that would make the kernel act', (host) => host.say(2, { failure: { code: 'store_full', message: '', hint: '' } }), /neither/],
  ['a call for a request that was never made', (host) => host.say(1, callOf(4)), /never made/],
  ['a call for a request of its own', (host) => host.say(1, callOf(1)), /never made/],
  ['a call that skips an id', (host) => host.say(5, callOf(2)), /an id that is in use/],
  ['the same call twice', (host) => (host.say(1, callOf(2)), host.say(1, callOf(2))), /an id that is in use/],
  ['another request than a call', (host) => host.say(1, { op: 'describe', input: {} }), /neither a reply nor a call/],
  ['a second greeting', (host) => (host.say(0, {}), host.say(0, {})), /greeted twice/],
  ['a cancel', (host) => host.write(encodeFrame('cancel', 2, new Uint8Array())), /only the guest may send/],
  ['bytes that are no frame', (host) => host.write(Buffer.from('Segmentation fault')), /invalid frames/],
  ['calls without end', (host) => Array.from({ length: 300 }, (_, i) => host.say(2 * i + 1, callOf(2))), /calls at once/],
]

describe('a host that breaks the protocol', () => {
  for (const [what, send, problem] of violations) {
    it(`by ${what} is ended`, async () => {
      await using host = pipe()
      const asked = ask(
        host,
        within(() => new Promise<never>(() => {})),
      )
      send(host)
      await assert.rejects(
        asked,
        (error) => isOxbowError(error, 'sandbox_failed') && problem.test(error.message) && error.data['lost'] === true,
      )
      assert.match(await host.link.ended, problem)
      await assert.rejects(ask(host), { code: 'sandbox_failed', data: { lost: false } })
    })
  }

  it('by two answers is ended after the first', async () => {
    await using host = pipe()
    const asked = ask(host)
    host.say(2, ran)
    host.say(2, ran)
    assert.equal((await asked).text, 'done')
    assert.match(await host.link.ended, /replied to no request/)
  })

  it('in any way ends or answers, and never throws elsewhere', async () => {
    await fuzzLink(300)
  })
})

describe('a host that does not answer', () => {
  it('is ended when it does not confirm a cancel, and the request settles at once', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const host = pipe()
    const controller = new AbortController()
    const asked = ask(host, { ...within(), signal: controller.signal })
    controller.abort()
    await assert.rejects(asked, { code: 'cancelled' })
    assert.equal(host.link.isOpen(), true)
    t.mock.timers.tick(2_000)
    assert.match(await host.link.ended, /did not end action/)
  })

  it('to the question whether it is well is ended, while a request waits, and is asked once it has greeted', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const host = pipe(1_000)
    const asked = ask(host)
    asked.catch(() => undefined)
    t.mock.timers.tick(5_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(host.heard.at(-1)?.message.op, 'action')
    host.say(0, {})
    await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(1_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(host.heard.at(-1)?.message.op, 'health')
    host.say(4, { ok: { memory_bytes: 1, services: [] } })
    await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(1_000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(host.link.isOpen(), true)
    t.mock.timers.tick(1_000)
    assert.match(await host.link.ended, /does not answer/)
    await assert.rejects(asked, { code: 'sandbox_failed' })
  })
})

describe('a call of a host', () => {
  it('is made for the request that it names, and refused when that has ended', async () => {
    await using host = pipe()
    const calls: string[] = []
    const of = (request: string) => within(async (name) => (calls.push(`${request} ${name}`), done('read')))
    const [first, second] = [ask(host, of('first')), ask(host, of('second'))]
    host.say(1, callOf(4))
    host.say(4, ran)
    await second
    host.say(3, callOf(4))
    host.say(2, ran)
    await first
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(calls, ['second file.read'])
    const replies = host.heard.filter(({ id }) => id % 2 === 1).map(({ message }) => message.ok.status)
    assert.deepEqual(replies, ['ok', 'refused'])
  })
})
