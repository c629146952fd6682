import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordView } from '../protocol/index.ts'
import { inRecordOrder } from './record-order.ts'

type FollowEvent =
  | { readonly type: 'record'; readonly record: RecordView }
  | { readonly type: 'text'; readonly call: string; readonly text: string }
  | { readonly type: 'caught_up' | 'ended' }

const record = (call: string, name: string, phase: string): RecordView =>
  ({ seq: 1, at: 0, actor: '', session: 's', turn: 't', call, name, phase, body: null }) as unknown as RecordView
const recorded = (call: string, name: string, phase: string): FollowEvent => ({ type: 'record', record: record(call, name, phase) })
const text = (call: string, said: string): FollowEvent => ({ type: 'text', call, text: said })
const caughtUp = { type: 'caught_up', cursor: 1, turn: 't', pending: [] } as unknown as FollowEvent

/** What is handed on of the events, in its order. */
function order(past: readonly RecordView[], events: readonly FollowEvent[]): readonly string[] {
  const seen: string[] = []
  const take = inRecordOrder<FollowEvent>(past, (event) =>
    seen.push(event.type === 'text' ? event.text : event.type === 'record' ? `${event.record.call} ${event.record.phase}` : event.type),
  )
  events.forEach(take)
  return seen
}

void test('text that arrives before the call it follows is passed on after it, and later text at once', () => {
  const call = [recorded('g.0', 'file.list', 'intent'), recorded('g.0', 'file.list', 'outcome')]
  const seen = order([], [text('h', 'It '), ...call, text('h', 'is '), recorded('h', 'model.generate', 'intent'), text('h', 'empty.')])
  assert.deepEqual(seen, ['g.0 intent', 'g.0 outcome', 'It ', 'is ', 'h intent', 'empty.'])
})

void test('text whose beginning was passed on is passed on at once, also from before the subscription', () => {
  assert.deepEqual(order([record('g', 'model.generate', 'intent')], [text('g', 'a'), text('g', 'b')]), ['a', 'b'])
})

void test('text that is streaming after the past records does not wait', () => {
  assert.deepEqual(order([], [text('g', 'so far'), caughtUp, text('g', ' and on')]), ['so far', 'caught_up', ' and on'])
})

void test('nothing is held back beyond the end of its turn, and a merged message ends no turn', () => {
  const over = recorded('t', 'turn.send', 'outcome')
  assert.deepEqual(order([], [text('g', 'last'), over]), ['last', 't outcome'])
  const merged = recorded('other', 'turn.send', 'outcome')
  assert.deepEqual(order([record('g', 'model.generate', 'intent')], [merged, text('g', 'more')]), ['other outcome', 'more'])
})
