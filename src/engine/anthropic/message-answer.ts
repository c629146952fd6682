/**
 * Reads the SSE stream of one message. Pure: text in, events out. An answer is whole when the service gave a stop reason or
 * said that the message stops; a stream that just ends is an error, never an answer.
 *
 * Thinking ends with the seal that must be given back with it: its signature, or the encrypted data that stands in its place.
 */
import { parseObject } from '../../base/index.ts'
import type { FinishReason, ModelEvent, Sealed, ToolCallPart, Usage } from '../../protocol/index.ts'
import {
  type Answer,
  credibleUsage,
  guessedUsage,
  createAnswer,
  createFeed,
  fail,
  fieldsOf,
  garbled,
  isCount,
  problemAtEnd,
  emitText,
  seal,
  streamError,
  textOf,
} from '../answer.ts'
import { type Problem, problemOfStatus } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'

interface ToolBlock {
  readonly type: 'tool'
  readonly id: string
  readonly name: string
  /** Thinking blocks before it. */
  readonly after: number
  pieces: string
}

interface ThinkingBlock {
  readonly type: 'thinking'
  signature: string
  hasText: boolean
}

interface MessageAnswer extends Answer {
  began: boolean
  /** Thinking blocks that were sealed. */
  thoughts: number
  reason: FinishReason | null
  readonly counts: UsageCounts
  /** Blocks that may get more, by the index that the service gave them, whatever it is. */
  readonly open: Map<unknown, ToolBlock | ThinkingBlock>
  /** In the order in which they began. */
  readonly calls: ToolBlock[]
}

type Fields = Readonly<Record<string, unknown>>

