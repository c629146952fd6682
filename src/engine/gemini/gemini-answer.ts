/**
 * Reads the SSE stream of one generateContent answer. Pure: text in, events out. An answer is whole when the endpoint gave a
 * finish reason, or said that it blocked the request; a stream that just ends is an error, never an answer. There is no end
 * mark: chunks with usage alone may follow, so the stream is read to its end.
 */
import type { ModelEvent, ToolCallPart } from '../../types/index.ts'
import { type Answer, createAnswer, createFeed, fail, garbled, problemAtEnd, say, seal, streamError } from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'
import { brokenProblem, type Ending, endingOf, httpStatusOf, isBlock, refusalSentence } from './gemini-ending.ts'
import { sealPart } from './gemini-seal.ts'
import { geminiUsage, noCounts, takeCounts, type TokenCounts } from './gemini-usage.ts'

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
  said: boolean
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
    said: false,
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
    return say(answer, 'text', '[media left out: only text is kept of an answer]')
  const type = part['thought'] === true ? 'reasoning' : 'text'
  const text = textOf(part['text'])
  if (text !== '') {
    say(answer, type, text)
    if (type === 'text') answer.said = true
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
    if (!answer.said) events.push({ type: 'text', text: refusalSentence(blocked ? 'request' : 'answer', reason, note, options.key) })
    // An answer that was stopped for what it holds asks for nothing.
    return [...events, { type: 'finish', reason: 'refusal', usage }]
  }
  for (const call of calls) events.push({ type: 'tool_call', call })
  const ended = answer.ending === 'length' ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop'
  return [...events, { type: 'finish', reason: ended, usage }]
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
