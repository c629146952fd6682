/**
 * Reads the SSE stream of one chat completion. Pure: text in, events out, no socket and no clock. An answer is whole when
 * the endpoint gave a finish reason or said [DONE]; a stream that just ends is an error, never an answer.
 */
import type { FinishReason, ModelEvent, Usage } from '../../types/index.ts'
import { type Answer, createAnswer, createFeed, fail, garbled, isCount, problemAtEnd, say, streamError, usageOf } from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'
import { createToolCallAssembly, type ToolCallAssembly } from './tool-call-assembly.ts'

/** What is known of an answer so far. */
interface ChatAnswer extends Answer {
  readonly tools: ToolCallAssembly
  reason: FinishReason | null
}

export function createChatAnswerReader(options: ReaderOptions): AnswerReader {
  const answer: ChatAnswer = { ...createAnswer(options), tools: createToolCallAssembly(options.limits.maxToolCalls), reason: null }
  return {
    feed: createFeed(answer, (chunk) => readChunk(answer, chunk), '[DONE]'),
    problem: (cut) => problemOf(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => usageOf(answer),
  }
}

/** A chunk as it may come from any service: nothing about it is trusted. */
function readChunk(answer: ChatAnswer, chunk: { choices?: unknown; usage?: unknown; error?: unknown }): void {
  if (chunk.error !== undefined && chunk.error !== null) return fail(answer, streamError(chunk.error, answer.options))
  const first: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined
  if (typeof first === 'object' && first !== null) readChoice(answer, first)
  if (typeof chunk.usage === 'object' && chunk.usage !== null) answer.reported = readUsage(chunk.usage) ?? answer.reported
}

function readChoice(answer: ChatAnswer, choice: { delta?: unknown; finish_reason?: unknown }): void {
  const { delta, finish_reason: ended } = choice
  if (typeof delta === 'object' && delta !== null) readDelta(answer, delta)
  if (typeof ended !== 'string' || ended === '') return
  if (ended === 'error') fail(answer, streamError(null, answer.options))
  else if (answer.reason !== 'refusal') answer.reason = finishReason(ended)
}

function readDelta(answer: ChatAnswer, delta: object): void {
  const { content, refusal, tool_calls: calls, reasoning_content: deep, reasoning } = delta as Record<string, unknown>
  const thought = deep ?? reasoning
  if (typeof thought === 'string' && thought !== '') say(answer, 'reasoning', thought)
  if (typeof content === 'string' && content !== '') say(answer, 'text', content)
  if (typeof refusal === 'string' && refusal !== '') {
    say(answer, 'text', refusal)
    answer.reason = 'refusal'
  }
  if (!Array.isArray(calls)) return
  for (const call of calls) {
    const chars = answer.tools.add(call)
    if (chars === null) garbled(answer, 'sent tool calls that cannot be read')
    else answer.outputChars += chars
  }
}

function problemOf(answer: ChatAnswer, cut: Problem | null): Problem | null {
  const { tools, reason } = answer
  // Taken for an answer it would be an empty one, and nobody would know why.
  if (reason === 'tool_calls' && tools.began() && tools.calls().length === 0) garbled(answer, 'asked for a tool without naming it')
  return problemAtEnd(answer, cut, answer.done || reason !== null)
}

function lastEvents(answer: ChatAnswer): ModelEvent[] {
  const calls = answer.tools.calls()
  const ended = answer.reason ?? 'stop'
  const plain = ended === 'stop' || ended === 'tool_calls'
  return [
    ...calls.map((call): ModelEvent => ({ type: 'tool_call', call })),
    { type: 'finish', reason: plain ? (calls.length > 0 ? 'tool_calls' : 'stop') : ended, usage: usageOf(answer) },
  ]
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