/** Reads the event stream of one message. Pure: text in, events out. */
export function createMessageReader(options: ReaderOptions): AnswerReader {
  const counts: UsageCounts = { input: null, cacheRead: 0, cacheWrite: 0, output: null, reasoning: 0, final: false }
  const answer: MessageAnswer = { ...createAnswer(options), began: false, thoughts: 0, reason: null, counts, open: new Map(), calls: [] }
  return {
    feed: createFeed(answer, (event) => readEvent(answer, event)),
    problem: (cut) => problemOf(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => messageUsage(answer, counts),
  }
}

/** Kinds that are not named here are signs of life (`ping`) or of features that were not asked for. */
function readEvent(answer: MessageAnswer, event: Fields): void {
  switch (event['type']) {
    case 'content_block_delta':
      return readDelta(answer, event['index'], fieldsOf(event['delta']))
    case 'content_block_start':
      return startBlock(answer, event['index'], fieldsOf(event['content_block']))
    case 'content_block_stop':
      return stopBlock(answer, event['index'])
    case 'message_start':
      // Two answers in one stream would be mixed: a proxy that began anew.
      if (answer.began) return garbled(answer, 'began a second answer within the first')
      answer.began = true
      return countUsage(answer.counts, fieldsOf(fieldsOf(event['message'])['usage']), false)
    case 'message_delta':
      readEnd(answer, fieldsOf(event['delta']))
      return countUsage(answer.counts, fieldsOf(event['usage']), true)
    case 'message_stop':
      answer.done = true
      return sealThinking(answer)
    default:
      // Services in between send an error without the type that would name it.
      if (event['type'] === 'error' || (event['error'] !== undefined && event['error'] !== null))
        fail(answer, eventProblem(event['error'], answer.options))
  }
}

function readDelta(answer: MessageAnswer, index: unknown, delta: Fields): void {
  switch (delta['type']) {
    case 'text_delta':
      return addText(answer, delta['text'])
    case 'thinking_delta':
      return think(answer, index, delta['thinking'])
    case 'input_json_delta': {
      const block = answer.open.get(index)
      if (block?.type !== 'tool') return
      const piece = textOf(delta['partial_json'])
      block.pieces += piece
      answer.outputChars += piece.length
      return
    }
    case 'signature_delta': {
      const block = answer.open.get(index)
      if (block?.type === 'thinking') block.signature = textOf(delta['signature'])
      return
    }
    default:
  }
}

/** A block may begin with what others send as its first delta. */
function startBlock(answer: MessageAnswer, index: unknown, block: Fields): void {
  answer.began = true
  sealThinking(answer)
  answer.open.delete(index)
  switch (block['type']) {
    case 'text':
      return addText(answer, block['text'])
    case 'thinking':
      answer.open.set(index, { type: 'thinking', signature: textOf(block['signature']), hasText: false })
      return think(answer, index, block['thinking'])
    case 'redacted_thinking':
      if (textOf(block['data']) !== '') sealThought(answer, { redacted: textOf(block['data']) })
      return
    case 'tool_use':
      return startCall(answer, index, block)
    default:
  }
}

function startCall(answer: MessageAnswer, index: unknown, block: Fields): void {
  const { calls, open, options } = answer
  if (calls.length >= options.limits.maxToolCalls) return garbled(answer, 'sent tool calls that cannot be read')
  const pieces = wholeInput(block['input'])
  if (pieces === null) return garbled(answer, 'sent tool calls that cannot be read')
  const call: ToolBlock = { type: 'tool', id: textOf(block['id']), name: textOf(block['name']), after: answer.thoughts, pieces }
  answer.outputChars += call.name.length + call.pieces.length
  calls.push(call)
  open.set(index, call)
}

/** Services that do not stream arguments send them with the start; the others send an empty object there. */
function wholeInput(input: unknown): string | null {
  if (Object.keys(fieldsOf(input)).length === 0) return ''
  try {
    return JSON.stringify(input)
  } catch {
    // Nested deeper than can be written again.
    return null
  }
}

function stopBlock(answer: MessageAnswer, index: unknown): void {
  if (answer.open.get(index)?.type === 'thinking') sealThinking(answer)
  answer.open.delete(index)
}

function addText(answer: MessageAnswer, text: unknown): void {
  if (typeof text === 'string' && text !== '') emitText(answer, 'text', text)
}

function think(answer: MessageAnswer, index: unknown, text: unknown): void {
  if (typeof text !== 'string' || text === '') return
  const block = answer.open.get(index)
  if (block?.type === 'thinking') block.hasText = true
  emitText(answer, 'reasoning', text)
}

/** Blocks come one after the other: at most one thinks, and it ends where the next begins. */
function sealThinking(answer: MessageAnswer): void {
  for (const [index, block] of answer.open) {
    if (block.type !== 'thinking') continue
    answer.open.delete(index)
    const { signature, hasText } = block
    if (hasText || signature !== '') sealThought(answer, { signature })
  }
}

function sealThought(answer: MessageAnswer, data: Sealed['data']): void {
  answer.thoughts += 1
  seal(answer, 'reasoning', sealed(answer, data))
}

function sealed({ options }: MessageAnswer, data: Sealed['data']): Sealed {
  return { wire: 'anthropic', model: options.model, data }
}

function readEnd(answer: MessageAnswer, delta: Fields): void {
  const reason = delta['stop_reason']
  if (typeof reason !== 'string') return
  answer.reason = finishReason(reason)
  // A refusal may come without a word of the model; the service's own words are better than silence.
  if (answer.reason === 'refusal' && answer.outputChars === 0) addText(answer, fieldsOf(delta['stop_details'])['explanation'])
}

/** `pause_turn` is an answer that its service did not finish either. */
function finishReason(reason: string): FinishReason {
  if (reason === 'max_tokens' || reason === 'model_context_window_exceeded' || reason === 'pause_turn') return 'length'
  if (reason === 'refusal') return 'refusal'
  return reason === 'tool_use' ? 'tool_calls' : 'stop'
}

function problemOf(answer: MessageAnswer, cut: Problem | null): Problem | null {
  const { calls, reason, done, began } = answer
  // Taken for an answer it would be an empty one, and nobody would know why.
  if (reason === 'tool_calls' && calls.length > 0 && calls.every(({ name }) => name === '')) {
    garbled(answer, 'asked for a tool without naming it')
  }
  return problemAtEnd(answer, cut, reason !== null || (done && began))
}

function lastEvents(answer: MessageAnswer): ModelEvent[] {
  const events: ModelEvent[] = []
  answer.into = events
  sealThinking(answer)
  const calls = wholeCalls(answer)
  for (const [place, { id, name, after, pieces }] of calls.entries()) {
    const call: ToolCallPart = {
      type: 'tool_call',
      id: id === '' ? `call_${place}` : id,
      name,
      arguments: pieces === '' ? '{}' : pieces,
      // Calls are told last: that there was more thinking after one is part of what must be given back.
      ...(after < answer.thoughts ? { sealed: sealed(answer, { after }) } : {}),
    }
    events.push({ type: 'tool_call', call })
  }
  const ended = answer.reason ?? 'stop'
  const plain = ended === 'stop' || ended === 'tool_calls'
  const reason = plain ? (calls.length > 0 ? 'tool_calls' : 'stop') : ended
  events.push({ type: 'finish', reason, usage: messageUsage(answer, answer.counts) })
  return events
}

/** An answer cut short by its limit may end inside a call; a refused answer's calls do not count. */
function wholeCalls({ calls, reason }: MessageAnswer): ToolBlock[] {
  if (reason === 'refusal') return []
  return calls.filter(({ name, pieces }) => name !== '' && (reason !== 'length' || parseObject(pieces) !== null))
}

/** Usage of this wire: three separate kinds of input, each reported as a running total. */
interface UsageCounts {
  /** Neither read from a cache nor written to one. */
  input: number | null
  cacheRead: number
  cacheWrite: number
  output: number | null
  reasoning: number
  /** The count of the output came at its end; the one at the start counts nearly nothing of it. */
  final: boolean
}

/** Takes what is there; a count that is missing, null or no count stays as it was. */
function countUsage(counts: UsageCounts, usage: Readonly<Record<string, unknown>>, atEnd: boolean): void {
  const { input_tokens: input, output_tokens: output, output_tokens_details: details } = usage
  const { cache_read_input_tokens: read, cache_creation_input_tokens: write } = usage
  if (isCount(input)) counts.input = input
  if (isCount(read)) counts.cacheRead = read
  if (isCount(write)) counts.cacheWrite = write
  if (typeof details === 'object' && details !== null && 'thinking_tokens' in details && isCount(details.thinking_tokens)) {
    counts.reasoning = details.thinking_tokens
  }
  if (!isCount(output)) return
  counts.output = output
  counts.final ||= atEnd
}

/** As reported; what is missing, of an answer that broke off the output, is estimated from lengths. */
function messageUsage(answer: Answer, counts: UsageCounts): Usage {
  const { input, cacheRead, cacheWrite, output, final } = counts
  const total = (input ?? 0) + cacheRead + cacheWrite
  const isReported = input !== null && isCount(total)
  const guess = guessedUsage(answer)
  const outputTokens = final && output !== null ? output : Math.max(output ?? 0, guess.outputTokens)
  const reasoning = Math.min(counts.reasoning, outputTokens)
  const usage = {
    inputTokens: isReported ? total : guess.inputTokens,
    outputTokens,
    ...(isReported && cacheRead > 0 ? { cacheReadTokens: cacheRead } : {}),
    ...(isReported && cacheWrite > 0 ? { cacheWriteTokens: cacheWrite } : {}),
    ...(reasoning > 0 ? { reasoningTokens: reasoning } : {}),
    estimated: !isReported || !final,
  }
  return credibleUsage(usage, guess)
}

/** An error inside a stream names its kind instead of a status. */
const statusOf: ReadonlyMap<unknown, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

/** @param error hostile: only texts and numbers are taken from it. An unknown kind counts as the service's own failure. */
function eventProblem(error: unknown, options: ReaderOptions): Problem {
  const { type, message, code } = (typeof error === 'object' && error !== null ? error : { message: error }) as Record<string, unknown>
  const text = typeof message === 'string' ? message : ''
  const status = statusOf.get(type)
  if (status === undefined) return streamError({ message: text, code: typeof code === 'number' ? code : null }, options)
  const { key, origin } = options
  return problemOfStatus({ status, body: JSON.stringify({ message: text }), key, origin, retryAfterMs: null, redirect: '' })
}
