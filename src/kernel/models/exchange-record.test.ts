import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readRecording } from '../../engine/replay/recording.ts'
import type { CallId, JsonObject, RawExchange, SessionId } from '../../types/index.ts'
import { maxHeldRequestBytes, minSharedBytes } from '../limits.ts'
import { createExchangeRecorder, type ExchangeRecorder } from './exchange-record.ts'

const session = 's' as SessionId
const call = 'c' as CallId

type Bytes = string | Uint8Array

function exchangeOf(request: Bytes | readonly Bytes[], response: Bytes = ''): RawExchange {
  const bytes = (its: Bytes): Uint8Array => (typeof its === 'string' ? Buffer.from(its) : its)
  const pieces = typeof request === 'string' || request instanceof Uint8Array ? [request] : request
  return { wire: 'w', model: 'm', url: 'http://x/y', status: 200, request: pieces.map(bytes), response: bytes(response) }
}

function openRecorder(): ExchangeRecorder {
  return createExchangeRecorder((bytes) => bytes)
}

interface Body {
  readonly id: string
  readonly request: { readonly text?: string; readonly base64?: string; readonly after?: { readonly id: string; readonly bytes: number } }
  readonly response: { readonly text?: string; readonly base64?: string }
}

const body = (its: JsonObject): Body => its as unknown as Body

const long = 'a long beginning. '.repeat(200)

void describe('the record of an exchange', () => {
  void it('holds text as text and other bytes as base64', () => {
    const recorder = openRecorder()
    const one = body(recorder.bodyOf(session, call, exchangeOf('{"q":"ä"}', 'data: 1\n\n')))
    assert.deepEqual([one.request, one.response], [{ text: '{"q":"ä"}' }, { text: 'data: 1\n\n' }])
    const two = body(recorder.bodyOf(session, call, exchangeOf(Uint8Array.of(255, 0), Buffer.from('ä').subarray(0, 1))))
    assert.deepEqual([two.request, two.response], [{ base64: '/wA=' }, { base64: 'ww==' }])
  })

  void it('says only what is new after the beginning of the request before it in the same session', () => {
    const recorder = openRecorder()
    const first = body(recorder.bodyOf(session, call, exchangeOf(`${long}one`)))
    assert.equal(first.request.text, `${long}one`)
    const second = body(recorder.bodyOf(session, call, exchangeOf(`${long}two`)))
    assert.deepEqual(second.request, { after: { id: first.id, bytes: long.length }, text: 'two' })
    const other = body(recorder.bodyOf('other' as SessionId, call, exchangeOf(`${long}two`)))
    assert.equal(other.request.after, undefined)
    const short = 'x'.repeat(minSharedBytes - 1)
    recorder.bodyOf(session, call, exchangeOf(`${short}1`))
    assert.equal(body(recorder.bodyOf(session, call, exchangeOf(`${short}2`))).request.text, `${short}2`)
  })

  void it('forgets the session that was used longest ago when it holds too much', () => {
    const recorder = openRecorder()
    const big = 'x'.repeat(maxHeldRequestBytes / 2 + 1)
    const of = (id: string): Body => body(recorder.bodyOf(id as SessionId, call, exchangeOf(big)))
    of('a')
    of('b')
    assert.equal(of('b').request.after?.bytes, big.length)
    assert.equal(of('a').request.after, undefined)
  })

  void it('holds a request that is too large beside others alone: what a picture made large comes again at the next step', () => {
    const recorder = openRecorder()
    const big = 'x'.repeat(maxHeldRequestBytes + 1)
    const of = (id: string, text: string): Body => body(recorder.bodyOf(id as SessionId, call, exchangeOf(text)))
    of('a', long)
    of('b', big)
    assert.equal(of('b', `${big}more`).request.after?.bytes, big.length)
    assert.equal(of('a', long).request.after, undefined)
  })

  void it('never holds a key that an endpoint repeats, and is still read back', () => {
    const hide = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('latin1').replaceAll('s3cret', '[secret:KEY]'), 'latin1')
    const recorder = createExchangeRecorder(hide)
    const bodies = ['one', 'two'].map((end) =>
      recorder.bodyOf(session, call, exchangeOf(`s3cret ${long}${end}`, Buffer.from([0xff, ...Buffer.from('s3cret')]))),
    )
    assert.equal(JSON.stringify(bodies).includes('s3cret'), false)
    assert.equal(Buffer.from(body(bodies[0]!).response.base64!, 'base64').includes('s3cret'), false)
    const text = bodies.map((each) => JSON.stringify(each)).join('\n')
    assert.deepEqual(
      readRecording(text, 'f').map(({ request }) => request.toString().slice(0, 12)),
      ['[secret:KEY]', '[secret:KEY]'],
    )
  })

  void it('looks through a piece that requests share once, and never holds a key that is in it', () => {
    const looked: string[] = []
    const recorder = createExchangeRecorder((bytes) => {
      looked.push(bytes.toString())
      return Buffer.from(bytes.toString().replaceAll('s3cret', '[key]'))
    })
    const shared = Buffer.from(`s3cret ${long}`)
    const [one, two] = ['1', '2'].map((end) => body(recorder.bodyOf(session, call, exchangeOf(['{', shared, end]))))
    assert.equal(looked.filter((text) => text === shared.toString()).length, 1)
    assert.equal(one?.request.text, `{[key] ${long}1`)
    assert.deepEqual(two?.request, { after: { id: one.id, bytes: `{[key] ${long}`.length }, text: '2' })
  })

  void it('is read back by the replay model as what was sent and received, whatever that was and in whichever pieces', () => {
    const shared = [Buffer.from(long), Buffer.from(`${long}ä`), Buffer.alloc(0)]
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.string().map((text) => Buffer.from(text)),
      fc.tuple(fc.constantFrom('', long, `${long}ä`, `${long}ö${long}`), fc.string()).map((texts) => Buffer.from(texts.join(''))),
    )
    const request = fc.array(fc.oneof(fc.constantFrom(...shared), bytes), { maxLength: 4 })
    const told = fc.record({ session: fc.constantFrom('a', 'b'), request, response: bytes })
    fc.assert(
      fc.property(fc.array(told, { minLength: 1, maxLength: 8 }), (exchanges) => {
        const recorder = openRecorder()
        const text = exchanges
          .map(({ session: its, request: sent, response }) =>
            JSON.stringify(recorder.bodyOf(its as SessionId, call, exchangeOf(sent, response))),
          )
          .join('\n')
        const read = readRecording(text, 'f')
        for (const [place, { request: sent, response }] of exchanges.entries()) {
          assert.deepEqual(read[place]?.request, Buffer.concat(sent))
          assert.deepEqual(read[place]?.response, Buffer.from(response))
        }
      }),
    )
  })
})
