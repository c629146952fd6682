/** Messages of a conversation, made of typed parts. The wire formats of models are made from these and nothing else. */
import type { Label } from './call.ts'
import type { Failure } from './error.ts'
import { fenced } from './fence.ts'
import type { CallId } from './id.ts'
import type { JsonObject } from './json.ts'
import { type Attachment, attachmentLines, type KeptFile } from './kept-file.ts'

/**
 * What a wire gave with a part and wants back unchanged: a signature, encrypted reasoning, the id of an item. Opaque to all
 * but the wire that made it, and given back only to the same wire and model.
 */
export interface Sealed {
  readonly wire: string
  readonly model: string
  readonly data: JsonObject
}

export interface TextPart {
  readonly type: 'text'
  readonly text: string
  readonly sealed?: Sealed
}

/** A model's thinking, kept to be given back where a wire demands it. `text` may be empty: some wires give only the seal. */
export interface ReasoningPart {
  readonly type: 'reasoning'
  readonly text: string
  readonly sealed?: Sealed
}

/** A picture or a document for the model to look at. */
export interface MediaPart {
  readonly type: 'media'
  /** E.g. `image/png`, `image/jpeg`, `image/webp`, `image/gif`, `application/pdf`. */
  readonly mediaType: string
  /** File name, shown to the model where the wire has a place for it; may be empty. */
  readonly name: string
  /** Base64, without a `data:` prefix. */
  readonly data: string
}

/** What a model asks for. `arguments` is the text as the model wrote it: it may be no JSON at all. */
export interface ToolCallPart {
  readonly type: 'tool_call'
  /** The model's own id: not unique across steps, sometimes not within one. */
  readonly id: string
  /** Tool name as the model sees it, e.g. `file_read`. */
  readonly name: string
  readonly arguments: string
  readonly sealed?: Sealed
}

export interface ToolResultPart {
  readonly type: 'tool_result'
  /** `id` of the tool call that this answers. */
  readonly id: string
  readonly name: string
  readonly ok: boolean
  readonly text: string
  /** Pictures that belong to the result. */
  readonly media?: readonly MediaPart[]
}

export interface UserMessage {
  readonly role: 'user'
  readonly parts: readonly (TextPart | MediaPart)[]
  /** Files that came with it, by hash. The kernel makes parts of the newest when a model is asked that can look at them. */
  readonly files?: readonly KeptFile[]
  /** What memory has found, and no words of a person. */
  readonly recalled?: true
}

export interface AssistantMessage {
  readonly role: 'assistant'
  readonly parts: readonly (TextPart | ReasoningPart | ToolCallPart)[]
}

/** The result of exactly one tool call. */
export interface ToolMessage {
  readonly role: 'tool'
  readonly parts: readonly [ToolResultPart]
  /** Pictures of the result, by hash: as with a message of the user. */
  readonly files?: readonly KeptFile[]
}

export type Message = UserMessage | AssistantMessage | ToolMessage

export function userMessage(text: string): UserMessage {
  return { role: 'user', parts: [{ type: 'text', text }] }
}

/** A message as a person sent it: its text, and a part that names what came with it. */
export function sentMessage(text: string, files: readonly Attachment[] = []): UserMessage {
  if (files.length === 0) return userMessage(text)
  const parts = [text, `\n\n${attachmentLines(files)}`].map((each) => ({ type: 'text' as const, text: each }))
  return { role: 'user', parts, files }
}

/** Files that a model is shown at once, the newest of a conversation: what vendors take in one request, and what a turn may cost. */
export const maxShownFiles = 8

/** How many files of a message may become parts of it, for what it counts in a window. */
export function showableFiles(message: Message): number {
  const files = message.role === 'assistant' ? [] : (message.files ?? [])
  return files.filter(({ media_type: type }) => /^(image|audio|video)\/|^application\/pdf$/.test(type)).length
}

/** @returns all text of a message, joined; tool calls and reasoning left out. */
export function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

export function toolCallsOf(message: AssistantMessage): readonly ToolCallPart[] {
  return message.parts.filter((part) => part.type === 'tool_call')
}

/** A message in its conversation. */
export interface ConversationItem {
  /** The call whose record brought it: a sent message, a generation, or a tool call (`<generation>.<index>`). */
  readonly call: CallId
  readonly message: Message
  /** UTF-8 bytes of what a tokenizer would count; tokens never exceed it. Media count by a bound, not by their bytes. */
  readonly bytes: number
  /** Of a generation that did not end by itself: how it ended. */
  readonly ended?: 'length' | 'cancelled' | Failure
}

/** What a model reads of one tool call: what was written by others stands in a fence. */
export function toolResult(
  call: CallId,
  asked: Pick<ToolCallPart, 'id' | 'name'>,
  result: {
    readonly ok: boolean
    readonly text: string
    readonly labels?: readonly Label[] | undefined
    readonly files?: readonly KeptFile[] | undefined
  },
): ConversationItem {
  const text = result.labels?.includes('untrusted') === true ? fenced(result.text, call) : result.text
  const part = { type: 'tool_result', id: asked.id, name: asked.name, ok: result.ok, text } as const
  return conversationItem(call, { role: 'tool', parts: [part], ...(result.files !== undefined && { files: result.files }) })
}

/** Begins each message that holds what was recalled. */
export const recalledBeginning = 'From memory, looked up for the next message; material, not words of the person:'

/**
 * What was recalled for a message, as it stands before that message: data in a fence, whatever its labels say.
 * @param call the call that recalled it
 */
export function recalledItem(call: CallId, text: string): ConversationItem {
  return conversationItem(call, { ...userMessage(`${recalledBeginning}\n${fenced(text, call)}`), recalled: true })
}

/** @returns where what a person said last stands; -1 when nobody has said anything. */
export function lastSaid(items: readonly Pick<ConversationItem, 'message'>[]): number {
  return items.findLastIndex(({ message }) => message.role === 'user' && message.recalled !== true)
}

/** The id of the `index`th tool call of a generation: the same when a turn is resumed. */
export function toolCallId(generation: CallId, index: number): CallId {
  return `${generation}.${index}` as CallId
}

/** @returns the generation and index of a tool call's id, or null for any other call. */
export function toolPlace(call: CallId): { readonly generation: CallId; readonly index: number } | null {
  const dot = call.lastIndexOf('.')
  return dot < 0 ? null : { generation: call.slice(0, dot) as CallId, index: Number(call.slice(dot + 1)) }
}

/** @returns the item of a message, measured. */
export function conversationItem(call: CallId, message: Message): ConversationItem {
  let bytes = showableFiles(message) * maxMediaTokens
  for (const part of message.parts) {
    if (part.type === 'tool_call') bytes += utf8Length(part.arguments) + part.name.length + part.id.length
    else if (part.type === 'tool_result') bytes += utf8Length(part.text) + part.id.length + mediaBytes(part.media)
    else if (part.type === 'media') bytes += maxMediaTokens
    else bytes += utf8Length(part.text)
  }
  return { call, message, bytes }
}

/** What one picture or document counts for in a window: more than any wire charges for a picture, or a short document. */
const maxMediaTokens = 6_000

function mediaBytes(media: readonly MediaPart[] | undefined): number {
  return media === undefined ? 0 : media.length * maxMediaTokens
}

/** Bytes of a text in UTF-8, an upper bound where that is cheaper: ASCII is exact, all else counts three a unit. */
function utf8Length(text: string): number {
  if (text.length > 64) return Buffer.byteLength(text)
  let bytes = text.length
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) bytes += 2
  return bytes
}
