import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CallId, SessionId, TurnId } from '../base/index.ts'
import type { RecordView } from '../protocol/index.ts'
import { createFollower, type FollowEvent, type StreamFrame } from './follower.ts'

const session = 's' as SessionId
const turn = 't' as TurnId
const call = 'c' as CallId

const record = (seq: number, body: RecordView['body'] = {}, phase: RecordView['phase'] = 'outcome', of: CallId = call): StreamFrame => {
  const view: RecordView = { seq, at: 0, actor: 'agent:ox', session, turn, call: of, name: 'a.b', phase, body }
  return { type: 'record', payload: { cursor: seq, record: view } }
}
const delta = (offset: number, text: string, of: CallId = call): StreamFrame => ({
  type: 'delta',
  payload: { session, turn, call: of, offset, text },
})
const told = (frames: readonly StreamFrame[], cursor = 0): readonly FollowEvent[] => {
  const events: FollowEvent[] = []
  const follower = createFollower(session, cursor, (event) => events.push(event))
  frames.forEach((frame) => follower.receive(frame))
  return events
}

void test('a record is passed on only once', () => {
  const seqs = told([record(3), record(4), record(4), record(3), record(5)], 3).map((event) => event.type === 'record' && event.record.seq)
  assert.deepEqual(seqs, [4, 5])
})

void test('a journal that ends before the cursor was restored to an earlier state: all later records are new', () => {
  const payload = { request_id: '1', session, cursor: 3, turn: null, call: null, text: '', pending: [] }
  const seqs = told([{ type: 'snapshot', payload }, record(4), record(5)], 5).map((event) => event.type === 'record' && event.record.seq)
  assert.deepEqual(seqs, [false, 4, 5])
})

void test('text of an earlier record is not shown again', () => {
  const message = { role: 'assistant', parts: [{ type: 'text', text: 'Hi' }] }
  const events = told([record(1, { message }), record(1, { message })])
  assert.deepEqual(
    events.map(({ type }) => type),
    ['text', 'record'],
  )
})

void test("only an assistant's text is text: not reasoning, not tool results, not requests", () => {
  const said = {
    role: 'assistant',
    parts: [
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'Hi' },
    ],
  }
  const tool = { role: 'tool', parts: [{ type: 'tool_result', text: 'x' }] }
  const bodies = [
    { message: said },
    { message: tool },
    { message: null },
    { message: 'Hi' },
    { message: { role: 'assistant' } },
    null,
    'x',
    [],
  ]
  const texts = told(bodies.map((body, i) => record(i + 1, body))).flatMap((event) => (event.type === 'text' ? [event.text] : []))
  assert.deepEqual(texts, ['Hi'])
  assert.deepEqual(
    told([record(1, { message: said }, 'intent')]).map(({ type }) => type),
    ['record'],
  )
})

void test('a reply that arrives before the record of the previous one is shown once', () => {
  const next = 'd' as CallId
  const said = (...parts: readonly object[]) => ({ message: { role: 'assistant', parts } }) as RecordView['body']
  const text = (words: string) => ({ type: 'text', text: words })
  const shown = (frames: readonly StreamFrame[]) =>
    told(frames).flatMap((event) => ('text' in event ? [`${event.call} ${event.text}`] : []))
  const silent = [delta(0, 'It is', next), record(1, said({ type: 'tool_call' })), delta(5, ' noon.', next)]
  const after = record(2, said(text('It is noon.')), 'outcome', next)
  assert.deepEqual(shown([...silent, after]), ['d It is', 'd  noon.'])
  const spoken = [delta(0, 'Let me look'), delta(0, 'It is noon.', next), record(1, said(text('Let me look'))), after]
  assert.deepEqual(shown(spoken), ['c Let me look', 'd It is noon.'])
})

void test('after a reconnection between two attempts of an answer, identical text is shown once', () => {
  const snapshot: StreamFrame = {
    type: 'snapshot',
    payload: { request_id: '1', session, cursor: 0, turn: null, call: null, text: '', pending: [] },
  }
  const events = told([delta(0, 'Hel'), snapshot, delta(0, 'Help')])
  assert.deepEqual(
    events.map((event) => ('text' in event ? event.text : event.type)),
    ['Hel', 'caught_up', 'p'],
  )
})

