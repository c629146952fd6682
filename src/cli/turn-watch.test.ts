import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FollowEvent } from '../client/index.ts'
import type { RecordView } from '../types/index.ts'
import { inRecordOrder } from './turn-watch.ts'

const record = (call: string, name: string, phase: string): RecordView =>
  ({ seq: 1, at: 0, actor: '', session: 's', turn: 't', call, name, phase, body: null }) as unknown as RecordView
const recorded = (call: string, name: string, phase: string): FollowEvent => ({ type: 'record', record: record(call, name, phase) })
const text = (call: string, said: string): FollowEvent => ({ type: 'text', turn: 't', call, text: said }) as FollowEvent
const caughtUp = { type: 'caught_up', cursor: 1, turn: 't', pending: [] } as unknown as FollowEvent

/** What is handed on of the events, in its order. */
function order(past: readonly RecordView[], events: readonly FollowEvent[]): readonly string[] {
  const seen: string[] = []
  const take = inRecordOrder(past, (event) =>
    seen.push(event.type === 'text' ? event.text : event.type === 'record' ? `${event.record.call} ${event.record.phase}` : event.type),
  )
  events.forEach(take)
  return seen
}

void test('text that comes before the call which it answers to is told behind it, and then as it comes', () => {
  const call = [recorded('g.0', 'file.list', 'intent'), recorded('g.0', 'file.list', 'outcome')]
  const seen = order([], [text('h', 'It '), ...call, text('h', 'is '), recorded('h', 'model.generate', 'intent'), text('h', 'empty.')])
  assert.deepEqual(seen, ['g.0 intent', 'g.0 outcome', 'It ', 'is ', 'h intent', 'empty.'])
})

void test('text whose beginning was told is handed on at once, also when that was before the following began', () => {
  assert.deepEqual(order([record('g', 'model.generate', 'intent')], [text('g', 'a'), text('g', 'b')]), ['a', 'b'])
})

void test('what is being said when the past has been told does not wait', () => {
  assert.deepEqual(order([], [text('g', 'so far'), caughtUp, text('g', ' and on')]), ['so far', 'caught_up', ' and on'])
})

void test('nothing is held back beyond the end of its turn, and a message that was taken up ends none', () => {
  const over = recorded('t', 'turn.send', 'outcome')
  assert.deepEqual(order([], [text('g', 'last'), over]), ['last', 't outcome'])
  const merged = recorded('other', 'turn.send', 'outcome')
  assert.deepEqual(order([record('g', 'model.generate', 'intent')], [merged, text('g', 'more')]), ['other outcome', 'more'])
})
