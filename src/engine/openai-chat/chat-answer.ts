/**
 * Reads the SSE stream of one chat completion. Pure: text in, events out, no socket and no clock. An answer is whole when
 * the endpoint gave a finish reason or said [DONE]; a stream that just ends is an error, never an answer.
 */
import { type Json, type JsonObject, parseObject } from '../../base/index.ts'
import type { FinishReason, ModelEvent, Sealed, ToolCallPart, Usage } from '../../protocol/index.ts'
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
import { maxAnswerItems, sealedJsonDepth } from '../limits.ts'
import type { Problem } from '../model-problem.ts'
import type { AnswerReader, ReaderOptions } from '../wire.ts'

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
  const choice = fieldsOf(Array.isArray(choices) ? choices[0] : undefined)
  readDelta(answer, fieldsOf(choice['delta']))
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
  addText(answer, typeof content === 'string' ? content : textIn(content))
  if (typeof refusal === 'string' && refusal !== '') {
    addText(answer, refusal)
    answer.refused = true
  }
  if (!Array.isArray(calls)) return
  for (const call of calls) {
    const chars = answer.tools.add(call)
    if (chars === null) return garbled(answer, 'sent tool calls that cannot be read')
    answer.outputChars += chars
  }
}

function addText(answer: ChatAnswer, text: string): void {
  if (text === '') return
  answer.thoughts.close()
  emitText(answer, 'text', text)
}

