/**
 * Reads the SSE stream of one chat completion. Pure: text in, events out, no socket and no clock. Text and reasoning come
 * out as they arrive, neighbours within a batch joined; tool calls only once the answer is known to be whole. An answer is
 * whole when the endpoint gave a finish reason or said [DONE]; a stream that just ends is an error, never an answer.
 */
import { createParser } from 'eventsource-parser'
import type { FinishReason, ModelEvent, Usage } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import { charsPerToken } from '../limits.ts'
import type { Problem } from '../model-problem.ts'
import { cleanEndpointText, messageOf, problem, problemOfStatus } from '../model-problem.ts'
import { createToolCallAssembly } from './tool-call-assembly.ts'

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

export function createAnswerReader(options: ReaderOptions): AnswerReader {
  const tools = createToolCallAssembly(options.limits.maxToolCalls)
  let into: ModelEvent[] = []
  let wrong: Problem | null = null
  let reason: FinishReason | null = null
  let done = false
  let chunks = 0
  let readChars = 0
  let outputChars = 0
  let reported: Usage | null = null

  const fail = (found: Problem): void => {
    wrong ??= found
  }
  const garbled = (what: string): void => fail(problem('model_garbled', `${options.origin} ${what}.`, garbledHint))
  const say = (type: 'text' | 'reasoning', text: string): void => {
    outputChars += text.length
    const last = into.at(-1)
    if (last !== undefined && last.type === type) into[into.length - 1] = { type, text: last.text + text }
    else into.push({ type, text })
  }
  const readChoice = (choice: LooseChoice): void => {
    const delta = choice.delta
    if (typeof delta === 'object' && delta !== null) {
      const { content, refusal, tool_calls: calls, reasoning_content: deep, reasoning } = delta as Record<string, unknown>
      const thought = deep ?? reasoning
      if (typeof thought === 'string' && thought !== '') say('reasoning', thought)
      if (typeof content === 'string' && content !== '') say('text', content)
      if (typeof refusal === 'string' && refusal !== '') {
        say('text', refusal)
        reason = 'refusal'
      }
      if (Array.isArray(calls)) {
        for (const call of calls) if (!tools.add(call)) garbled('sent tool calls that cannot be read')
      }
    }
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') {
      if (choice.finish_reason === 'error') fail(streamError(null, options))
      else reason = reason === 'refusal' ? reason : finishReason(choice.finish_reason)
    }
  }
  const onEvent = ({ data }: { data: string }): void => {
    if (wrong !== null || done) return
    if (data === '[DONE]') {
      done = true
      return
    }
    let chunk: LooseChunk | null
    try {
      chunk = JSON.parse(data) as LooseChunk | null
    } catch {
      return garbled('sent an event that is not JSON')
    }
    if (typeof chunk !== 'object' || chunk === null) return garbled('sent an event that is not an object')
    if (chunk.error !== undefined && chunk.error !== null) return fail(streamError(chunk.error, options))
    chunks += 1
    const first: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined
    if (typeof first === 'object' && first !== null) readChoice(first)
    if (typeof chunk.usage === 'object' && chunk.usage !== null) reported = readUsage(chunk.usage) ?? reported
  }
  const parser = createParser({
    onEvent,
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') garbled('sent an event that is too long')
    },
    maxBufferSize: options.limits.maxEventChars,
  })
  const usage = (): Usage =>
    reported ?? {
      inputTokens: Math.ceil(options.requestChars / charsPerToken),
      outputTokens: Math.ceil((outputChars + tools.chars()) / charsPerToken),
      estimated: true,
    }

  return {
    feed: (text, batch) => {
      into = batch
      readChars += text.length
      if (readChars > options.limits.maxAnswerChars) garbled('sent an answer without end')
      else parser.feed(text)
      return wrong === null && !done
    },
    problem: (cut) => {
      if (wrong !== null) return wrong
      if (done || reason !== null) {
        // Taken for an answer it would be an empty one, and nobody would know why.
        if (reason === 'tool_calls' && tools.chars() > 0 && tools.calls().length === 0) garbled('asked for a tool without naming it')
        return wrong
      }
      if (cut !== null) return cut
      if (chunks > 0) return endedEarly(options.origin)
      garbled(readChars === 0 ? 'sent an empty answer' : 'sent something that is not an event stream')
      return wrong
    },
    finish: () => {
      const calls = tools.calls()
      const ended = reason ?? 'stop'
      const plain = ended === 'stop' || ended === 'tool_calls'
      return [
        ...calls.map((call): ModelEvent => ({ type: 'tool_call', call })),
        { type: 'finish', reason: plain ? (calls.length > 0 ? 'tool_calls' : 'stop') : ended, usage: usage() },
      ]
    },
    usage,
  }
}

export function endedEarly(origin: string): Problem {
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
