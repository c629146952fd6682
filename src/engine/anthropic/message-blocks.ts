/**
 * A conversation as the alternating turns of this wire. User and tool messages between two answers become one user turn, the
 * results of the answer's calls first; every call gets exactly one result; no two calls of a conversation share an id.
 * All of it depends only on what came before, so that a longer conversation begins with the same bytes and is found in the
 * service's cache.
 */
import type {
  Base64ImageSource,
  DocumentBlockParam,
  ImageBlockParam,
  RedactedThinkingBlockParam,
  TextBlockParam,
  ThinkingBlockParam,
  ToolResultBlockParam,
  ToolUseBlockParam,
} from '@anthropic-ai/sdk/resources/messages'
import { parseObject } from '../../base/index.ts'
import {
  type AssistantMessage,
  type InputKind,
  type MediaPart,
  type Message,
  type ModelFacts,
  type ReasoningPart,
  type ToolCallPart,
  toolCallsOf,
  type ToolMessage,
  type ToolResultPart,
  type UserMessage,
} from '../../protocol/index.ts'
import { maxDocumentTitleChars, maxToolNameChars } from '../limits.ts'
import { sendableName, sendableObject } from '../http/request-body.ts'

export interface Turn {
  readonly role: 'user' | 'assistant'
  /** JSON text of content blocks, at least one. */
  readonly blocks: string[]
  /** A user turn that answers calls: what came before it and what comes after are one train of thought. */
  readonly answers: boolean
  /** An assistant turn that begins with thinking. */
  readonly thinks: boolean
}

interface Building {
  readonly turns: Turn[]
  /** Ids that were sent, each with the number that its next namesake gets. */
  readonly ids: Map<string, number>
  /** Calls of the last answer that have no result yet: their own ids and those they were sent under. */
  waiting: { readonly own: string; readonly sent: string }[]
  results: string[]
  /** The user's blocks since the last answer; they follow the results. */
  rest: string[]
}

const noResult = '"type":"tool_result","content":"[the conversation holds no result of this call]","is_error":true}'

/** @param prefill the model goes on from an assistant turn at the end; others refuse it, and are asked to continue. */
export function turnsOf(messages: readonly Message[], written: (message: Message) => Written, prefill: boolean): Turn[] {
  const building: Building = { turns: [], ids: new Map(), waiting: [], results: [], rest: [] }
  const { turns, rest } = building
  const last = messages.at(-1)
  for (const message of messages) {
    const now = written(message === last && message.role === 'assistant' ? withoutTrailingSpace(message) : message)
    if (message.role === 'assistant') addAnswer(building, now)
    else if (message.role === 'tool') addResult(building, message, now)
    else rest.push(...now.blocks.filter((block) => typeof block === 'string'))
  }
  endUserTurn(building)
  // A window that was cut may begin with an answer, which the protocol does not allow.
  if (turns[0]?.role !== 'user') turns.unshift(userTurn([textBlock('[What came before is left out.]')]))
  if (!prefill && turns.at(-1)?.role === 'assistant') turns.push(userTurn([textBlock('Continue where you stopped.')]))
  return turns
}

function userTurn(blocks: string[]): Turn {
  return { role: 'user', blocks, answers: false, thinks: false }
}

function addAnswer(building: Building, { blocks, thinks }: Written): void {
  // Nothing of it can be sent: the user's words before and after it become one turn.
  if (blocks.length === 0) return
  endUserTurn(building)
  const sent = blocks.map((block) => (typeof block === 'string' ? block : sentCall(building, block)))
  const before = building.turns.at(-1)
  if (before?.role === 'assistant') before.blocks.push(...sent)
  else building.turns.push({ role: 'assistant', blocks: sent, answers: false, thinks })
}

function sentCall({ ids, waiting }: Building, { id, tail }: OpenBlock): string {
  const sent = freeId(ids, sendableId(id))
  waiting.push({ own: id, sent })
  return `{"id":"${sent}",${tail}`
}

function addResult(building: Building, message: ToolMessage, { blocks }: Written): void {
  const { waiting, results, rest } = building
  for (const block of blocks) {
    if (typeof block === 'string') {
      rest.push(block)
      continue
    }
    const place = waiting.findIndex(({ own }) => own === block.id)
    const call = place < 0 ? undefined : waiting.splice(place, 1)[0]
    const { name, text } = message.parts[0]
    // The service refuses a result without its call: as text the model can still read it.
    if (call === undefined) rest.push(textBlock(`[result of an earlier call of ${name}]\n${text}`))
    else results.push(`{"tool_use_id":"${call.sent}",${block.tail}`)
  }
}

function endUserTurn(building: Building): void {
  const { turns, waiting, results, rest } = building
  for (const { sent } of waiting) results.push(`{"tool_use_id":"${sent}",${noResult}`)
  if (results.length + rest.length > 0) {
    turns.push({ role: 'user', blocks: [...results, ...rest], answers: results.length > 0, thinks: false })
  }
  waiting.length = results.length = rest.length = 0
}