/** Text of content that comes as a list of parts, as Mistral's reasoning models send it. */
function textIn(content: unknown): string {
  return listOf(content)
    .map((part) => textOf(fieldsOf(part)['text']))
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

/** An answer cut short by its limit may end inside a call; a refused answer's calls do not count. */
function wholeCalls(calls: readonly ToolCallPart[], ended: FinishReason): readonly ToolCallPart[] {
  if (ended === 'refusal') return []
  return ended === 'length' ? calls.filter(({ arguments: text }) => parseObject(text) !== null) : calls
}

function finishReason(text: string): FinishReason {
  if (text === 'length' || text === 'max_tokens') return 'length'
  if (text === 'content_filter') return 'refusal'
  return text === 'tool_calls' || text === 'function_call' ? 'tool_calls' : 'stop'
}

/**
 * Reasoning of a chat completion. The protocol has no place for it, so each service has its own: `reasoning_content`
 * (DeepSeek and many that follow it), `reasoning` (vLLM, Groq, Ollama), `reasoning_details` (OpenRouter, with signatures and
 * encrypted pieces). Some refuse the next request when it does not come back: it is sealed with the field that it came in.
 */

export const chatWireName = 'openai-chat'

type ThoughtField = 'reasoning_content' | 'reasoning' | 'reasoning_details'

interface Thoughts {
  read(delta: Readonly<Record<string, unknown>>): void
  /** Something else begins: what was thought so far is one part. */
  close(): void
}

function createThoughts(answer: Answer): Thoughts {
  let field: ThoughtField | null = null
  let details: JsonObject[] = []
  let pieces = 0
  return {
    read: (delta) => {
      let detailed = ''
      for (const value of listOf(delta['reasoning_details'])) {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
        const detail = boundedObject(value)
        detailed += textOf(detail['text']) || textOf(detail['summary'])
        field = 'reasoning_details'
        if (joinDetail(details, detail)) continue
        pieces += 1
        if (pieces > maxAnswerItems) return garbled(answer, 'sent more pieces of reasoning than any model has')
      }
      const [name, text] = plainThought(delta)
      if (name !== null) field ??= name
      const thought = text || detailed
      if (thought !== '') emitText(answer, 'reasoning', thought)
    },
    close: () => {
      if (field === null) return
      const data: JsonObject = field === 'reasoning_details' ? { field, details } : { field }
      seal(answer, 'reasoning', { wire: chatWireName, model: answer.options.model, data })
      field = null
      details = []
    },
  }
}

/** Services in transition send the same text under two names: the first that holds any is taken. */
function plainThought(delta: Readonly<Record<string, unknown>>): [ThoughtField | null, string] {
  for (const name of ['reasoning_content', 'reasoning'] as const) {
    const text = textOf(delta[name])
    if (text !== '') return [name, text]
  }
  return [null, '']
}

/** Joins the pieces in which one text or summary streams. @returns false when it began a new detail. */
function joinDetail(details: JsonObject[], detail: JsonObject): boolean {
  const last = details.at(-1)
  const kind = detail['type'] === 'reasoning.text' ? 'text' : detail['type'] === 'reasoning.summary' ? 'summary' : null
  if (last === undefined || kind === null || last['type'] !== detail['type'] || last['index'] !== detail['index']) {
    details.push(detail)
    return false
  }
  // Later pieces bring what the first had not yet, above all the signature.
  const news = Object.entries(detail).filter(([, value]) => value !== null && value !== '')
  details[details.length - 1] = { ...last, ...Object.fromEntries(news), [kind]: textOf(last[kind]) + textOf(detail[kind]) }
  return true
}

interface Slot {
  id: string
  name: string
  pieces: string
  /** What the service adds to a call and demands back, as Google's compatible endpoint does with its signatures. */
  extra: JsonObject | null
}

/**
 * Puts tool calls together from deltas. Services differ: some number their calls, some leave the index out, some send no id,
 * some repeat the id with every piece, some send one id twice for two calls. Ids are kept as they came.
 */
interface ToolCallAssembly {
  /** @returns characters that came, or null when the delta cannot be read or there are too many calls. */
  add(delta: unknown): number | null
  /** Something of a call came, even if it cannot be used. */
  began(): boolean
  /** Calls in the order in which they began; those without a name are left out. */
  calls(): ToolCallPart[]
}

function createToolCallAssembly(maxCalls: number, toSealed: (data: JsonObject) => Sealed): ToolCallAssembly {
  const byIndex = new Map<number, Slot>()
  const slots: Slot[] = []

  const open = (): Slot | null => {
    if (slots.length >= maxCalls) return null
    const slot: Slot = { id: '', name: '', pieces: '', extra: null }
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
      if (typeof delta !== 'object' || delta === null) return null
      const { index, id, function: called, extra_content: extra } = delta as Record<string, unknown>
      const { name, arguments: piece } = (typeof called === 'object' && called !== null ? called : {}) as Record<string, unknown>
      const idText = typeof id === 'string' ? id : ''
      const nameText = typeof name === 'string' ? name : ''
      const slot = slotFor(index, idText, nameText)
      if (slot === null) return null
      if (slot.id === '') slot.id = idText
      if (slot.name === '') slot.name = nameText
      // Some services give the arguments as an object instead of its text.
      const text = typeof piece === 'string' ? piece : piece === undefined || piece === null ? '' : JSON.stringify(piece)
      slot.pieces += text
      if (typeof extra === 'object' && extra !== null) slot.extra = boundedObject(extra)
      return text.length + nameText.length
    },
    calls: () =>
      slots
        .filter((slot) => slot.name !== '')
        .map((slot, place) => ({
          type: 'tool_call',
          id: slot.id === '' ? `call_${place}` : slot.id,
          name: slot.name,
          arguments: slot.pieces === '' ? '{}' : slot.pieces,
          ...(slot.extra !== null && { sealed: toSealed({ extra_content: slot.extra }) }),
        })),
    began: () => slots.some((slot) => slot.name !== '' || slot.pieces !== ''),
  }
}

/** Usage of a chat completion. @returns null for what cannot be read. */
export function readChatUsage(value: unknown): Usage | null {
  const usage = fieldsOf(value)
  const { prompt_tokens: input, completion_tokens: output, total_tokens: total } = usage
  if (!isCount(input) || !isCount(output)) return null
  const prompt = fieldsOf(usage['prompt_tokens_details'])
  const completion = fieldsOf(usage['completion_tokens_details'])
  const reasoning = countOf(completion['reasoning_tokens'])
  // xAI does not count reasoning as completion; only the total shows it.
  const apart = reasoning > 0 && total === input + output + reasoning
  return reportedUsage(input, apart ? output + reasoning : output, {
    // DeepSeek's older models report the hit next to the prompt.
    read: countOf(prompt['cached_tokens']) || countOf(usage['prompt_cache_hit_tokens']),
    write: countOf(prompt['cache_write_tokens']),
    reasoning,
  })
}

/** @returns a copy without what lies too deep: text that was parsed may nest deeper than can be written again. */
function boundedObject(value: object): JsonObject {
  return bounded(value as Json, sealedJsonDepth) as JsonObject
}

function bounded(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return depth === 0 ? [] : (value as readonly Json[]).map((each) => bounded(each, depth - 1))
  return depth === 0 ? {} : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bounded(each, depth - 1)]))
}
