/** Messages of a conversation, made of typed parts, and the files that belong to them. All wire formats of models are built from these. */
import type { Attachment } from './view-schema.ts'
import { type CallId, fenced } from '../base/index.ts'
import type { Label } from './record.ts'
import type { AssistantMessage, ConversationItem, KeptFile, MediaPart, Message, ToolCallPart, UserMessage } from './message-schema.ts'

/** A message of a person with text only. */
export function userMessage(text: string): UserMessage {
  return { role: 'user', parts: [{ type: 'text', text }] }
}

/** A message of a person: its text, and a part that lists the attached files. @param call of the message, for the marks around what they hold */
export function sentMessage(text: string, files: readonly Attachment[], call: CallId): UserMessage {
  if (files.length === 0) return userMessage(text)
  const parts = [text, `\n\n${attachmentLines(files, call)}`].map((each) => ({ type: 'text' as const, text: each }))
  return { role: 'user', parts, files }
}

/** Maximum number of files in a request, the newest ones of the conversation: limited by vendors, and by cost. */
export const maxShownFiles = 8

/** @returns how many files of a message may become parts of it, which count in the context window */
export function showableFiles(message: Message): number {
  const files = message.role === 'assistant' ? [] : (message.files ?? [])
  return files.filter(({ media_type: type }) => /^(image|audio|video)\/|^application\/pdf$/.test(type)).length
}

/** @returns all text of a message, without tool calls and reasoning */
export function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

export function mediaOf({ role, parts }: Message): readonly MediaPart[] {
  if (role === 'tool') return parts[0].media ?? []
  return role === 'user' ? parts.filter((part) => part.type === 'media') : []
}

/** @returns the tool calls of an answer, in its order */
export function toolCallsOf(message: AssistantMessage): readonly ToolCallPart[] {
  return message.parts.filter((part) => part.type === 'tool_call')
}

/** The result of a tool call as a model reads it: untrusted text is fenced. */
export function toolResult(
  call: CallId,
  toolCall: Pick<ToolCallPart, 'id' | 'name'>,
  result: {
    readonly ok: boolean
    readonly text: string
    readonly labels?: readonly Label[] | undefined
    readonly files?: readonly KeptFile[] | undefined
  },
): ConversationItem {
  const text = result.labels?.includes('untrusted') === true ? fenced(result.text, call) : result.text
  const part = { type: 'tool_result', id: toolCall.id, name: toolCall.name, ok: result.ok, text } as const
  return conversationItem(call, { role: 'tool', parts: [part], ...(result.files !== undefined && { files: result.files }) })
}

/** The first line of each message with recalled memories. */
export const recalledBeginning = 'From memory, looked up for the next message; material, not words of the person:'

/**
 * The item with the memories recalled for a message, which precedes that message; always fenced, whatever its labels are.
 * @param call the call that recalled them
 */
export function recalledItem(call: CallId, text: string): ConversationItem {
  return conversationItem(call, { ...userMessage(`${recalledBeginning}\n${fenced(text, call)}`), recalled: true })
}

/** @returns the index of the last message that a person wrote; -1 if no person wrote one */
export function lastSaid(items: readonly Pick<ConversationItem, 'message'>[]): number {
  return items.findLastIndex(({ message }) => message.role === 'user' && message.recalled !== true)
}

/** @returns the id of the `index`th tool call of a generation, which stays the same when a turn is resumed */
export function toolCallId(generation: CallId, index: number): CallId {
  return `${generation}.${index}` as CallId
}

/** @returns the generation and index in a tool call's id, or null for any other call */
export function toolPlace(call: CallId): { readonly generation: CallId; readonly index: number } | null {
  const dot = call.lastIndexOf('.')
  return dot < 0 ? null : { generation: call.slice(0, dot) as CallId, index: Number(call.slice(dot + 1)) }
}

/** @returns the item of a message, with its size */
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

