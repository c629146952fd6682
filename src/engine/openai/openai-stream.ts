/**
 * Reads the SSE stream of one chat completion. Pure: text in, events out, no socket and no clock. Text and reasoning come
 * out as they arrive, neighbours within a batch joined; tool calls only once the answer is known to be whole. An answer is
 * whole when the endpoint gave a finish reason or said [DONE]; a stream that just ends is an error, never an answer.
 */
import { createParser } from 'eventsource-parser'
import type { FinishReason, ModelEvent, ToolCallPart, Usage } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import { charsPerToken } from '../limits.ts'
import type { Problem } from '../model-problem.ts'
import { cleanEndpointText, messageOf, problem, problemOfStatus } from '../model-problem.ts'

export interface AnswerReader {
  /** Appends the events of the next piece of text. @returns false when the answer is over and nothing more need be read. */
  feed(text: string, into: ModelEvent[]): boolean
  /**
   * Ends the answer. @param cut what ended the connection, or null for its regular end.
   * @returns what went wrong, or null when the answer is whole.
   */
  problem(cut: Problem | null): Problem | null
  /** The last events of a whole answer: its tool calls, then `finish`. */
  finish(): ModelEvent[]
  /** As reported, else estimated. */
  usage(): Usage
}

export interface ReaderOptions {
  readonly limits: Pick<ModelLimits, 'maxEventChars' | 'maxAnswerChars' | 'maxToolCalls'>
  readonly origin: string
  readonly key: string
  /** Length of the request, for an estimate of usage. */
  readonly requestChars: number
}

/** A chunk as it may come from any service: nothing about it is trusted. */
interface LooseChunk {
  choices?: unknown
  usage?: unknown
  error?: unknown
}
interface LooseChoice {
  delta?: unknown
  finish_reason?: unknown
  index?: unknown
}

const garbledHint = 'The endpoint does not speak the chat-completions protocol: check the base URL.'

/** What is known of an answer so far. */
interface Answer {
  readonly options: ReaderOptions
  readonly tools: ToolCallAssembly
  /** Where events go: the caller's batch. */
  into: ModelEvent[]
  /** The first thing that went wrong. */
  wrong: Problem | null
  reason: FinishReason | null
  done: boolean
  chunks: number
  readChars: number
  outputChars: number
  reported: Usage | null
}

export function createAnswerReader(options: ReaderOptions): AnswerReader {
  const answer: Answer = {
    options,
    tools: createToolCallAssembly(options.limits.maxToolCalls),
    into: [],
    wrong: null,
    reason: null,
    done: false,
    chunks: 0,
    readChars: 0,
    outputChars: 0,
    reported: null,
  }
  const parser = createParser({
    onEvent: (event) => readEvent(answer, event.data),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') garbled(answer, 'sent an event that is too long')
    },
    maxBufferSize: options.limits.maxEventChars,
  })
  return {
    feed: (text, batch) => {
      answer.into = batch
      answer.readChars += text.length
      if (answer.readChars > options.limits.maxAnswerChars) garbled(answer, 'sent an answer without end')
      else parser.feed(text)
      return answer.wrong === null && !answer.done
    },
    problem: (cut) => problemAtEnd(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => usageOf(answer),
  }
}

function readEvent(answer: Answer, data: string): void {
  if (answer.wrong !== null || answer.done) return
  if (data === '[DONE]') {
    answer.done = true
    return
  }
  let chunk: LooseChunk | null
  try {
    chunk = JSON.parse(data) as LooseChunk | null
  } catch {
    return garbled(answer, 'sent an event that is not JSON')
  }
  if (typeof chunk !== 'object' || chunk === null) return garbled(answer, 'sent an event that is not an object')
  if (chunk.error !== undefined && chunk.error !== null) return fail(answer, streamError(chunk.error, answer.options))
  answer.chunks += 1
  const first: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined
  if (typeof first === 'object' && first !== null) readChoice(answer, first)
  if (typeof chunk.usage === 'object' && chunk.usage !== null) answer.reported = readUsage(chunk.usage) ?? answer.reported
}

function readChoice(answer: Answer, choice: LooseChoice): void {
  const { delta, finish_reason: ended } = choice
  if (typeof delta === 'object' && delta !== null) readDelta(answer, delta)
  if (typeof ended !== 'string' || ended === '') return
  if (ended === 'error') fail(answer, streamError(null, answer.options))
  else if (answer.reason !== 'refusal') answer.reason = finishReason(ended)
}

function readDelta(answer: Answer, delta: object): void {
  const { content, refusal, tool_calls: calls, reasoning_content: deep, reasoning } = delta as Record<string, unknown>
  const thought = deep ?? reasoning
  if (typeof thought === 'string' && thought !== '') say(answer, 'reasoning', thought)
  if (typeof content === 'string' && content !== '') say(answer, 'text', content)
  if (typeof refusal === 'string' && refusal !== '') {
    say(answer, 'text', refusal)
    answer.reason = 'refusal'
  }
  if (!Array.isArray(calls)) return
  for (const call of calls) if (!answer.tools.add(call)) garbled(answer, 'sent tool calls that cannot be read')
}

function say(answer: Answer, type: 'text' | 'reasoning', text: string): void {
  const { into } = answer
  answer.outputChars += text.length
  const last = into.at(-1)
  if (last !== undefined && last.type === type) into[into.length - 1] = { type, text: last.text + text }
  else into.push({ type, text })
}