void test('a reply that ended without a record does not merge with a later one', () => {
  const later = { type: 'delta', payload: { session, turn, call: 'later' as CallId, offset: 0, text: 'Help' } } as const
  assert.deepEqual(
    told([delta(0, 'Hel'), later]).map((event) => ('text' in event ? event.text : event.type)),
    ['Hel', 'Help'],
  )
})

void test('a restarted answer names the model and the reason, and only the new text counts', () => {
  const restarted: StreamFrame = { type: 'reply_restarted', payload: { session, turn, call, model: 'b/two', why: 'It was lost.' } }
  const message = { role: 'assistant', parts: [{ type: 'text', text: 'Help' }] }
  assert.deepEqual(told([delta(0, 'Hel'), restarted, delta(0, 'Help'), record(1, { message })]).slice(1, -1), [
    { type: 'restart', turn, call, text: '', cause: { model: 'b/two', why: 'It was lost.' } },
    { type: 'text', turn, call, text: 'Help' },
  ])
})

void test('a delta after a gap is not shown, and the follower reports the gap', () => {
  const follower = createFollower(session, 0, () => assert.fail('nothing to tell'))
  assert.equal(follower.receive(delta(3, 'lo')), false)
})

const restarted: StreamFrame = { type: 'reply_restarted', payload: { session, turn, call, model: 'x/y', why: 'it broke off' } }

void test('a restarted reply clears the screen, and its text follows from the beginning', () => {
  const message = { role: 'assistant', parts: [{ type: 'text', text: 'The whole' }] }
  const events = told([delta(0, 'Half'), restarted, delta(0, 'The '), delta(4, 'whole'), record(1, { message })])
  let screen = ''
  for (const event of events) {
    if (event.type === 'restart') screen = event.text
    if (event.type === 'text') screen += event.text
  }
  assert.equal(screen, 'The whole')
  assert.deepEqual(
    events.map(({ type }) => type),
    ['text', 'restart', 'text', 'text', 'record'],
  )
})

void test('a gap after a restart is a gap', () => {
  const follower = createFollower(session, 0, () => {})
  assert.deepEqual(
    [delta(0, 'Half'), restarted, delta(4, 'whole')].map((frame) => follower.receive(frame)),
    [true, true, false],
  )
})

void test('with any number of restarts and lost connections, the screen ends with exactly the answer', () => {
  const steps = fc.array(fc.oneof(fc.constantFrom('anew', 'lost', 'back'), fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 })))
  fc.assert(
    fc.property(steps, (all) => {
      let screen = ''
      const follower = createFollower(session, 0, (event) => {
        if (event.type === 'text') screen += event.text
        if (event.type === 'restart') screen = event.text
      })
      const give = (frame: StreamFrame): void => assert.ok(follower.receive(frame), 'nothing is lost while connected')
      const snapshot = (text: string | null): StreamFrame => {
        const running = text === null ? { turn: null, call: null, text: '' } : { turn, call, text }
        return { type: 'snapshot', payload: { request_id: '1', session, cursor: 0, pending: [], ...running } }
      }
      // As the kernel has it: between two tries nothing is said.
      let said: string | null = null
      let connected = true
      for (const step of all) {
        if (step === 'lost') connected = false
        else if (step === 'back') {
          if (!connected) give(snapshot(said))
          connected = true
        } else if (step === 'anew') {
          said = null
          if (connected) give({ type: 'reply_restarted', payload: { session, turn, call, model: 'm', why: 'w' } })
        } else {
          if (connected) give(delta(said?.length ?? 0, step))
          said = (said ?? '') + step
        }
      }
      give(record(1, { message: { role: 'assistant', parts: [{ type: 'text', text: said ?? '' }] } }))
      assert.equal(screen, said ?? '')
    }),
  )
})
