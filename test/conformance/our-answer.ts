/** Events of a generation as a neutral answer, and the order that every generation keeps. */
import assert from 'node:assert/strict'
import type { ModelEvent } from '../../src/protocol/index.ts'
import type { BrokenAnswer, Expected, NeutralCall } from './streams/answers.ts'

interface Read {
  readonly answer: Expected
  /** Usage was not reported to its end. */
  readonly estimated: boolean
}

/** @throws AssertionError when the events are no generation: one last event, calls directly before it, none in a failed one. */
export function readEvents(events: readonly ModelEvent[]): Read {
  const last = events.at(-1)
  assert.ok(last?.type === 'finish' || last?.type === 'error', 'the last event ends the generation')
  let text = ''
  let reasoning = ''
  const calls: NeutralCall[] = []
  for (const event of events.slice(0, -1)) {
    assert.ok(event.type !== 'finish' && event.type !== 'error' && event.type !== 'restarted', `${event.type} inside the answer`)
    if (event.type === 'tool_call') calls.push({ id: event.call.id, name: event.call.name, arguments: event.call.arguments })
    else assert.equal(calls.length, 0, 'a call before the end')
    if (event.type === 'text') text += event.text
    if (event.type === 'reasoning') reasoning += event.text
  }
  const { estimated, ...usage } = last.usage
  if (last.type === 'finish') return { answer: { text, reasoning, calls, finish: last.reason, usage }, estimated }
  assert.equal(calls.length, 0, 'a failed answer asks for nothing')
  const broken: BrokenAnswer = { text, failure: last.failure.code }
  return { answer: broken, estimated }
}