function problemAtEnd(answer: Answer, cut: Problem | null): Problem | null {
  const { tools, reason } = answer
  if (answer.wrong !== null) return answer.wrong
  if (answer.done || reason !== null) {
    // Taken for an answer it would be an empty one, and nobody would know why.
    if (reason === 'tool_calls' && tools.chars() > 0 && tools.calls().length === 0) garbled(answer, 'asked for a tool without naming it')
    return answer.wrong
  }
  if (cut !== null) return cut
  if (answer.chunks > 0) return endedEarly(answer.options.origin)
  garbled(answer, answer.readChars === 0 ? 'sent an empty answer' : 'sent something that is not an event stream')
  return answer.wrong
}

function lastEvents(answer: Answer): ModelEvent[] {
  const calls = answer.tools.calls()
  const ended = answer.reason ?? 'stop'
  const plain = ended === 'stop' || ended === 'tool_calls'
  return [
    ...calls.map((call): ModelEvent => ({ type: 'tool_call', call })),
    { type: 'finish', reason: plain ? (calls.length > 0 ? 'tool_calls' : 'stop') : ended, usage: usageOf(answer) },
  ]
}

function usageOf({ reported, options, outputChars, tools }: Answer): Usage {
  if (reported !== null) return reported
  return {
    inputTokens: Math.ceil(options.requestChars / charsPerToken),
    outputTokens: Math.ceil((outputChars + tools.chars()) / charsPerToken),
    estimated: true,
  }
}

function fail(answer: Answer, found: Problem): void {
  answer.wrong ??= found
}

function garbled(answer: Answer, what: string): void {
  fail(answer, problem('model_garbled', `${answer.options.origin} ${what}.`, garbledHint))
}

function endedEarly(origin: string): Problem {
  return problem('model_unreachable', `${origin} ended the answer before it was complete.`, 'Send the message again.', true)
}

function finishReason(text: string): FinishReason {
  if (text === 'length' || text === 'max_tokens') return 'length'
  if (text === 'content_filter') return 'refusal'
  return text === 'tool_calls' || text === 'function_call' ? 'tool_calls' : 'stop'
}

function readUsage(value: object): Usage | null {
  const { prompt_tokens: input, completion_tokens: output } = value as Record<string, unknown>
  if (!isCount(input) || !isCount(output)) return null
  return { inputTokens: input, outputTokens: output, estimated: false }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** An error that came inside a stream which began with 200. A number in `code` or `status` is read as an HTTP status. */
function streamError(error: unknown, options: ReaderOptions): Problem {
  const { code, status } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const number = Number(status ?? code)
  const { origin, key } = options
  if (number >= 400 && number < 600) {
    return problemOfStatus({ status: number, body: JSON.stringify({ error }), key, origin, retryAfterMs: null, redirect: '' })
  }
  const said = cleanEndpointText(messageOf(error) ?? '', key)
  const message = `${origin} broke off its answer${said === '' ? '.' : `: ${said}`}`
  return problem('model_overloaded', message, 'The endpoint failed on its side: try again in a moment.', true)
}

interface Slot {
  id: string
  name: string
  pieces: string
}

/**
 * Puts tool calls together from deltas. Services differ: some number their calls, some leave the index out, some send no id,
 * some repeat the id with every piece, some send one id twice for two calls. Ids are kept as they came.
 */
interface ToolCallAssembly {
  /** @returns false when the delta cannot be read or there are too many calls. */
  add(delta: unknown): boolean
  /** Calls in the order in which they began; those without a name are left out. */
  calls(): ToolCallPart[]
  /** Characters so far, for an estimate of usage. */
  chars(): number
}

function createToolCallAssembly(maxCalls: number): ToolCallAssembly {
  const byIndex = new Map<number, Slot>()
  const slots: Slot[] = []
  let chars = 0

  const open = (): Slot | null => {
    if (slots.length >= maxCalls) return null
    const slot: Slot = { id: '', name: '', pieces: '' }
    slots.push(slot)
    return slot
  }
  const slotFor = (index: unknown, id: string, name: string): Slot | null => {
    if (typeof index === 'number') {
      const known = byIndex.get(index)
      // One index with a new id and a new name is another call: some services number every call 0.
      if (known !== undefined && (id === '' || id === known.id || name === '')) return known
      const made = open()
      if (made !== null) byIndex.set(index, made)
      return made
    }
    const last = slots.at(-1)
    if (last !== undefined && (name === '' || (id !== '' && id === last.id && last.pieces === ''))) return last
    return open()
  }

  return {
    add: (delta) => {
      if (typeof delta !== 'object' || delta === null) return false
      const { index, id, function: called } = delta as { index?: unknown; id?: unknown; function?: unknown }
      const { name, arguments: piece } = (typeof called === 'object' && called !== null ? called : {}) as Record<string, unknown>
      const idText = typeof id === 'string' ? id : ''
      const nameText = typeof name === 'string' ? name : ''
      const slot = slotFor(index, idText, nameText)
      if (slot === null) return false
      if (slot.id === '') slot.id = idText
      if (slot.name === '') slot.name = nameText
      // Some services give the arguments as an object instead of its text.
      const text = typeof piece === 'string' ? piece : piece === undefined || piece === null ? '' : JSON.stringify(piece)
      slot.pieces += text
      chars += text.length + nameText.length
      return true
    },
    calls: () =>
      slots
        .filter((slot) => slot.name !== '')
        .map((slot, place) => ({
          type: 'tool_call',
          id: slot.id === '' ? `call_${place}` : slot.id,
          name: slot.name,
          arguments: slot.pieces === '' ? '{}' : slot.pieces,
        })),
    chars: () => chars,
  }
}
