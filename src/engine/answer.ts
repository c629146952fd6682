/**
 * The part of reading an answer that all wires share: server-sent events that carry JSON, limits, the first problem, and the
 * rule that an answer is complete only when its protocol says so. A stream that just ends is an error.
 */
import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { ModelEvent, Sealed, Usage } from '../protocol/index.ts'
import { charsPerToken, maxErrorBodyBytes } from './limits.ts'
import type { Problem } from './model-problem.ts'
import { cleanEndpointText, messageOf, noUsage, problem, problemOfStatus } from './model-problem.ts'
import type { ReaderOptions } from './wire.ts'

export interface Answer {
  readonly options: ReaderOptions
  /** Where events go: the caller's batch. */
  into: ModelEvent[]
  /** The first problem. */
  wrong: Problem | null
  /** The protocol said that nothing more follows: the rest need not be read. */
  done: boolean
  /** Protocol events so far. */
  chunks: number
  readChars: number
  /** The newest text, in pieces as it arrived: an error may follow the last event, outside all framing. */
  readonly recent: string[]
  recentChars: number
  /** Characters of text, reasoning and tool calls, to estimate usage. */
  outputChars: number
  reported: Usage | null
}

/** The state of an answer before its first event. */
export function createAnswer(options: ReaderOptions): Answer {
  return {
    options,
    into: [],
    wrong: null,
    done: false,
    chunks: 0,
    readChars: 0,
    recent: [],
    recentChars: 0,
    outputChars: 0,
    reported: null,
  }
}

/**
 * @param read called with each event, a JSON object, in order, until there is a problem or the answer is done
 * @param end data that ends the stream and is not JSON, such as `[DONE]`
 * @returns the `feed` of an AnswerReader
 */
export function createFeed(
  answer: Answer,
  read: (value: Record<string, unknown>) => void,
  end?: string,
): (text: string, into: ModelEvent[]) => boolean {
  const { maxEventChars, maxAnswerChars } = answer.options.limits
  const parser = createParser({
    onEvent: ({ data }) => {
      if (answer.wrong !== null || answer.done) return
      if (data === end) {
        answer.done = true
        return
      }
      const value = parseObject(answer, data)
      if (value === null) return
      answer.chunks += 1
      read(value)
    },
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') garbled(answer, 'sent an event that is too long')
    },
    maxBufferSize: maxEventChars,
  })
  return (text, into) => {
    answer.into = into
    answer.readChars += text.length
    const { outputChars } = answer
    const events = into.length
    if (answer.readChars > maxAnswerChars) garbled(answer, 'sent an endless answer')
    else if (answer.wrong === null) {
      keepRecent(answer, text)
      feedParser(answer, parser, text)
    }
    if (into.length === events && answer.outputChars > outputChars) answer.options.onProgress?.(answer.outputChars)
    return answer.wrong === null && !answer.done
  }
}

/** JSON that nests too deep overflows the stack somewhere: it becomes a problem, because a reader never throws. */
function feedParser(answer: Answer, parser: EventSourceParser, text: string): void {
  try {
    parser.feed(text)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    garbled(answer, 'sent an event that nests too deep')
  }
}

function keepRecent(answer: Answer, text: string): void {
  const { recent } = answer
  recent.push(text)
  answer.recentChars += text.length
  while (recent.length > 1 && answer.recentChars - recent[0]!.length >= maxErrorBodyBytes) answer.recentChars -= recent.shift()!.length
}

/**
 * Some services that fail during a stream write the error as bare JSON after the last event, where event parsers skip it.
 *
 * @returns that error, or null
 */
