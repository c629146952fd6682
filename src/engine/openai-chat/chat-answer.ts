/**
 * Reads the SSE stream of one chat completion. Pure: text in, events out, no socket and no clock. An answer is whole when
 * the endpoint gave a finish reason or said [DONE]; a stream that just ends is an error, never an answer.
 */
import type { FinishReason, ModelEvent, ToolCallPart } from '../../types/index.ts'
import { type Answer, createAnswer, createFeed, fail, garbled, problemAtEnd, say, streamError, usageOf } from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'
import { chatWireName, createThoughts, type Thoughts } from './chat-thought.ts'
import { listOf, recordOf, textOf } from '../openai/endpoint-json.ts'
import { readChatUsage } from '../openai/reported-usage.ts'
import { createToolCallAssembly, type ToolCallAssembly } from './tool-call-assembly.ts'

/** What is known of an answer so far. */
interface ChatAnswer extends Answer {
  readonly tools: ToolCallAssembly
  readonly thoughts: Thoughts
  reason: FinishReason | null
  /** The model said no in words of its own; they may still be running. */
  refused: boolean
}

export function createChatAnswerReader(options: ReaderOptions): AnswerReader {
  const begun = createAnswer(options)
  const tools = createToolCallAssembly(options.limits.maxToolCalls, (data) => ({ wire: chatWireName, model: options.model, data }))
  const answer: ChatAnswer = Object.assign(begun, { tools, thoughts: createThoughts(begun), reason: null, refused: false })
  return {
    feed: createFeed(answer, (chunk) => readChunk(answer, chunk), '[DONE]'),
    problem: (cut) => problemOf(answer, cut),
    finish: () => lastEvents(answer),
    usage: () => usageOf(answer),
  }
}

/** A chunk as it may come from any service: nothing about it is trusted. */
function readChunk(answer: ChatAnswer, chunk: Record<string, unknown>): void {
  const { error, choices, usage } = chunk
  if (error !== undefined && error !== null) return fail(answer, streamError(error, answer.options))
  const choice = recordOf(Array.isArray(choices) ? choices[0] : undefined)
  readDelta(answer, recordOf(choice['delta']))
  readEnd(answer, choice['finish_reason'])
  // Moonshot reports inside the choice.
  answer.reported = readChatUsage(usage ?? choice['usage']) ?? answer.reported
}

function readEnd(answer: ChatAnswer, ended: unknown): void {
  if (typeof ended !== 'string' || ended === '') return
  if (ended === 'error') fail(answer, streamError(null, answer.options))
  else answer.reason = finishReason(ended)
}

function readDelta(answer: ChatAnswer, delta: Record<string, unknown>): void {
  const { content, refusal, tool_calls: calls } = delta
  answer.thoughts.read(delta)
  sayText(answer, typeof content === 'string' ? content : textIn(content))
  if (typeof refusal === 'string' && refusal !== '') {
    sayText(answer, refusal)
    answer.refused = true
  }
  if (!Array.isArray(calls)) return
  for (const call of calls) {
    const chars = answer.tools.add(call)
    if (chars === null) return garbled(answer, 'sent tool calls that cannot be read')
    answer.outputChars += chars
  }
}

function sayText(answer: ChatAnswer, text: string): void {
  if (text === '') return
  answer.thoughts.close()
  say(answer, 'text', text)
}

/** Text of content that comes as a list of parts, as Mistral's reasoning models send it. */
function textIn(content: unknown): string {
  return listOf(content)
    .map((part) => textOf(recordOf(part)['text']))
    .join('')
}

function problemOf(answer: ChatAnswer, cut: Problem | null): Problem | null {
  const { tools, reason } = answer
  // Taken for an answer it would be an empty one, and nobody would know why.
  if (reason === 'tool_calls' && tools.began() && tools.calls().length === 0) garbled(answer, 'asked for a tool without naming it')
  return problemAtEnd(answer, cut, answer.done || reason !== null)
}

function lastEvents(answer: ChatAnswer): ModelEvent[] {
  const events: ModelEvent[] = []
  answer.into = events
  answer.thoughts.close()
  const ended = answer.refused ? 'refusal' : (answer.reason ?? 'stop')
  const calls = wholeCalls(answer.tools.calls(), ended)
  const plain = ended === 'stop' || ended === 'tool_calls'
  for (const call of calls) events.push({ type: 'tool_call', call })
  events.push({ type: 'finish', reason: plain ? (calls.length > 0 ? 'tool_calls' : 'stop') : ended, usage: usageOf(answer) })
  return events
}

/** An answer that was cut short by its limit may end inside a call, and one that was refused means none of its calls. */
function wholeCalls(calls: readonly ToolCallPart[], ended: FinishReason): readonly ToolCallPart[] {
  if (ended === 'refusal') return []
  return ended === 'length' ? calls.filter(({ arguments: text }) => isObjectText(text)) : calls
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function finishReason(text: string): FinishReason {
  if (text === 'length' || text === 'max_tokens') return 'length'
  if (text === 'content_filter') return 'refusal'
  return text === 'tool_calls' || text === 'function_call' ? 'tool_calls' : 'stop'
}
