import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { CallId, Json, SessionId, TurnId } from '../base/index.ts'
import type { RecordView } from '../protocol/index.ts'
import { ackText, createEventTexts, readFrame } from './frames.ts'

const session = '01890a5d-ac96-774b-bcce-b302099a8057'
const read = (frame: unknown) => readFrame(Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame)), false)
const failureOf = (frame: unknown) => {
  const result = read(frame)
  assert.ok(!result.ok)
  assert.equal(result.failure.code, 'bad_input')
  return { ...result.failure, requestId: result.requestId }
}

void describe('a client frame', () => {
  void test('that is valid is parsed with its defaults', () => {
    assert.deepEqual(read({ type: 'list_sessions', payload: { request_id: '1' } }), {
      ok: true,
      frame: { type: 'list_sessions', payload: { request_id: '1', limit: 50 } },
    })
  })

  void test('that is not JSON, not an object or has no type is answered with the shape of a frame', () => {
    for (const frame of ['', '{', 'hello', '\0', '42', 'null', '[]', '"x"', '{}'])
      assert.match(failureOf(frame).hint, /"request_id"/, frame)
  })

  void test('of an unknown type is answered with the known types, under its request id', () => {
    const failure = failureOf({ type: 'sned_turn', payload: { request_id: 'r7' } })
    assert.match(failure.message, /"sned_turn"/)
    assert.match(failure.hint, /hello, .*send_turn/)
    assert.equal(failure.requestId, 'r7')
  })

  void test('with wrong fields is answered with each field and what was expected, under its request id', () => {
    const failure = failureOf({ type: 'send_turn', payload: { request_id: 'r8', session: 'x', client_id: session, text: '' } })
    assert.match(failure.hint, /payload\.session: must be a lower-case UUID/)
    assert.match(failure.hint, /payload\.text: /)
    assert.doesNotMatch(failure.hint, /client_id/)
    assert.equal(failure.requestId, 'r8')
  })

  void test('with files has kind and content of each, and names the field of an invalid one', () => {
    const send = (attachments: unknown) => ({
      type: 'send_turn',
      payload: { request_id: 'r9', session, client_id: session, text: 'look', attachments },
    })
    const files = [
      { name: 'a', media_type: '', data: 'aGk=' },
      { name: 'b', media_type: 'text/csv', pieces: ['0'.repeat(64)] },
    ]
    const right = read(send(files))
    assert.deepEqual(right.ok && right.frame.type === 'send_turn' && right.frame.payload.attachments, files)
    for (const [wrong, field] of [
      [[{ name: 'a', media_type: '', pieces: ['../../etc/passwd'] }], /attachments\.0\.pieces\.0: must be a hash/],
      [[{ media_type: '' }], /attachments\.0\.name/],
      [Array.from({ length: 11 }, () => files[0]), /payload\.attachments/],
      ['a', /payload\.attachments/],
    ] as const) {
      assert.match(failureOf(send(wrong)).hint, field)
    }
  })

  void test('without a valid request id is answered with that error', () => {
    for (const request_id of [undefined, '', 7, 'x'.repeat(65)]) {
      const failure = failureOf({ type: 'status', payload: { request_id } })
      assert.match(failure.hint, /payload\.request_id/)
      assert.equal(failure.requestId, null)
    }
  })

  void test('that is binary is refused', () => {
    const result = readFrame(Buffer.from([1, 2, 3]), true)
    assert.ok(!result.ok && /text frames/.test(result.failure.hint))
  })

  void test('that is nested too deep is refused before anything recurses over it', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const failure = failureOf(`{"type":"call","payload":{"request_id":"1","name":"a.b","input":${deep}}}`)
    assert.match(failure.message, /nests deeper/)
    assert.ok(read(`{"type":"status","payload":{"request_id":"1","unknown":${deep}}}`).ok, 'what no schema asks for is dropped unread')
  })

  void test('of any content is parsed or refused without throwing', () => {
    const frames = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc
        .record({ type: fc.constantFrom('hello', 'call', 'approve', 'subscribe', 'send_turn'), payload: fc.jsonValue() })
        .map((frame) => JSON.stringify(frame)),
    )
    fc.assert(fc.property(frames, (frame) => void read(frame)))
    fc.assert(fc.property(fc.uint8Array(), fc.boolean(), (bytes, isBinary) => void readFrame(Buffer.from(bytes), isBinary)))
  })
})

const text = fc.string({ unit: 'binary' })
const id = fc.uuid()

void test('frames assembled from strings equal what JSON.stringify writes, lone surrogates too', () => {
  fc.assert(
    fc.property(id, id, text, fc.nat(), text, (inSession, turn, call, offset, piece) => {
      const payload = { session: inSession as SessionId, turn: turn as TurnId, call: call as CallId, offset, text: piece }
      assert.equal(
        createEventTexts()
          .of({ type: 'delta', ...payload })
          .toString(),
        JSON.stringify({ type: 'delta', payload }),
      )
    }),
  )
  fc.assert(
    fc.property(text, id, fc.nat(), fc.boolean(), (request_id, turn, cursor, duplicate) => {
      const payload = { request_id, turn, cursor, duplicate }
      assert.equal(ackText(request_id, payload), JSON.stringify({ type: 'ack', payload }))
    }),
  )
  fc.assert(
    fc.property(fc.nat(), fc.jsonValue(), text, (seq, body, name) => {
      const record = {
        seq,
        at: 1,
        actor: 'kernel',
        session: '',
        turn: '',
        call: 'c' as CallId,
        name,
        phase: 'outcome',
        body: body as Json,
      } as RecordView
      assert.equal(
        createEventTexts().of({ type: 'record', record }).toString(),
        JSON.stringify({ type: 'record', payload: { cursor: seq, record } }),
      )
    }),
  )
})

void test('an event is serialized once for all followers', () => {
  const texts = createEventTexts()
  const event = {
    type: 'progress',
    session: 's' as SessionId,
    turn: 't' as TurnId,
    call: 'c' as CallId,
    name: 'shell.exec',
    elapsed_ms: 5_000,
  } as const
  assert.equal(texts.of(event), texts.of(event))
  assert.notEqual(texts.of(event), texts.of({ ...event }))
})
