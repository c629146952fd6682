/**
 * One message as content blocks. What is written here depends on the message and the model alone, never on the conversation
 * around it, so that it can be kept: ids of calls and cache markers, which do depend on it, are put in later.
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
import type {
  AssistantMessage,
  InputKind,
  MediaPart,
  Message,
  ModelFacts,
  ReasoningPart,
  ToolCallPart,
  ToolResultPart,
  UserMessage,
} from '../../types/index.ts'
import { toolCallsOf } from '../../types/index.ts'
import { maxDocumentTitleChars } from '../limits.ts'
import { jsonOf, sendableArguments, sendableName } from './sendable-text.ts'

/** A `tool_use` or `tool_result` block from behind its id: the conversation decides what id it is sent under. */
export interface OpenBlock {
  readonly id: string
  /** JSON text after `{"id":"…",` or `{"tool_use_id":"…",`. */
  readonly tail: string
}

export interface Written {
  /** The model that it was written for; null when it is the same for every model. */
  readonly model: string | null
  /** In order. Those that are complete are JSON text. */
  readonly blocks: readonly (string | OpenBlock)[]
  /** Begins with thinking that is given back. */
  readonly thinks: boolean
}

export interface BlockOptions {
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

export function textBlock(text: string): string {
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
  const head: Omit<ToolUseBlockParam, 'id' | 'input'> = { type: 'tool_use', name: sendableName(call.name) }
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
  return `[${word}${file} left out: this model does not take ${taken ? mediaType : words}]`
}

function kindOf(mediaType: string): readonly [word: string, words: string, kind: InputKind | null] {
  if (mediaType.startsWith('image/')) return ['picture', 'pictures', 'image']
  if (mediaType === 'application/pdf') return ['PDF', 'PDFs', 'pdf']
  if (mediaType.startsWith('audio/')) return ['recording', 'recordings', null]
  if (mediaType.startsWith('video/')) return ['video', 'videos', null]
  return ['file', mediaType, null]
}
