/**
 * Reads the parts that a provider package streams. The package is trusted code, but it passes on what an untrusted endpoint
 * sent, so every field is checked before use. An answer is complete when its `finish` part names a reason.
 */
import type { LanguageModelV2Usage, LanguageModelV4Usage } from '@ai-sdk/provider'
import type { JsonObject } from '../../base/index.ts'
import type { FinishReason, ModelEvent, Sealed, ToolCallPart, Usage } from '../../protocol/index.ts'
import {
  type Answer,
  countOf,
  createAnswer,
  fail,
  garbled,
  isCount,
  problemAtEnd,
  reportedUsage,
  emitText,
  seal,
  streamError,
  usageOf,
} from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import type { ReaderOptions } from '../wire.ts'

interface PartReaderOptions extends ReaderOptions {
  readonly wire: string
  /** Turns what the package throws or streams as an error into a problem. */
  readonly problemOf: (error: unknown) => Problem
}

/** An `AnswerReader` for parts instead of text. */
export interface PartReader {
  /** @returns false when the answer is over. */
  feed(part: unknown, into: ModelEvent[]): boolean
  problem(cut: Problem | null): Problem | null
  finish(): ModelEvent[]
  usage(): Usage
}

type Part = Readonly<Record<string, unknown>>

/** A text or reasoning block that has started and not ended. */
interface Block {
  readonly type: 'text' | 'reasoning'
  readonly id: unknown
  metadata: JsonObject | null
  hasText: boolean
}

interface PartAnswer extends Answer {
  readonly own: PartReaderOptions
  block: Block | null
  /** The last part is text without a seal: a new text block would be merged into it. */
  openText: boolean
  readonly calls: ToolCallPart[]
  /** Characters of tool input that were streamed before their call arrived. */
  streamedInput: number
  reason: FinishReason | null
}

export function createPartReader(own: PartReaderOptions): PartReader {
  const answer: PartAnswer = { ...createAnswer(own), own, block: null, openText: false, calls: [], streamedInput: 0, reason: null }
  return {
    feed: (part, into) => {
      answer.into = into
      if (typeof part !== 'object' || part === null) garbled(answer, 'was read into a part that is not an object')
      else readPart(answer, part as Part)
      answer.chunks += 1
      if (answer.readChars + answer.outputChars > own.limits.maxAnswerChars) garbled(answer, 'sent an endless answer')
      return answer.wrong === null && !answer.done
    },
    problem: (cut) => problemAtEnd(answer, cut, answer.reason !== null),
    finish: () => lastEvents(answer),
    usage: () => usageOf(answer),
  }
}

function readPart(answer: PartAnswer, part: Part): void {
  switch (part['type']) {
    case 'text-start':
    case 'reasoning-start':
      return void turnTo(answer, part, part['type'] === 'text-start' ? 'text' : 'reasoning')
    case 'text-delta':
      return readDelta(answer, part, 'text')
    case 'reasoning-delta':
      return readDelta(answer, part, 'reasoning')
    case 'text-end':
    case 'reasoning-end':
      return endBlock(answer, part)
    case 'tool-input-delta':
      return countInput(answer, part)
    case 'tool-call':
      return readCall(answer, part)
    case 'error':
      return fail(answer, answer.own.problemOf(part['error']))
    case 'finish':
      return readFinish(answer, part)
    default:
      // Sources, files, results of tools that the service ran, warnings, pings: a message has no field for them.
      answer.readChars += 1
  }
}

function readDelta(answer: PartAnswer, part: Part, type: Block['type']): void {
  const { delta } = part
  const block = turnTo(answer, part, type)
  if (typeof delta !== 'string' || delta === '') return
  block.hasText = true
  emitText(answer, type, delta)
}

/** Makes the block of this part the current one. The previous block ends, even without an end part. */
function turnTo(answer: PartAnswer, part: Part, type: Block['type']): Block {
  const metadata = metadataOf(answer, part)
  let block = answer.block
  if (block === null || block.type !== type || block.id !== part['id']) {
    closeBlock(answer)
    // Two consecutive texts stay separate, so that each keeps its own metadata.
    if (type === 'text' && answer.openText) sealPart(answer, 'text', {})
    answer.openText = false
    block = { type, id: part['id'], metadata: null, hasText: false }
    answer.block = block
  }
  block.metadata = metadata ?? block.metadata
  return block
}

function endBlock(answer: PartAnswer, part: Part): void {
  const { block } = answer
  if (block === null || block.id !== part['id'] || part['type'] !== `${block.type}-end`) return
  block.metadata = metadataOf(answer, part) ?? block.metadata
  closeBlock(answer)
}

/** Reasoning is always sealed, to record which model wrote it; text only when it has metadata. */
function closeBlock(answer: PartAnswer): void {
  const { block } = answer
  if (block === null) return
  answer.block = null
  const { type, metadata, hasText } = block
  if (metadata !== null || (type === 'reasoning' && hasText)) sealPart(answer, type, metadata ?? {})
  else if (hasText) answer.openText = true
}

function sealPart(answer: PartAnswer, type: Block['type'], data: JsonObject): void {
  seal(answer, type, sealedOf(answer, data))
  answer.openText = false
}

