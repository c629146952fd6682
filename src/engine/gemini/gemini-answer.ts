/**
 * Reads the SSE stream of one generateContent answer. Pure: text in, events out. An answer is whole when the endpoint gave a
 * finish reason, or said that it blocked the request; a stream that just ends is an error, never an answer. There is no end
 * mark: chunks with usage alone may follow, so the stream is read to its end.
 */
import type { BlockedReason, FinishReason as GeminiReason, GenerateContentResponseUsageMetadata } from '@google/genai'
import type { FinishReason, ModelEvent, ToolCallPart, Usage } from '../../protocol/index.ts'
import {
  type Answer,
  credibleUsage,
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
  usageOf,
} from '../answer.ts'
import { cleanEndpointText, type Problem, problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'
import { sealPart } from './gemini-parts.ts'

/** What is known of an answer so far. */
interface GeminiAnswer extends Answer {
  readonly calls: ToolCallPart[]
  readonly counts: TokenCounts
  ending: Ending | null
  /** The endpoint's own word for the ending, and what it said of it. */
  reason: string
  note: string
  /** The request was blocked: `reason` and `note` say why. */
  blocked: boolean
  /** Text came that a person can read. */
  hasText: boolean
}

type Fields = Record<string, unknown>

export function createGeminiReader(options: ReaderOptions): AnswerReader {
  const answer: GeminiAnswer = {
    ...createAnswer(options),
    calls: [],
    counts: noCounts(),
    ending: null,
    reason: '',
    note: '',
    blocked: false,
    hasText: false,
  }
  return {
    feed: createFeed(answer, (chunk) => readChunk(answer, chunk)),
    problem: (cut) => problemOf(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => geminiUsage(answer, answer.counts),
  }
}

/** A chunk as it may come from any service: nothing about it is trusted. */
function readChunk(answer: GeminiAnswer, chunk: Fields): void {
  if (chunk['error'] !== undefined && chunk['error'] !== null) return fail(answer, errorIn(chunk['error'], answer.options))
  const { candidates, promptFeedback, usageMetadata } = chunk
  // One candidate is asked for; others would be other answers.
  if (Array.isArray(candidates)) readCandidate(answer, fieldsOf(candidates[0]))
  const { blockReason, blockReasonMessage } = fieldsOf(promptFeedback)
  if (isBlock(blockReason)) {
    answer.blocked = true
    answer.reason = blockReason
    answer.note = textOf(blockReasonMessage)
  }
  takeCounts(answer.counts, fieldsOf(usageMetadata))
}

function readCandidate(answer: GeminiAnswer, { content, finishReason, finishMessage }: Fields): void {
  const { parts } = fieldsOf(content)
  if (Array.isArray(parts) && parts.length > 0) {
    // Some services put a reason into every chunk: it holds only until more comes.
    answer.ending = null
    for (const part of parts) readPart(answer, fieldsOf(part))
  }
  const ending = endingOf(textOf(finishReason))
  if (ending === null) return
  answer.ending = ending
  answer.reason = textOf(finishReason)
  answer.note = textOf(finishMessage)
}

function readPart(answer: GeminiAnswer, part: Fields): void {
  if (answer.wrong !== null) return
  const signature = textOf(part['thoughtSignature'])
  if (part['functionCall'] !== undefined) return readCall(answer, fieldsOf(part['functionCall']), signature)
  if (part['inlineData'] !== undefined && part['thought'] !== true)
    return emitText(answer, 'text', '[media left out: only text is kept of an answer]')
  const type = part['thought'] === true ? 'reasoning' : 'text'
  const text = textOf(part['text'])
  if (text !== '') {
    emitText(answer, type, text)
    if (type === 'text') answer.hasText = true
  }
  const sealed = sealPart(answer.options.model, { signature, id: '', chars: text.length })
  if (sealed !== null) seal(answer, type, sealed)
}

/** Calls come whole. */
function readCall(answer: GeminiAnswer, { name, id, args }: Fields, signature: string): void {
  const { limits, model } = answer.options
  if (typeof name !== 'string' || name === '') return garbled(answer, 'asked for a tool without naming it')
  if (answer.calls.length >= limits.maxToolCalls) return garbled(answer, 'sent too many tool calls')
  const written = argumentsOf(args)
  const own = textOf(id)
  const call = { type: 'tool_call', id: own === '' ? `call_${answer.calls.length}` : own, name, arguments: written } as const
  const sealed = sealPart(model, { signature, id: own, chars: 0 })
  answer.calls.push(sealed === null ? call : { ...call, sealed })
  answer.outputChars += name.length + written.length
}

/** @throws RangeError for what nests too deep; the feed makes a problem of it. */
function argumentsOf(args: unknown): string {
  if (args === undefined || args === null) return '{}'
  return typeof args === 'string' ? args : JSON.stringify(args)
}

/** Only the flat fields of an error are taken: the rest may be anything, at any depth. */
function errorIn(error: unknown, options: ReaderOptions): Problem {
  if (typeof error === 'string') return streamError(error, options)
  const { code, message, status } = fieldsOf(error)
  const number = typeof code === 'number' ? code : httpStatusOf(status)
  return streamError({ ...(number === null ? {} : { code: number }), message: textOf(message) }, options)
}

function problemOf(answer: GeminiAnswer, cut: Problem | null): Problem | null {
  const found = problemAtEnd(answer, cut, answer.ending !== null || answer.blocked)
  if (found !== null || answer.blocked || answer.ending !== 'broken') return found
  return brokenProblem(answer.options, answer.reason, answer.note)
}

function lastEvents(answer: GeminiAnswer): ModelEvent[] {
  const { calls, blocked, reason, note, options } = answer
  const usage = geminiUsage(answer, answer.counts)
  const events: ModelEvent[] = []
  if (blocked || answer.ending === 'refusal') {
    if (!answer.hasText) events.push({ type: 'text', text: refusalSentence(blocked ? 'request' : 'answer', reason, note, options.key) })
    // An answer that was stopped for what it holds asks for nothing.
    return [...events, { type: 'finish', reason: 'refusal', usage }]
  }
  for (const call of calls) events.push({ type: 'tool_call', call })
  const ended = answer.ending === 'length' ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop'
  return [...events, { type: 'finish', reason: ended, usage }]
}

/** `broken` is an answer that cannot be used; the same request may pass. */
type Ending = Exclude<FinishReason, 'tool_calls'> | 'broken'

/**
 * @returns null for a value that ends nothing. A reason that is not known is taken for `broken`: nearly all of them are, and
 * a cut answer must not pass for a whole one.
 */
function endingOf(reason: string): Ending | null {
  switch (reason as `${GeminiReason}` | '') {
    case '':
    case 'FINISH_REASON_UNSPECIFIED':
      return null
    case 'STOP':
      return 'stop'
    case 'MAX_TOKENS':
    case 'CONTINUATION':
      return 'length'
    case 'SAFETY':
    case 'RECITATION':
    case 'LANGUAGE':
    case 'BLOCKLIST':
    case 'PROHIBITED_CONTENT':
    case 'SPII':
    case 'IMAGE_SAFETY':
    case 'IMAGE_PROHIBITED_CONTENT':
    case 'IMAGE_RECITATION':
      return 'refusal'
    case 'MALFORMED_FUNCTION_CALL':
    case 'UNEXPECTED_TOOL_CALL':
    case 'TOO_MANY_TOOL_CALLS':
    case 'MALFORMED_RESPONSE':
    case 'NO_IMAGE':
    case 'IMAGE_OTHER':
    case 'OTHER':
      return 'broken'
    default:
      return 'broken'
  }
}

/** @returns whether the request itself was blocked: there is no answer, and none will come. */
function isBlock(reason: unknown): reason is string {
  const value = reason as `${BlockedReason}` | ''
  return typeof reason === 'string' && value !== '' && value !== 'BLOCKED_REASON_UNSPECIFIED' && reason !== 'BLOCK_REASON_UNSPECIFIED'
}

/** What a person reads in place of an answer. @param words the endpoint's own, or empty */
function refusalSentence(what: 'request' | 'answer', reason: string, words: string, key: string): string {
  const why = cleanEndpointText(words === '' ? reason : `${reason}, ${words}`, key)
  return what === 'request' ? `[The service did not take this request: ${why}]` : `[The service stopped this answer: ${why}]`
}

/** @param words the endpoint's own, or empty */
function brokenProblem({ origin, key }: ReaderOptions, reason: string, words: string): Problem {
  const why = cleanEndpointText(words === '' ? reason : `${reason}, ${words}`, key)
  const message = `${origin} ended the answer as one that cannot be used: ${why}.`
  if (/TOOL_CALL|FUNCTION_CALL/.test(reason)) {
    return problem('model_garbled', message, 'The model wrote a tool call that its service cannot read: send the message again.', true)
  }
  return problem('model_overloaded', message, 'The endpoint failed on its side: try again in a moment.', true)
}

/** Errors may come with an RPC name and without its number (google.rpc.Code, as HTTP statuses). */
function httpStatusOf(name: unknown): number | null {
  switch (name) {
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
    case 'OUT_OF_RANGE':
      return 400
    case 'UNAUTHENTICATED':
      return 401
    case 'PERMISSION_DENIED':
      return 403
    case 'NOT_FOUND':
      return 404
    case 'RESOURCE_EXHAUSTED':
      return 429
    case 'UNKNOWN':
    case 'INTERNAL':
    case 'DATA_LOSS':
      return 500
    case 'UNAVAILABLE':
      return 503
    case 'DEADLINE_EXCEEDED':
      return 504
    default:
      return null
  }
}

type Reported = { readonly [Name in keyof GenerateContentResponseUsageMetadata]: unknown }

/** The newest of each count; null: not reported so far. */
interface TokenCounts {
  prompt: number | null
  toolUse: number | null
  cached: number | null
  output: number | null
  thought: number | null
}

function noCounts(): TokenCounts {
  return { prompt: null, toolUse: null, cached: null, output: null, thought: null }
}

/** Takes the counts of one chunk over those before. */
function takeCounts(counts: TokenCounts, reported: Reported): void {
  if (isCount(reported.promptTokenCount)) counts.prompt = reported.promptTokenCount
  if (isCount(reported.toolUsePromptTokenCount)) counts.toolUse = reported.toolUsePromptTokenCount
  if (isCount(reported.cachedContentTokenCount)) counts.cached = reported.cachedContentTokenCount
  if (isCount(reported.candidatesTokenCount)) counts.output = reported.candidatesTokenCount
  if (isCount(reported.thoughtsTokenCount)) counts.thought = reported.thoughtsTokenCount
}

/**
 * `promptTokenCount` holds what was read from the cache, but not what a tool used; `candidatesTokenCount` leaves thoughts out.
 * What was not reported is estimated, and then the usage says so.
 */
function geminiUsage(answer: Answer, { prompt, toolUse, cached, output, thought }: TokenCounts): Usage {
  const guess = usageOf(answer)
  const outputKnown = output !== null || thought !== null || answer.outputChars === 0
  const sent = prompt === null ? guess.inputTokens : prompt + (toolUse ?? 0)
  const inputTokens = (cached ?? 0) > sent ? 0 : sent
  const cacheReadTokens = Math.min(cached ?? 0, inputTokens)
  const usage = {
    inputTokens,
    outputTokens: outputKnown ? (output ?? 0) + (thought ?? 0) : guess.outputTokens,
    ...(cacheReadTokens > 0 ? { cacheReadTokens } : {}),
    ...(thought !== null && thought > 0 ? { reasoningTokens: thought } : {}),
    estimated: prompt === null || !outputKnown,
  }
  return credibleUsage(usage, guess)
}
