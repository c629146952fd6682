/** Messages of a conversation, made of typed parts. The wire formats of models are made from these and nothing else. */
import type { Failure } from './error.ts'
import type { CallId } from './id.ts'
import type { Label } from './record.ts'
import { fenced, type JsonObject } from './text.ts'

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

/** Files that the journal keeps by their content: what a person attaches to a message, and what an agent sends to them. */

/** A file as blobs: its content is that of the pieces, joined. */
export interface KeptFile {
  /** For people and models; never a path. */
  readonly name: string
  /** Told from the content where that can tell, e.g. `image/png`. */
  readonly media_type: string
  readonly bytes: number
  /** Hashes of its pieces, in order; none for an empty file. */
  readonly pieces: readonly string[]
}

/** A file that came with a message. `index` counts the attachments of its turn from 0. */
export interface Attachment extends KeptFile {
  readonly index: number
}

/** Where kept pieces are. */
export interface Blobs {
  /** @returns the hash under which the bytes can be read, now durable. */
  keep(bytes: Uint8Array): Promise<string>
  read(hash: string): Promise<Uint8Array | null>
}

/** Files that come with one message, and the size of each. */
export const maxAttachments = 4
export const maxAttachmentBytes = 10_000_000
/** As base64 it fits into one frame, and reading it holds up nothing. */
export const maxPieceBytes: number = 2 * 1024 * 1024
const maxNameCharacters = 150

/** @returns a name without folders, control characters and marks that turn writing around; never empty, at most 150 characters. */
export function cleanFileName(name: string): string {
  const last =
    name
      .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
      .split(/[/\\]/)
      .at(-1) ?? ''
  const clean = Array.from(last.trim()).slice(0, maxNameCharacters).join('')
  return /^\.*$/.test(clean) ? 'file' : clean
}

/** Kinds that begin with bytes of their own, the longest first where one is part of another. `????` is any four bytes. */
const signatures: readonly (readonly [mediaType: string, hex: string])[] = [
  ['image/png', '89504e470d0a1a0a'],
  ['image/jpeg', 'ffd8ff'],
  ['image/gif', '47494638'],
  ['image/webp', '52494646????57454250'],
  ['audio/wav', '52494646????57415645'],
  ['video/x-msvideo', '52494646????41564920'],
  ['application/pdf', '255044462d'],
  ['audio/ogg', '4f67675300'],
  ['audio/flac', '664c6143'],
  ['audio/mpeg', '494433'],
  ['audio/mp4', '????667479704d3441'],
  ['image/avif', '????6674797061766966'],
  ['image/heic', '????6674797068656963'],
  ['video/quicktime', '????667479707174'],
  ['video/mp4', '????66747970'],
  ['video/webm', '1a45dfa3'],
  ['image/bmp', '424d????0000'],
  ['image/tiff', '49492a00'],
  ['image/tiff', '4d4d002a'],
  ['application/zip', '504b0304'],
  ['application/gzip', '1f8b08'],
  ['application/x-7z-compressed', '377abcaf271c'],
  ['application/x-executable', '7f454c46'],
]

/** Kinds that are a ZIP file inside: their first bytes cannot tell them apart, so the sender is believed. */
const zipKinds = /^application\/(vnd\.openxmlformats-officedocument\.[\w.-]+|vnd\.oasis\.opendocument\.[\w.-]+|epub\+zip|java-archive)$/

/** @returns what the content is; `said` counts only where the content cannot tell: among texts, and among ZIP files. */
export function mediaTypeOf(head: Uint8Array, said: string): string {
  const found = signatures.find(([, hex]) => startsWith(head, hex))?.[0]
  if (found === 'application/zip' && zipKinds.test(said)) return said.slice(0, maxNameCharacters)
  if (found !== undefined) return found
  // MPEG audio without a tag begins with eleven set bits.
  if (head[0] === 0xff && ((head[1] ?? 0) & 0xe6) === 0xe2) return 'audio/mpeg'
  if (!isText(head)) return 'application/octet-stream'
  return /^(text\/[a-z0-9.+-]+|application\/(json|xml|x-ndjson|toml|yaml))$/.test(said) ? said : 'text/plain'
}

function startsWith(bytes: Uint8Array, hex: string): boolean {
  let at = 0
  for (const group of hex.split(/(\?{4})/)) {
    if (group === '????') at += 4
    else for (let i = 0; i < group.length; i += 2) if (bytes[at++] !== parseInt(group.slice(i, i + 2), 16)) return false
  }
  return true
}

/** Text has no NUL and is UTF-8; a character that the head cuts in two is whole in the file. */
function isText(head: Uint8Array): boolean {
  if (head.includes(0)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

/** What a model is told about the attachments of a message. */
export function attachmentLines(files: readonly Attachment[]): string {
  const lines = files.map(({ index, name, media_type: type, bytes }) => `${index}: ${JSON.stringify(name)}, ${type}, ${bytes} bytes`)
  return `[Attached to this message; attachment_save saves one by its index:\n${lines.join('\n')}]`
}