function sealedOf({ own }: PartAnswer, data: JsonObject): Sealed {
  return { wire: own.wire, model: own.model, data }
}

/** Metadata that the package expects back with a part: an object of objects, keyed by provider name. */
function metadataOf(answer: PartAnswer, part: Part): JsonObject | null {
  const { providerMetadata } = part
  if (typeof providerMetadata !== 'object' || providerMetadata === null) return null
  try {
    const text = JSON.stringify(providerMetadata)
    if (text.length > answer.own.limits.maxEventChars) return null
    const entries = Object.entries(JSON.parse(text) as JsonObject).filter(([, value]) => typeof value === 'object' && value !== null)
    answer.readChars += text.length
    return entries.length === 0 ? null : Object.fromEntries(entries)
  } catch {
    return null
  }
}

function countInput(answer: PartAnswer, part: Part): void {
  const { delta } = part
  if (typeof delta !== 'string') return
  answer.streamedInput += delta.length
  answer.outputChars += delta.length
}

function readCall(answer: PartAnswer, part: Part): void {
  const { toolCallId: id, toolName: name, input, providerExecuted } = part
  // The service has already run it.
  if (providerExecuted === true) return
  if (typeof name !== 'string' || name === '') return garbled(answer, 'asked for a tool without naming it')
  if (answer.calls.length >= answer.own.limits.maxToolCalls) return garbled(answer, 'asked for too many tools at once')
  const inputText = typeof input === 'string' ? input : (JSON.stringify(input) ?? '')
  answer.outputChars += Math.max(0, inputText.length - answer.streamedInput) + name.length
  answer.streamedInput = 0
  const metadata = metadataOf(answer, part)
  answer.calls.push({
    type: 'tool_call',
    id: typeof id === 'string' && id !== '' ? id : `call_${answer.calls.length}`,
    name,
    arguments: inputText === '' ? '{}' : inputText,
    ...(metadata === null ? {} : { sealed: sealedOf(answer, metadata) }),
  })
}

function readFinish(answer: PartAnswer, part: Part): void {
  closeBlock(answer)
  answer.done = true
  answer.reported = readUsage(part['usage'], part['providerMetadata'])
  const { finishReason: reason } = part
  const { unified, raw } = (typeof reason === 'object' && reason !== null ? reason : { unified: reason, raw: reason }) as Part
  // The service gave no reason: its stream just ended. Version 2 also reports unknown reasons this way.
  const noReason =
    typeof unified !== 'string' ||
    unified === 'interrupted' ||
    (unified === 'other' && raw === undefined) ||
    (unified === 'unknown' && !answer.reported)
  if (noReason) return
  if (unified === 'error') return fail(answer, streamError(null, answer.own))
  if (unified === 'length') answer.reason = 'length'
  else if (unified === 'content-filter') answer.reason = 'refusal'
  else answer.reason = answer.calls.length > 0 ? 'tool_calls' : 'stop'
}

function lastEvents(answer: PartAnswer): ModelEvent[] {
  const calls = answer.calls.map((call): ModelEvent => ({ type: 'tool_call', call }))
  return [...calls, { type: 'finish', reason: answer.reason ?? 'stop', usage: usageOf(answer) }]
}

/**
 * Usage as provider packages report it: flat numbers in version 2 of the interface, nested ones since.
 *
 * @param metadata of the last part
 * @returns null when the totals are missing
 */
export function readUsage(value: unknown, metadata: unknown): Usage | null {
  if (typeof value !== 'object' || value === null) return null
  const { inputTokens } = value as { inputTokens?: unknown }
  return typeof inputTokens === 'object' ? readNested(value) : readFlat(value, metadata)
}

type Loose<T> = { readonly [Key in keyof T]?: unknown }

function readNested(value: object): Usage | null {
  const { inputTokens, outputTokens } = value as Loose<LanguageModelV4Usage>
  const input = (inputTokens ?? {}) as Loose<LanguageModelV4Usage['inputTokens']>
  const output = (outputTokens ?? {}) as Loose<LanguageModelV4Usage['outputTokens']>
  if (!isCount(input.total) || !isCount(output.total)) return null
  const parts = { read: countOf(input.cacheRead), write: countOf(input.cacheWrite), reasoning: countOf(output.reasoning) }
  return reportedUsage(input.total, output.total, parts)
}

/** Cached tokens are part of the input count, except at Anthropic, which counts them separately. */
function readFlat(value: object, metadata: unknown): Usage | null {
  const { inputTokens: input, outputTokens: output, reasoningTokens, cachedInputTokens } = value as Loose<LanguageModelV2Usage>
  if (!isCount(input) || !isCount(output)) return null
  const read = countOf(cachedInputTokens)
  const { anthropic } = (metadata ?? {}) as { anthropic?: { cacheCreationInputTokens?: unknown } | null }
  const separate = (typeof anthropic === 'object' && anthropic !== null) || read > input
  const write = separate ? countOf(anthropic?.cacheCreationInputTokens) : 0
  const total = separate ? input + read + write : input
  return reportedUsage(total, output, { read, write, reasoning: countOf(reasoningTokens) })
}
