/**
 * Reads the event stream of one response. Pure: text in, events out. An answer is whole only when `response.completed` or
 * `response.incomplete` came; everything before may break off. Events that are not known are for features not asked for.
 */
import type { Json, JsonObject } from '../../base/index.ts'
import type { FinishReason, ModelEvent, ToolCallPart, Usage } from '../../protocol/index.ts'
import {
  type Answer,
  countOf,
  createAnswer,
  createFeed,
  fail,
  fieldsOf,
  garbled,
  isCount,
  listOf,
  problemAtEnd,
  reportedUsage,
  emitText,
  seal,
  streamError,
  textOf,
  usageOf,
} from '../answer.ts'
import { maxAnswerItems } from '../limits.ts'
import type { Problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'

export const responsesWireName = 'openai-responses'

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
      return items.delta(event, 'text')
    case 'response.refusal.delta':
      return items.delta(event, 'refusal')
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_text.delta':
      return items.delta(event, 'reasoning')
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
      return readEnd(answer, event['type'], fieldsOf(event['response']))
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
  answer.ended = cut ? cutReason(fieldsOf(response['incomplete_details'])['reason']) : 'stop'
  answer.done = true
}

/** Whatever the reason is called, the answer is not all that the model had to say. */
function cutReason(reason: unknown): FinishReason {
  return reason === 'content_filter' ? 'refusal' : 'length'
}