/** What one picture or document counts as in the context window: more than any wire charges for a picture or short document. */
const maxMediaTokens = 6_000

function mediaBytes(media: readonly MediaPart[] | undefined): number {
  return media === undefined ? 0 : media.length * maxMediaTokens
}

/** @returns bytes of a text in UTF-8; for short texts an upper bound, which is cheaper: three per UTF-16 unit outside ASCII */
function utf8Length(text: string): number {
  if (text.length > 64) return Buffer.byteLength(text)
  let bytes = text.length
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) bytes += 2
  return bytes
}

/** Characters of an attached text that its message shows to models: more is read from the file. */
export const maxAttachedHead = 4_000

/** Content-addressed storage for pieces of files. */
export interface Blobs {
  /** Stores the bytes durably. @returns the hash to read them by */
  keep(bytes: Uint8Array): Promise<string>
  read(hash: string): Promise<Uint8Array | null>
}

/** Maximum number of files of one message, and the size of each. */
export const maxAttachments = 10
export const maxAttachmentBytes = 20_000_000
/** Fits into one frame as base64, and small enough that reading it delays nothing else. */
export const maxPieceBytes: number = 2 * 1024 * 1024
const maxNameCharacters = 150

/** @returns a name without folders, control characters and bidirectional marks; never empty, at most 150 characters */
export function cleanFileName(name: string): string {
  const last =
    name
      .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '')
      .split(/[/\\]/)
      .at(-1) ?? ''
  const clean = Array.from(last.trim()).slice(0, maxNameCharacters).join('')
  return /^\.*$/.test(clean) ? 'file' : clean
}

/** Media types with a signature at their beginning, longer signatures before their prefixes. `????` matches any four bytes. */
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

/** Media types based on ZIP: their first bytes are the same, so the declared type is used. */
const zipKinds = /^application\/(vnd\.openxmlformats-officedocument\.[\w.-]+|vnd\.oasis\.opendocument\.[\w.-]+|epub\+zip|java-archive)$/

/** @returns the media type of the content; `declared` is used only to distinguish text formats and ZIP-based formats */
export function mediaTypeOf(head: Uint8Array, declared: string): string {
  const found = signatures.find(([, hex]) => startsWith(head, hex))?.[0]
  if (found === 'application/zip' && zipKinds.test(declared)) return declared.slice(0, maxNameCharacters)
  if (found !== undefined) return found
  // MPEG audio without a tag begins with eleven set bits.
  if (head[0] === 0xff && ((head[1] ?? 0) & 0xe6) === 0xe2) return 'audio/mpeg'
  if (!isText(head)) return 'application/octet-stream'
  return isTextType(declared) ? declared : 'text/plain'
}

export function isTextType(mediaType: string): boolean {
  return /^(text\/[a-z0-9.+-]+|application\/(json|xml|x-ndjson|toml|yaml))$/.test(mediaType)
}

function startsWith(bytes: Uint8Array, hex: string): boolean {
  let at = 0
  for (const group of hex.split(/(\?{4})/)) {
    if (group === '????') at += 4
    else for (let i = 0; i < group.length; i += 2) if (bytes[at++] !== parseInt(group.slice(i, i + 2), 16)) return false
  }
  return true
}

/** @returns whether the beginning of a file is UTF-8 without NUL; an incomplete last character is allowed, because the file continues */
function isText(head: Uint8Array): boolean {
  if (head.includes(0)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

/** @returns the lines about a message's attachments for the model */
function attachmentLines(files: readonly Attachment[], call: CallId): string {
  const lines = files.map(({ index, name, media_type: type, bytes, head }) => {
    const line = `${index}: ${JSON.stringify(name)}, ${type}, ${bytes} bytes`
    if (head === undefined) return line
    return `${line}, ${Buffer.byteLength(head) === bytes ? 'all of it' : 'its beginning'}:\n${fenced(head, call)}`
  })
  return `[Attached to this message; attachment_save saves one by its index:\n${lines.join('\n')}]`
}
