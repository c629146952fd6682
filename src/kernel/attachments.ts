/**
 * Files of messages and tool results. Attached files become blobs before their message passes the gate, so that the journal and the
 * conversation contain only names and hashes. Before a generation, the newest files that fit become parts of their messages; older ones
 * remain lines that name them. So a turn costs the same however much was attached to older ones, and bytes are read rarely.
 */
import type { Store } from '../store/index.ts'
import {
  type Attachment,
  type Blobs,
  cleanFileName,
  createRecentMap,
  headOf,
  type InputKind,
  isTextType,
  type KeptFile,
  maxAttachedHead,
  maxAttachmentBytes,
  maxAttachments,
  maxPieceBytes,
  maxShownFiles,
  type MediaPart,
  mediaTypeOf,
  type Message,
  type ModelFacts,
  OxbowError,
  parseObject,
  type SentFile,
  type SessionId,
  type ToolMessage,
  type UserMessage,
} from '../types/index.ts'
import { maxHeldFileBytes, maxMessagesSearched, maxPieces, maxShownFileBytes } from './limits.ts'

/** @returns the messages with their newest files as parts; the same objects where nothing changes, and for the same files */
export type ShowFiles = (messages: readonly Message[], facts: Pick<ModelFacts, 'input'>) => Promise<readonly Message[]>

interface Held {
  readonly key: string
  readonly message: Message
  readonly bytes: number
}

/** Why a file is not shown, as the model reads it. */
type Left = 'this model does not take files of its kind' | 'newer files took its place; repeat the call to see it'

export function createFileShower(blobs: Pick<Blobs, 'read'>): ShowFiles {
  const held = createRecentMap<Message, Held>(maxHeldFileBytes, ({ bytes }) => bytes)
  const show = async (plain: UserMessage | ToolMessage, files: readonly KeptFile[], left: readonly Left[]): Promise<Message> => {
    const key = [...files.flatMap((file) => file.pieces), ...left].join()
    const known = held.get(plain)
    const shown = known?.key === key ? known : { key, ...(await withFiles(plain, files, left, blobs)) }
    held.put(plain, shown)
    return shown.message
  }
  return async (messages, { input }) => {
    const result = [...messages]
    const room = { files: maxShownFiles, bytes: maxShownFileBytes }
    for (let i = messages.length - 1; i >= 0; i--) {
      const message = messages[i]!
      if (message.role === 'assistant' || message.files === undefined) continue
      const fits = message.files.filter((file) => takesPlace(file, input, room))
      // A user's message names its files, which can be read by index; a tool result says why a file is missing.
      const left = message.role === 'user' ? [] : message.files.filter((file) => !fits.includes(file)).map((file) => whyLeft(file, input))
      if (fits.length + left.length > 0) result[i] = await show(message, fits, left)
    }
    return result
  }
}

function takesPlace({ media_type: type, bytes }: KeptFile, input: readonly InputKind[], room: { files: number; bytes: number }): boolean {
  const kind = kindOf(type)
  if (kind === null || !input.includes(kind) || room.files === 0 || bytes > room.bytes) return false
  room.files -= 1
  room.bytes -= bytes
  return true
}

function whyLeft({ media_type: type }: KeptFile, input: readonly InputKind[]): Left {
  const kind = kindOf(type)
  const taken = kind !== null && input.includes(kind)
  return taken ? 'newer files took its place; repeat the call to see it' : 'this model does not take files of its kind'
}

function kindOf(mediaType: string): InputKind | null {
  if (mediaType === 'application/pdf') return 'pdf'
  const kind = /^(image|audio|video)\//.exec(mediaType)?.[1]
  return (kind as InputKind | undefined) ?? null
}

async function withFiles(
  plain: UserMessage | ToolMessage,
  files: readonly KeptFile[],
  left: readonly Left[],
  blobs: Pick<Blobs, 'read'>,
): Promise<Omit<Held, 'key'>> {
  const media: MediaPart[] = []
  for (const { name, media_type: mediaType, pieces } of files) {
    const content = await Promise.all(pieces.map((hash) => blobs.read(hash)))
    // A store that lost a piece reports its own damage; the line that names the file stays.
    if (content.some((piece) => piece === null)) continue
    const data = Buffer.concat(content as readonly Uint8Array[]).toString('base64')
    media.push({ type: 'media', mediaType, name, data })
  }
  const bytes = media.reduce(
    (sum, { data }) => sum + data.length,
    plain.parts.reduce((sum, part) => sum + textBytes(part), 0),
  )
  if (plain.role === 'user') return { message: { role: 'user', parts: [...plain.parts, ...media] }, bytes }
  const [result] = plain.parts
  const text = [result.text, ...left.map((why) => `[picture not shown: ${why}]`)].join('\n')
  return { message: { role: 'tool', parts: [{ ...result, text, ...(media.length > 0 && { media }) }] }, bytes }
}