/** The protocol names its errors; a status says what to do about them. */
function breakOff(answer: ResponseAnswer, error: unknown): void {
  const { code, type, message } = fieldsOf(error)
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

interface OutputItems {
  /** Nothing of an item came yet. */
  none(): boolean
  begin(event: Event): void
  delta(event: Event, kind: 'text' | 'reasoning' | 'refusal'): void
  /** Another paragraph of a summary begins. */
  part(event: Event): void
  pieceOfCall(event: Event): void
  wholeCall(event: Event): void
  end(event: Event): void
  refused(): boolean
  /** @returns the calls, or null when one has no name. @param onlyDone leaves out those that were cut */
  calls(onlyDone: boolean): ToolCallPart[] | null
}

function createOutputItems(answer: Answer): OutputItems {
  const { items, itemOf: find } = createItemLookup()
  let begunCalls = 0

  const itemOf = (event: Event): Item | null => {
    const item = find(event)
    if (item === null) garbled(answer, 'sent more items than any answer has')
    return item
  }
  const callOf = (event: Event): ItemCall | null => {
    const item = itemOf(event)
    if (item === null) return null
    if (item.call === null) {
      begunCalls += 1
      if (begunCalls > answer.options.limits.maxToolCalls) {
        garbled(answer, 'sent tool calls that cannot be read')
        return null
      }
      item.call = { id: textOf(event['item_id']), callId: '', name: '', arguments: '' }
    }
    return item.call
  }
  return {
    none: () => items.length === 0,
    begin: (event) => {
      // Hidden reasoning may take minutes, and its beginning is all that is seen of it.
      answer.options.onProgress?.()
      if (fieldsOf(event['item'])['type'] === 'function_call') readCall(answer, callOf(event), event)
      else itemOf(event)
    },
    delta: (event, kind) => {
      const text = textOf(event['delta'])
      const item = text === '' ? null : itemOf(event)
      if (item === null) return
      item.streamed = true
      if (kind === 'refusal') item.refused = true
      emitText(answer, kind === 'reasoning' ? 'reasoning' : 'text', text)
    },
    part: (event) => {
      const item = itemOf(event)
      if (item?.streamed === true) emitText(answer, 'reasoning', '\n\n')
    },
    pieceOfCall: (event) => {
      const call = callOf(event)
      const piece = textOf(event['delta'])
      if (call === null) return
      call.arguments += piece
      answer.outputChars += piece.length
    },
    wholeCall: (event) => {
      const call = callOf(event)
      if (call === null) return
      call.name = textOf(event['name']) || call.name
      setArguments(answer, call, event['arguments'])
    },
    end: (event) => {
      const item = itemOf(event)
      if (item === null || item.done) return
      const raw = fieldsOf(event['item'])
      item.done = raw['status'] !== 'incomplete'
      if (raw['type'] === 'function_call') readCall(answer, callOf(event), event)
      else if (raw['type'] === 'message') endMessage(answer, item, raw)
      else if (raw['type'] === 'reasoning') endReasoning(answer, item, raw)
    },
    refused: () => items.some((item) => item.refused),
    calls: (onlyDone) => callsOf(answer, items, onlyDone),
  }
}

function readCall(answer: Answer, call: ItemCall | null, event: Event): void {
  const raw = fieldsOf(event['item'])
  if (call === null) return
  call.id = textOf(raw['id']) || call.id
  call.callId = textOf(raw['call_id']) || call.callId
  call.name = textOf(raw['name']) || call.name
  setArguments(answer, call, raw['arguments'])
}

/** The end of a call repeats its arguments; an object instead of its text is taken as some services send it. */
function setArguments(answer: Answer, call: ItemCall, value: unknown): void {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : textOf(value)
  if (text === '') return
  if (call.arguments === '') answer.outputChars += text.length
  call.arguments = text
}

function callsOf(answer: Answer, items: readonly Item[], onlyDone: boolean): ToolCallPart[] | null {
  const calls: ToolCallPart[] = []
  for (const { call, index, done } of items) {
    if (call === null || (onlyDone && !done)) continue
    if (call.name === '') return null
    const sealed = {
      wire: responsesWireName,
      model: answer.options.model,
      data: { ...placeOf(index), ...(call.id !== '' && { id: call.id }) },
    }
    const id = call.callId || call.id || `call_${calls.length}`
    calls.push({ type: 'tool_call', id, name: call.name, arguments: call.arguments === '' ? '{}' : call.arguments, sealed })
  }
  return calls
}

function endMessage(answer: Answer, item: Item, raw: Record<string, unknown>): void {
  for (const part of listOf(raw['content']).map(fieldsOf)) {
    const refusal = textOf(part['refusal'])
    if (refusal !== '') item.refused = true
    const text = textOf(part['text']) || refusal
    if (!item.streamed && text !== '') emitText(answer, 'text', text)
  }
  // A message that broke off or refused goes back as plain text: its id stands for something else.
  const id = item.done && !item.refused ? textOf(raw['id']) : ''
  const phase = textOf(raw['phase'])
  if (id === '' && phase === '') return
  sealItem(answer, 'text', { ...placeOf(item.index), ...(id !== '' && { id }), ...(phase !== '' && { phase }) })
}

function endReasoning(answer: Answer, item: Item, raw: Record<string, unknown>): void {
  const summary = textsOf(raw['summary'], 'summary_text')
  const content = textsOf(raw['content'], 'reasoning_text')
  const all = [...summary, ...content].map(({ text }) => text).join('\n\n')
  if (!item.streamed && all !== '') emitText(answer, 'reasoning', all)
  const encrypted = textOf(raw['encrypted_content'])
  // Nothing is stored at the service: an item that holds only an id could not be found there.
  if (encrypted === '' && content.length === 0) return
  const id = textOf(raw['id'])
  const back: Record<string, Json> = { type: 'reasoning', ...(id !== '' && { id }), summary }
  if (content.length > 0) back['content'] = content
  if (encrypted !== '') back['encrypted_content'] = encrypted
  sealItem(answer, 'reasoning', { ...placeOf(item.index), item: back })
}

function placeOf(index: number | null): { at?: number } {
  return index === null ? {} : { at: index }
}

function textsOf(value: unknown, type: string): { type: string; text: string }[] {
  return listOf(value)
    .map((part) => textOf(fieldsOf(part)['text']))
    .filter((text) => text !== '')
    .map((text) => ({ type, text }))
}

function sealItem(answer: Answer, type: 'text' | 'reasoning', data: JsonObject): void {
  seal(answer, type, { wire: responsesWireName, model: answer.options.model, data })
}

/** An untrusted event of a stream. */
type Event = Readonly<Record<string, unknown>>

interface ItemCall {
  id: string
  callId: string
  name: string
  arguments: string
}

interface Item {
  /** Place in the output, where it was said. */
  index: number | null
  call: ItemCall | null
  /** Its text or reasoning was already emitted; its end only repeats it. */
  streamed: boolean
  refused: boolean
  done: boolean
}

interface ItemLookup {
  /** In order of appearance. */
  readonly items: readonly Item[]
  /** @returns the item of the event, begun when it is new, or null when there are more than any answer has. */
  itemOf(event: Event): Item | null
}

function createItemLookup(): ItemLookup {
  const items: Item[] = []
  const byIndex = new Map<number, Item>()
  const byId = new Map<string, Item>()

  /** An item is known by its place, and by its id only without one: some services make a new id for each event. */
  const known = (index: number | null, id: string): Item | undefined => {
    if (index === null) return byId.get(id)
    const placed = byIndex.get(index)
    if (placed !== undefined) return placed
    const unplaced = byId.get(id)
    if (unplaced?.index !== null) return undefined
    unplaced.index = index
    byIndex.set(index, unplaced)
    return unplaced
  }

  return {
    items,
    itemOf: ({ output_index, item_id, item: raw }) => {
      const index = isCount(output_index) ? output_index : null
      const id = textOf(item_id) || textOf(fieldsOf(raw)['id'])
      const before = known(index, id)
      if (before !== undefined) return before
      if (items.length >= maxAnswerItems) return null
      const made: Item = { index, call: null, streamed: false, refused: false, done: false }
      items.push(made)
      if (index !== null) byIndex.set(index, made)
      byId.set(id, made)
      return made
    },
  }
}

/** Usage of a response. @returns null for what cannot be read. */
export function readResponseUsage(value: unknown): Usage | null {
  const usage = fieldsOf(value)
  const { input_tokens: input, output_tokens: output } = usage
  if (!isCount(input) || !isCount(output)) return null
  const details = fieldsOf(usage['input_tokens_details'])
  return reportedUsage(input, output, {
    read: countOf(details['cached_tokens']),
    write: countOf(details['cache_write_tokens']),
    reasoning: countOf(fieldsOf(usage['output_tokens_details'])['reasoning_tokens']),
  })
}