function freeId(ids: Map<string, number>, id: string): string {
  let next = ids.get(id) ?? 1
  let free = id
  while (ids.has(free)) {
    next += 1
    free = `${id}_${next}`
  }
  ids.set(id, next)
  ids.set(free, Math.max(1, ids.get(free) ?? 1))
  return free
}

/** An answer that is to be continued may not end with white space. */
function withoutTrailingSpace(message: AssistantMessage): Message {
  const parts = [...message.parts]
  const end = parts.at(-1)
  if (toolCallsOf(message).length > 0 || end?.type !== 'text' || end.text === end.text.trimEnd()) return message
  parts[parts.length - 1] = { type: 'text', text: end.text.trimEnd() }
  return { role: 'assistant', parts }
}

/** An answer is under way that did not begin with thinking of this model: it fell to this model from another one, or thinking was off. */
export function inUnthoughtTurn(turns: readonly Turn[]): boolean {
  const start = turns.findLastIndex((turn) => turn.role === 'user' && !turn.answers)
  const answer = turns[start + 1]
  return answer !== undefined && !answer.thinks
}

/** A `tool_use` or `tool_result` block from behind its id: the conversation decides what id it is sent under. */
interface OpenBlock {
  readonly id: string
  /** JSON text after `{"id":"…",` or `{"tool_use_id":"…",`. */
  readonly tail: string
}

/** A message as content blocks. It depends only on the message and the model, so it is cached; ids and cache markers are added later. */
export interface Written {
  /** The model that it was written for; null when it is the same for every model. */
  readonly model: string | null
  /** In order. Those that are complete are JSON text. */
  readonly blocks: readonly (string | OpenBlock)[]
  /** Begins with thinking that is given back. */
  readonly thinks: boolean
}

interface BlockOptions {
  readonly facts: ModelFacts
  /** Model of the request: what another one sealed is dropped. */
  readonly model: string
  /** Only the vendor's own service checks signatures; others give thinking without one and may want it back. */
  readonly official: boolean
}

export function writeMessage(message: Message, options: BlockOptions): Written {
  if (message.role === 'user') return writeUser(message, options)
  return message.role === 'assistant' ? writeAssistant(message, options) : writeResult(message.parts[0], options)
}

function textBlock(text: string): string {
  const block: TextBlockParam = { type: 'text', text }
  return jsonOf(block)
}

/** The service refuses text blocks of white space alone. */
function isBlank(text: string): boolean {
  return text.trim() === ''
}

function writeUser({ parts }: UserMessage, { facts, model }: BlockOptions): Written {
  const blocks: string[] = []
  let own: string | null = null
  for (const part of parts) {
    if (part.type === 'media') {
      own = model
      blocks.push(jsonOf(mediaBlock(part, facts.input)))
    } else if (!isBlank(part.text)) blocks.push(textBlock(part.text))
  }
  return { model: own, blocks, thinks: false }
}

/**
 * Calls come last, as they do in every answer but one whose model thought again between two of them: that order is part of
 * what was sealed, and given back.
 */
function writeAssistant(message: AssistantMessage, options: BlockOptions): Written {
  const blocks: (string | OpenBlock)[] = []
  const calls = toolCallsOf(message).map((call) => ({ call, after: thoughtsBefore(call) }))
  let thoughts = 0
  // Length up to which something follows the thinking: an assistant turn may not end with it.
  let kept = 0
  let thinks = false
  const addCalls = (limit: number): void => {
    while (calls[0] !== undefined && calls[0].after <= limit) kept = blocks.push(callBlock(calls.shift()!.call))
  }
  for (const part of message.parts) {
    if (part.type === 'text' && !isBlank(part.text)) kept = blocks.push(textBlock(part.text))
    const block = part.type === 'reasoning' ? thinkingBlock(part, options) : null
    if (block === null) continue
    addCalls(thoughts)
    thoughts += 1
    thinks ||= blocks.length === 0
    blocks.push(jsonOf(block))
  }
  addCalls(Number.POSITIVE_INFINITY)
  blocks.length = kept
  const sealed = message.parts.some((part) => part.sealed?.wire === 'anthropic')
  return { model: sealed ? options.model : null, blocks, thinks: thinks && kept > 0 }
}

function callBlock(call: ToolCallPart): OpenBlock {
  const head: Omit<ToolUseBlockParam, 'id' | 'input'> = { type: 'tool_use', name: sendableName(call.name, maxToolNameChars) }
  return { id: call.id, tail: `${JSON.stringify(head).slice(1, -1)},"input":${sendableArguments(call.arguments)}}` }
}

