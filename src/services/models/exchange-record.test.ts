import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readRecording } from '../../engine/replay/recording.ts'
import type { CallId, JsonObject, SessionId } from '../../base/index.ts'
import type { SentRequest } from '../../protocol/index.ts'
import { maxHeldRequestBytes, minSharedBytes } from './limits.ts'
import { createExchangeRecorder, type ExchangeRecorder } from './exchange-record.ts'

const session = 's' as SessionId
const call = 'c' as CallId

type Bytes = string | Uint8Array

interface Exchange extends SentRequest {
  readonly response: Uint8Array
}

function exchangeOf(request: Bytes | readonly Bytes[], response: Bytes = ''): Exchange {
  const bytes = (its: Bytes): Uint8Array => (typeof its === 'string' ? Buffer.from(its) : its)
  const pieces = typeof request === 'string' || request instanceof Uint8Array ? [request] : request
  return { wire: 'w', model: 'm', url: 'http://x/y', body: pieces.map(bytes), response: bytes(response) }
}

/** @param step bytes of the answer that arrive at once */
function bodyOf(recorder: ExchangeRecorder, its: SessionId, { response, ...sent }: Exchange, step = 64 * 1024): JsonObject {
  let made: JsonObject | undefined
  const answer = recorder.begin(its, call, sent, (body) => (made = body))
  for (let at = 0; at < response.length; at += step) answer.take(response.subarray(at, at + step))
  answer.end(200)
  assert.ok(made !== undefined)
  return made
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
    const one = body(bodyOf(recorder, session, exchangeOf('{"q":"ä"}', 'data: 1\n\n')))
    assert.deepEqual([one.request, one.response], [{ text: '{"q":"ä"}' }, { text: 'data: 1\n\n' }])
    const two = body(bodyOf(recorder, session, exchangeOf(Uint8Array.of(255, 0), Buffer.from('ä').subarray(0, 1))))
    assert.deepEqual([two.request, two.response], [{ base64: '/wA=' }, { base64: 'ww==' }])
  })

  void it('says only what is new after the beginning of the request before it in the same session', () => {
    const recorder = openRecorder()
    const first = body(bodyOf(recorder, session, exchangeOf(`${long}one`)))
    assert.equal(first.request.text, `${long}one`)
    const second = body(bodyOf(recorder, session, exchangeOf(`${long}two`)))
    assert.deepEqual(second.request, { after: { id: first.id, bytes: long.length }, text: 'two' })
    const other = body(bodyOf(recorder, 'other' as SessionId, exchangeOf(`${long}two`)))
    assert.equal(other.request.after, undefined)
    const short = 'x'.repeat(minSharedBytes - 1)
    bodyOf(recorder, session, exchangeOf(`${short}1`))
    assert.equal(body(bodyOf(recorder, session, exchangeOf(`${short}2`))).request.text, `${short}2`)
  })

  void it('finds what is new however requests are cut into pieces', () => {
    const recorder = openRecorder()
    const first = body(bodyOf(recorder, session, exchangeOf([long, 'one ', 'two ', ']'])))
    const second = body(bodyOf(recorder, session, exchangeOf([`${long}one `, 'two three ', ']'])))
    assert.deepEqual(second.request, { after: { id: first.id, bytes: `${long}one two `.length }, text: 'three ]' })
  })

  void it('forgets the session that was used longest ago when it holds too much', () => {
    const recorder = openRecorder()
    const big = 'x'.repeat(maxHeldRequestBytes / 2 + 1)
    const of = (id: string): Body => body(bodyOf(recorder, id as SessionId, exchangeOf(big)))
    of('a')
    of('b')
    assert.equal(of('b').request.after?.bytes, big.length)
    assert.equal(of('a').request.after, undefined)
  })

  void it('holds only one request if it is too large to hold with others: what a picture made large comes again at the next step', () => {
    const recorder = openRecorder()
    const big = 'x'.repeat(maxHeldRequestBytes + 1)
    const of = (id: string, text: string): Body => body(bodyOf(recorder, id as SessionId, exchangeOf(text)))
    of('a', long)
    of('b', big)
    assert.equal(of('b', `${big}more`).request.after?.bytes, big.length)
    assert.equal(of('a', long).request.after, undefined)
  })

  void it('never holds a key that an endpoint repeats, and is still read back', () => {
    const hide = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('latin1').replaceAll('s3cret', '[secret:KEY]'), 'latin1')
    const recorder = createExchangeRecorder(hide)
    const bodies = ['one', 'two'].map((end) =>
      bodyOf(recorder, session, exchangeOf(`s3cret ${long}${end}`, Buffer.from([0xff, ...Buffer.from('s3cret')]))),
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
    const [one, two] = ['1', '2'].map((end) => body(bodyOf(recorder, session, exchangeOf(['{', shared, end]))))
    assert.equal(looked.filter((text) => text === shared.toString()).length, 1)
    assert.equal(one?.request.text, `{[key] ${long}1`)
    assert.deepEqual(two?.request, { after: { id: one.id, bytes: `{[key] ${long}`.length }, text: '2' })
  })

  void it('keeps the envelope of a streamed answer once, and the words of its tokens whole', () => {
    const words = ['Ochsen ', 'Ofen ', 'Ofen ', 'trot ', 'trot ', 'on']
    const events = words.map((word) => `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"${word}"}}]}\n\n`)
    const answer = [...events, 'data: [DONE]\n\n'].join('')
    const { response } = bodyOf(openRecorder(), session, exchangeOf('', answer), 50)
    const [first, ...more] = (response as { runs: { text?: string; parts?: string[] }[] }).runs
    assert.deepEqual([first?.text, first?.parts, more], [events[0], words.slice(1), [{ text: 'data: [DONE]\n\n' }]])
  })

  void it('is far smaller than a long streamed answer', () => {
    const events = Array.from({ length: 1_000 }, (_, i) => {
      const choice = { index: 0, delta: { content: `w${i} ` }, finish_reason: null }
      return `data: ${JSON.stringify({ id: 'chatcmpl-1', created: 1_732_000_000 + Math.floor(i / 100), model: 'm', choices: [choice] })}\n\n`
    })
    const answer = events.join('')
    const packed = JSON.stringify(bodyOf(openRecorder(), session, exchangeOf('', answer), 1_000))
    assert.ok(packed.length < answer.length / 8, `${packed.length} of ${answer.length}`)
  })

  void it('is read back by the replay model as what was sent and received, whatever that was and in whichever pieces', () => {
    const shared = [Buffer.from(long), Buffer.from(`${long}ä`), Buffer.alloc(0)]
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.string().map((text) => Buffer.from(text)),
      fc.tuple(fc.constantFrom('', long, `${long}ä`, `${long}ö${long}`), fc.string()).map((texts) => Buffer.from(texts.join(''))),
    )
    const request = fc.array(fc.oneof(fc.constantFrom(...shared), bytes), { maxLength: 4 })
    const token = fc.oneof(fc.constantFrom('the ', 'they', '"', 'Ö', '😀'), fc.string())
    const envelope = fc.constantFrom('{"id":"x","choices":[{"delta":{"content":@}}]}', '{"content":@,"at":1732}', '@')
    const event = fc
      .tuple(envelope, token, fc.constantFrom('\n\n', '\r\n\r\n', '\n'))
      .map(([around, text, line]) => Buffer.from(`data: ${around.replace('@', () => JSON.stringify(text))}${line}`))
    const stream = fc.array(fc.oneof({ weight: 9, arbitrary: event }, bytes), { maxLength: 30 }).map((events) => Buffer.concat(events))
    const response = fc.oneof(bytes, stream)
    const told = fc.record({ session: fc.constantFrom('a', 'b'), request, response, step: fc.constantFrom(1, 7, 100, 10_000) })
    fc.assert(
      fc.property(fc.array(told, { minLength: 1, maxLength: 8 }), (exchanges) => {
        const recorder = openRecorder()
        const text = exchanges
          .map(({ session: its, request: sent, response: received, step }) =>
            JSON.stringify(bodyOf(recorder, its as SessionId, exchangeOf(sent, received), step)),
          )
          .join('\n')
        const read = readRecording(text, 'f')
        for (const [place, { request: sent, response: received }] of exchanges.entries()) {
          assert.deepEqual(read[place]?.request, Buffer.concat(sent))
          assert.deepEqual(read[place]?.response, Buffer.from(received))
        }
      }),
    )
  })
})
