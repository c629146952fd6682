/** Hands that lie, stall and flood: what the kernel makes of them. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { createMessageReader, encodeFrame, encodeMessage, greetingId } from '../../protocol/index.ts'
import { connectHands } from './hands-connection.ts'
import { refusedWith } from '../sandbox-contract.ts'

/** A connection whose other end is the test. */
function connect() {
  const toHands = new PassThrough()
  const fromHands = new PassThrough()
  const killed: string[] = []
  const hands = connectHands(toHands, fromHands, (problem) => {
    killed.push(problem)
    return Promise.resolve()
  })
  const requests: { id: number; text: string }[] = []
  const cancels: number[] = []
  const waiting: (() => void)[] = []
  const push = createMessageReader(
    { messageBytes: 1_000_000, pendingBytes: 1_000_000 },
    { message: (id, text) => requests.push({ id, text }), cancel: (id) => cancels.push(id) },
  )
  toHands.on('data', (bytes: Buffer) => {
    push(bytes)
    for (const wake of waiting.splice(0)) wake()
  })
  const say = (id: number, text: string): void => {
    for (const frame of encodeMessage(id, text)) fromHands.write(frame)
  }
  const cancelled = async (count: number): Promise<void> => {
    while (cancels.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const write = (options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    hands.ask('write', { path: '/shared/a', text: 'x' }, { signal: new AbortController().signal, timeoutMs: 10_000, ...options })
  return { hands, fromHands, killed, requests, cancels, say, cancelled, write }
}

const ok = JSON.stringify({ ok: { bytes: 1, created: true, hash: '', was: '' } })
const refusal = JSON.stringify({ failure: { code: 'cancelled', message: 'm', hint: 'h' } })

describe('the connection to hands', () => {
  it('matches answers to requests, in whatever order they come', async () => {
    const { say, write, hands } = connect()
    const both = [write(), write()]
    say(2, JSON.stringify({ ok: { bytes: 2, created: false, hash: '', was: '' } }))
    say(1, ok)
    assert.deepEqual(await Promise.all(both), [
      { bytes: 1, created: true, hash: '', was: '' },
      { bytes: 2, created: false, hash: '', was: '' },
    ])
    assert.equal(hands.isOpen(), true)
  })

  const lies: readonly (readonly [what: string, reply: string])[] = [
    ['no JSON', 'nonsense'],
    ['another shape', '{"ok":{"bytes":"many","created":true}}'],
    ['a field too many', '{"ok":{"bytes":1,"created":true,"path":"/etc"}}'],
    ['an error code that is not for hands', '{"failure":{"code":"store_full","message":"m","hint":"h"}}'],
    ['an error text without end', JSON.stringify({ failure: { code: 'not_found', message: 'x'.repeat(9_999), hint: '' } })],
    ['both at once', '{"ok":{"bytes":1,"created":true},"failure":{"code":"not_found","message":"m","hint":"h"}}'],
  ]
  for (const [what, reply] of lies) {
    it(`kills hands that answer with ${what}`, async () => {
      const { say, write, killed, hands } = connect()
      const request = write()
      say(1, reply)
      await refusedWith('sandbox_failed', request)
      assert.equal(killed.length, 1)
      assert.equal(hands.isOpen(), false)
      await refusedWith('sandbox_failed', write())
    })
  }

  it('kills hands that reply without a request, greet twice, send garbage, or send what only the kernel may', async () => {
    const greetings = Buffer.concat([...encodeMessage(greetingId, '{}'), ...encodeMessage(greetingId, '{}')])
    for (const bytes of [
      greetings,
      ...encodeMessage(99, ok),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      encodeFrame('cancel', 1, new Uint8Array()),
    ]) {
      const { fromHands, write, killed } = connect()
      const request = write()
      fromHands.write(bytes)
      await refusedWith('sandbox_failed', request)
      assert.equal(killed.length, 1)
    }
  })

  it('stops a request on a cancel or at the timeout, and settles when it has ended', async () => {
    const { write, say, cancels, cancelled } = connect()
    const cancel = new AbortController()
    const request = write({ signal: cancel.signal })
    cancel.abort()
    await cancelled(1)
    assert.deepEqual(cancels, [1])
    say(1, refusal)
    await refusedWith('cancelled', request)

    const late = write({ timeoutMs: 5 })
    await cancelled(2)
    say(2, refusal)
    await refusedWith('timeout', late)
  })

  it('returns the result of a request that completed before its cancel arrived', async () => {
    const { write, say } = connect()
    const cancel = new AbortController()
    const request = write({ signal: cancel.signal })
    cancel.abort()
    say(1, ok)
    assert.deepEqual(await request, { bytes: 1, created: true, hash: '', was: '' })
  })

  it('fails all that waits when the process ends', async () => {
    const { write, hands } = connect()
    const both = [write(), write()]
    hands.end('it ended')
    for (const request of both) await refusedWith('sandbox_failed', request)
    await refusedWith(
      'sandbox_failed',
      hands.ready.then(() => undefined),
    )
  })

  it('says once that the sandbox failed, also where a runner passes on what its own hands said', async () => {
    const { write, say, hands } = connect()
    const request = write()
    say(1, JSON.stringify({ failure: { code: 'sandbox_failed', message: 'The sandbox failed: it ended.', hint: '' } }))
    // The end of these hands settles what has broken off.
    hands.end('it ended')
    await assert.rejects(request, { message: 'The sandbox failed: it ended.' })
  })

  it('refuses more requests than can be in work', async () => {
    const { write, hands } = connect()
    const many = Array.from({ length: 48 }, () => write())
    await refusedWith('limit_reached', write())
    hands.end('over')
    await Promise.allSettled(many)
  })

  it('waits for hands that do not read: its buffer does not grow with the requests', async () => {
    const toHands = new PassThrough()
    const hands = connectHands(toHands, new PassThrough(), () => Promise.resolve())
    const piece = { path: '/shared/a', upload: 'u', offset: 0, content: Buffer.alloc(8_000_000), last: true, overwrite: true }
    const cancel = new AbortController()
    const many = Array.from({ length: 40 }, () => hands.ask('put', piece, { signal: cancel.signal, timeoutMs: 10_000 }))
    // All that can be written now has been.
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(toHands.writableLength + toHands.readableLength < 1_000_000, `${toHands.writableLength} bytes wait`)
    hands.end('over')
    for (const each of await Promise.allSettled(many)) assert.equal(each.status, 'rejected')
  })
})
