import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CallId, Json, RecordView, SessionId, TurnId } from '../types/index.ts'
import { ackText, createEventTexts } from './frame-text.ts'

const text = fc.string({ unit: 'binary' })
const id = fc.uuid()

void test('frames put together by hand are what JSON.stringify makes of them, lone surrogates too', () => {
  fc.assert(
    fc.property(id, id, text, fc.nat(), text, (session, turn, call, offset, said) => {
      const payload = { session: session as SessionId, turn: turn as TurnId, call: call as CallId, offset, text: said }
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

void test('an event is serialised once for all who follow it', () => {
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
