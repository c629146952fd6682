/**
 * Reads the event stream of one response. Pure: text in, events out. An answer is whole only when `response.completed` or
 * `response.incomplete` came; everything before may break off. Events that are not known are for features not asked for.
 */
import type { FinishReason, ModelEvent } from '../../types/index.ts'
import { type Answer, createAnswer, createFeed, fail, garbled, problemAtEnd, streamError, usageOf } from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import { listOf, recordOf, textOf } from '../openai/endpoint-json.ts'
import { readResponseUsage } from '../openai/reported-usage.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'
import type { Event } from './item-lookup.ts'
import { createOutputItems, type OutputItems } from './output-items.ts'

interface ResponseAnswer extends Answer {
  readonly items: OutputItems
  /** How the response ended; null while it runs. `stop` is refined by what the answer holds. */
  ended: FinishReason | null
}

export function createResponseReader(options: ReaderOptions): AnswerReader {
  const begun = createAnswer(options)
  const answer: ResponseAnswer = Object.assign(begun, { items: createOutputItems(begun), ended: null })
  return {
    feed: createFeed(answer, (event) => readEvent(answer, event), '[DONE]'),
    problem: (cut) => problemOf(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => usageOf(answer),
  }
}

function readEvent(answer: ResponseAnswer, event: Event): void {
  const { items } = answer
  switch (event['type']) {
    case 'response.output_text.delta':
      return items.say(event, 'text')
    case 'response.refusal.delta':
      return items.say(event, 'refusal')
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_text.delta':
      return items.say(event, 'reasoning')
    case 'response.reasoning_summary_part.added':
      return items.part(event)
    case 'response.function_call_arguments.delta':
      return items.pieceOfCall(event)
    case 'response.function_call_arguments.done':
      return items.wholeCall(event)
    case 'response.output_item.added':
      return items.begin(event)
    case 'response.output_item.done':
      return items.end(event)
    case 'response.completed':
    case 'response.incomplete':
    case 'response.failed':
    case 'response.cancelled':
      return readEnd(answer, event['type'], recordOf(event['response']))
    case 'error':
      return breakOff(answer, event['error'] ?? event)
    default:
      // Gateways put the bare envelope of an error into the stream.
      if (event['type'] === undefined && typeof event['error'] === 'object' && event['error'] !== null) breakOff(answer, event['error'])
  }
}

function readEnd(answer: ResponseAnswer, type: string, response: Record<string, unknown>): void {
  answer.reported = readResponseUsage(response['usage']) ?? answer.reported
  const status = textOf(response['status'])
  const failed = type === 'response.failed' || type === 'response.cancelled' || status === 'failed' || status === 'cancelled'
  if (failed)
    return breakOff(
      answer,
      response['error'] ?? { message: `the response was ${type === 'response.cancelled' ? 'cancelled' : 'not completed'}` },
    )
  // Some services send everything at the end and nothing before.
  if (answer.items.none()) listOf(response['output']).forEach((item, index) => answer.items.end({ output_index: index, item }))
  const cut = type === 'response.incomplete' || status === 'incomplete'
  answer.ended = cut ? cutReason(recordOf(response['incomplete_details'])['reason']) : 'stop'
  answer.done = true
}

/** Whatever the reason is called, the answer is not all that the model had to say. */
function cutReason(reason: unknown): FinishReason {
  return reason === 'content_filter' ? 'refusal' : 'length'
}

/** The protocol names its errors; a status says what to do about them. */
function breakOff(answer: ResponseAnswer, error: unknown): void {
  const { code, type, message } = recordOf(error)
  const name = textOf(code) || textOf(type)
  const number = typeof code === 'number' ? code : statusOf(name)
  fail(answer, streamError({ code: name, message: textOf(message) || textOf(error), status: number }, answer.options))
}

function statusOf(name: string): number | undefined {
  if (/rate_limit|quota/.test(name)) return 429
  if (/auth|api_key|permission/.test(name)) return 401
  if (/overloaded|server_error|timeout/.test(name)) return 503
  if (/invalid|image|policy|context_length|unsupported|too_large|not_found/.test(name)) return 400
  return undefined
}

function problemOf(answer: ResponseAnswer, cut: Problem | null): Problem | null {
  const whole = answer.ended !== null
  if (whole && answer.items.calls(answer.ended !== 'stop') === null) garbled(answer, 'asked for a tool without naming it')
  return problemAtEnd(answer, cut, whole)
}

function lastEvents(answer: ResponseAnswer): ModelEvent[] {
  const ended = answer.ended ?? 'stop'
  const calls = answer.items.calls(ended !== 'stop') ?? []
  const plain = calls.length > 0 ? 'tool_calls' : 'stop'
  const reason = ended === 'stop' ? (answer.items.refused() ? 'refusal' : plain) : ended
  return [...calls.map((call): ModelEvent => ({ type: 'tool_call', call })), { type: 'finish', reason, usage: usageOf(answer) }]
}