/** @returns how many thinking blocks stood before the call where that is known, else more than there are. */
function thoughtsBefore({ sealed }: ToolCallPart): number {
  const after = sealed?.wire === 'anthropic' ? sealed.data['after'] : undefined
  return typeof after === 'number' ? after : Number.POSITIVE_INFINITY
}

type ThinkingBlock = ThinkingBlockParam | RedactedThinkingBlockParam

/** @returns null for thinking that this model did not give, or gave unfinished. */
function thinkingBlock({ text, sealed }: ReasoningPart, { model, official }: BlockOptions): ThinkingBlock | null {
  if (sealed === undefined || sealed.wire !== 'anthropic' || sealed.model !== model) return null
  const { signature, redacted } = sealed.data
  if (typeof redacted === 'string') return { type: 'redacted_thinking', data: redacted }
  if (typeof signature !== 'string' || (signature === '' && official)) return null
  return { type: 'thinking', thinking: text, signature }
}

type ResultContent = Exclude<ToolResultBlockParam['content'], string | undefined>

/** A result that failed may hold nothing but text, and not none: its pictures follow it. */
function writeResult(part: ToolResultPart, { facts, model }: BlockOptions): Written {
  const { id, ok, text, media = [] } = part
  const pictures = media.map((each) => mediaBlock(each, facts.input))
  const content: ResultContent = isBlank(text) ? [] : [{ type: 'text', text }]
  if (!ok && content.length === 0) content.push({ type: 'text', text: '[failed without a message]' })
  if (ok) content.push(...pictures)
  const body: Omit<ToolResultBlockParam, 'tool_use_id'> = { type: 'tool_result' }
  if (content.length > 0) body.content = content
  if (!ok) body.is_error = true
  return {
    model: media.length > 0 ? model : null,
    blocks: [{ id, tail: jsonOf(body).slice(1) }, ...(ok ? [] : pictures.map(jsonOf))],
    thinks: false,
  }
}

type MediaBlock = ImageBlockParam | DocumentBlockParam | TextBlockParam

/** What the model or the protocol does not take becomes a text that says so. */
function mediaBlock(part: MediaPart, input: ModelFacts['input']): MediaBlock {
  const { mediaType, name, data } = part
  if (isPicture(mediaType) && input.includes('image')) {
    return { type: 'image', source: { type: 'base64', media_type: mediaType, data } }
  }
  if (mediaType === 'application/pdf' && input.includes('pdf')) {
    const title = name.slice(0, maxDocumentTitleChars)
    const source = { type: 'base64', media_type: mediaType, data } as const
    return title === '' ? { type: 'document', source } : { type: 'document', source, title }
  }
  return { type: 'text', text: leftOut(part, input) }
}

function isPicture(mediaType: string): mediaType is Base64ImageSource['media_type'] {
  return ['image/jpeg', 'image/png', 'image/gif', 'image/webp'].includes(mediaType)
}

/** Says what is missing and whether another form of it would have been taken. */
function leftOut({ mediaType, name }: MediaPart, input: ModelFacts['input']): string {
  const [word, words, kind] = kindOf(mediaType)
  const file = name === '' ? '' : ` ${JSON.stringify(name)}`
  const taken = kind !== null && input.includes(kind)
  return `[${word}${file} omitted: this model does not accept ${taken ? mediaType : words}]`
}

function kindOf(mediaType: string): readonly [word: string, words: string, kind: InputKind | null] {
  if (mediaType.startsWith('image/')) return ['image', 'images', 'image']
  if (mediaType === 'application/pdf') return ['PDF', 'PDFs', 'pdf']
  if (mediaType.startsWith('audio/')) return ['audio', 'audio', null]
  if (mediaType.startsWith('video/')) return ['video', 'videos', null]
  return ['file', mediaType, null]
}

/** @returns JSON text of a value, without halves of surrogate pairs: the service answers them with "no low surrogate in string". */
export function jsonOf(value: unknown): string {
  return soundJson(JSON.stringify(value))
}

/** Keeps pairs and skips all other escapes, so that an escaped backslash before a `u` is not taken for one. */
const surrogates = /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[dD][89a-fA-F][\da-fA-F]{2}|\\./g

/** @param json valid JSON text */
function soundJson(json: string): string {
  if (!/\\u[dD][89a-fA-F]/.test(json)) return json
  return json.replaceAll(surrogates, (found) => (found.length === 6 ? String.raw`\ufffd` : found))
}

/** Other wires make ids with other characters in them. The same id always becomes the same. */
function sendableId(id: string): string {
  const clean = id.replaceAll(/[^\w-]/g, '_')
  return clean === '' ? 'call' : clean
}

/** @param text arguments as a model wrote them. @returns JSON text of an object: broken text is wrapped, so that the model can still read it. */
function sendableArguments(text: string): string {
  return parseObject(text) === null ? jsonOf(sendableObject(text)) : soundJson(text)
}