function errorOutside({ recent }: Answer): unknown {
  const text = recent.join('').trimEnd()
  const blank = Math.max(...['\n\n', '\r\n\r\n', '\r\r'].map((line) => text.lastIndexOf(line)))
  const tail = text.slice(Math.max(blank, 0)).trimStart()
  if (!/^[[{]/.test(tail)) return null
  try {
    const value: unknown = JSON.parse(tail)
    const first: unknown = Array.isArray(value) ? value[0] : value
    return typeof first === 'object' && first !== null && 'error' in first ? first.error : null
  } catch {
    return null
  }
}

function parseObject(answer: Answer, data: string): Record<string, unknown> | null {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    garbled(answer, 'sent an event that is not JSON')
    return null
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  garbled(answer, 'sent an event that is not an object')
  return null
}

/** Emits text or reasoning; adjacent pieces within a batch become one event. */
export function emitText(answer: Answer, type: 'text' | 'reasoning', text: string): void {
  const { into } = answer
  answer.outputChars += text.length
  const last = into.at(-1)
  if (last !== undefined && last.type === type && last.sealed === undefined) into[into.length - 1] = { type, text: last.text + text }
  else into.push({ type, text })
}

/** Ends a part of the answer with the data that the wire needs back with it. */
export function seal(answer: Answer, type: 'text' | 'reasoning', sealed: Sealed): void {
  answer.into.push({ type, text: '', sealed })
}

/** Keeps the first problem. */
export function fail(answer: Answer, found: Problem): void {
  answer.wrong ??= found
}

/** Ends the answer with `model_garbled`. @param what the endpoint did, as the end of a sentence */
export function garbled(answer: Answer, what: string): void {
  const hint = 'The endpoint does not speak the expected protocol: check the base URL and the provider.'
  fail(answer, problem('model_garbled', `${answer.options.origin} ${what}.`, hint))
}

/** @param whole the protocol said that the answer is complete. @returns the problem, or null. */
export function problemAtEnd(answer: Answer, cut: Problem | null, whole: boolean): Problem | null {
  if (answer.wrong !== null) return answer.wrong
  if (whole) return null
  const outside = errorOutside(answer)
  if (outside !== null && outside !== undefined) return streamError(outside, answer.options)
  if (cut !== null) return cut
  const { origin } = answer.options
  if (answer.chunks > 0) {
    return problem('model_unreachable', `${origin} ended the answer before it was complete.`, 'Send the message again.', true)
  }
  garbled(answer, answer.readChars === 0 ? 'sent an empty answer' : 'sent something other than an event stream')
  return answer.wrong
}

/** Usage as reported, else estimated from lengths. */
export function usageOf(answer: Answer): Usage {
  const guess = guessedUsage(answer)
  return answer.reported === null ? guess : credibleUsage(answer.reported, guess)
}

export function guessedUsage({ options, outputChars }: Pick<Answer, 'options' | 'outputChars'>): Usage {
  const { requestChars } = options
  return { inputTokens: Math.ceil(requestChars / charsPerToken), outputTokens: Math.ceil(outputChars / charsPerToken), estimated: true }
}

/** @returns reported usage; a count of nothing, where something was sent or has arrived, is replaced by the estimate */
export function credibleUsage(reported: Usage, guess: Usage): Usage {
  const isInputMissing = reported.inputTokens === 0 && guess.inputTokens > 0
  const isOutputMissing = reported.outputTokens === 0 && guess.outputTokens > 0
  if (!isInputMissing && !isOutputMissing) return reported
  return {
    ...reported,
    inputTokens: isInputMissing ? guess.inputTokens : reported.inputTokens,
    outputTokens: isOutputMissing ? guess.outputTokens : reported.outputTokens,
    estimated: true,
  }
}

/**
 * What a try that failed is charged. A service bills what it has begun to answer, and what was sent to it when this side stopped the
 * exchange; a request that it refused or lost costs nothing.
 * @param isStopped it was sent whole, and then cancelled or given up from this side
 */
export function failedUsage(usage: Usage, shown: boolean, isStopped: boolean): Usage {
  return shown || isStopped || usage.outputTokens > 0 || !usage.estimated ? usage : noUsage
}

/** @returns whether a value is a whole number of zero or more, as counts of tokens must be */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** A count of an untrusted event; 0 for anything else. */
export function countOf(value: unknown): number {
  return isCount(value) ? value : 0
}

/**
 * @returns reported usage. Parts never exceed the whole, whatever is reported: a price is made of them. An input that is less than what of
 * it came from the cache is nonsense, and counts as not reported.
 */
export function reportedUsage(sent: number, output: number, parts: { read: number; write: number; reasoning: number }): Usage {
  const input = parts.read > sent ? 0 : sent
  const read = Math.min(parts.read, input)
  const write = Math.min(parts.write, input - read)
  const reasoning = Math.min(parts.reasoning, output)
  return {
    inputTokens: input,
    outputTokens: output,
    ...(read > 0 && { cacheReadTokens: read }),
    ...(write > 0 && { cacheWriteTokens: write }),
    ...(reasoning > 0 && { reasoningTokens: reasoning }),
    estimated: false,
  }
}

/** @returns the fields of an object; of anything else none. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

/** A field of an untrusted event; empty if it is no string. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** An error inside a stream whose HTTP status was 200. A number in `code` or `status` is read as an HTTP status. */
export function streamError(error: unknown, options: Pick<ReaderOptions, 'origin' | 'key'>): Problem {
  const { code, status, type } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  // Some services put a name in one and the number in the other.
  const number = [status, code].map((each) => (typeof each === 'object' ? NaN : Number(each))).find((each) => each >= 400 && each < 600)
  const { origin, key } = options
  const text = messageOf(error) ?? ''
  if (number !== undefined) {
    // Only flat fields: the rest may be anything, at any depth.
    const flat = { message: text, ...(typeof code === 'object' ? {} : { code }), ...(typeof type === 'object' ? {} : { type }) }
    const body = JSON.stringify({ error: flat })
    return problemOfStatus({ status: number, body, key, origin, retryAfterMs: null, redirect: '' })
  }
  const reason = cleanEndpointText(text, key)
  const message = `${origin} broke off its answer${reason === '' ? '.' : `: ${reason}`}`
  return problem('model_overloaded', message, 'The endpoint failed on its side: try again in a moment.', true)
}