function textBytes(part: Message['parts'][number]): number {
  return 'text' in part ? part.text.length : 0
}

/**
 * Keeps the files of a message: bytes become blobs, uploaded pieces are looked up, names are cleaned, and types are detected from the
 * content. @throws OxbowError `limit_reached`, `bad_input` (no base64), or `not_found` for a piece that was never uploaded
 */
export async function takeIn(files: readonly SentFile[], blobs: Blobs): Promise<readonly KeptFile[]> {
  if (files.length > maxAttachments) throw tooMuch(`${files.length} files are attached; the limit is ${maxAttachments}.`)
  // One by one: together they may have 40 MB.
  const kept: KeptFile[] = []
  for (const file of files) kept.push(await takeFile(file, blobs))
  return kept
}

async function takeFile({ name, media_type: said, data, pieces = [] }: SentFile, blobs: Blobs): Promise<KeptFile> {
  const cleaned = cleanFileName(name)
  const content = data === undefined ? await uploaded(pieces, cleaned, blobs) : await inline(data, cleaned, blobs)
  if (content.bytes === 0) throw new OxbowError('bad_input', `${cleaned} is empty.`, { hint: 'Attach a file with something in it.' })
  const type = mediaTypeOf(content.head, said)
  const head = isTextType(type) ? textHead(content.head) : ''
  return { name: cleaned, media_type: type, bytes: content.bytes, pieces: content.pieces, ...(head !== '' && { head }) }
}

/** @returns the first characters of a text; empty for what is no UTF-8 after all */
function textHead(bytes: Uint8Array): string {
  try {
    // A character has at most four bytes, and the last one may be cut.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, 4 * maxAttachedHead), { stream: true })
    return headOf(text, maxAttachedHead)
  } catch {
    return ''
  }
}

/** @returns files that came with turns of the session before this one, those of the newest message first */
export async function earlierFiles(store: Pick<Store, 'records'>, session: SessionId, turn: string): Promise<readonly Attachment[]> {
  const begun = { session, phases: ['started'], order: 'newest_first', limit: maxMessagesSearched, hydrate: true } as const
  const records = await store.records(begun)
  return records
    .filter(({ call }) => call !== turn)
    .flatMap(({ body }) => (parseObject(body)?.['attachments'] ?? []) as unknown as readonly Attachment[])
    .map((file) => ({ ...file, earlier: true }))
}

interface Content {
  readonly head: Uint8Array
  readonly bytes: number
  readonly pieces: readonly string[]
}

async function inline(data: string, name: string, blobs: Blobs): Promise<Content> {
  const content = decodeBase64(data)
  if (content === null) throw new OxbowError('bad_input', `The data of ${name} is no base64.`, { hint: 'data: base64 without a prefix.' })
  assertSize(content.length, name)
  const pieces: string[] = []
  for (let at = 0; at < content.length; at += maxPieceBytes) pieces.push(await blobs.keep(content.subarray(at, at + maxPieceBytes)))
  return { head: content, bytes: content.length, pieces }
}

async function uploaded(pieces: readonly string[], name: string, blobs: Blobs): Promise<Content> {
  if (pieces.length > maxPieces) throw tooMuch(`${name} has ${pieces.length} pieces; the limit is ${maxPieces}.`)
  let head: Uint8Array = new Uint8Array()
  let bytes = 0
  for (const hash of pieces) {
    const piece = await blobs.read(hash)
    if (piece === null)
      throw new OxbowError('not_found', `A piece of ${name} was not uploaded.`, { hint: 'Upload it by attachment.put first.' })
    if (bytes === 0) head = piece
    bytes += piece.length
    assertSize(bytes, name)
  }
  return { head, bytes, pieces }
}

/** @returns null for invalid base64, of which Buffer skips the invalid characters */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
    ? bytes
    : null
}

function assertSize(bytes: number, name: string): void {
  if (bytes > maxAttachmentBytes) throw tooMuch(`${name} is larger than ${maxAttachmentBytes} bytes.`)
}

function tooMuch(message: string): OxbowError {
  return new OxbowError('limit_reached', message, { hint: 'Put larger or more files into the folder `shared` of the workspace.' })
}
