/**
 * Files of messages. They become blobs before their message passes the gate, so that the journal and the conversation contain only names and
 * hashes.
 */
import type { Store } from '../../store/index.ts'
import { headOf, OxbowError, parseObject, type SessionId } from '../../base/index.ts'
import {
  type Attachment,
  type Blobs,
  cleanFileName,
  isTextType,
  type KeptFile,
  maxAttachedHead,
  maxAttachmentBytes,
  maxAttachments,
  maxPieceBytes,
  mediaTypeOf,
  type SentFile,
} from '../../protocol/index.ts'

/** Pieces of one attachment: as many as the largest one needs, and some for senders that cut smaller ones. */
export const maxPieces = 32

/** Records of a session in which files of earlier messages are looked for, the newest. */
const maxMessagesSearched = 2_000

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

/** @returns files that came with the session's earlier turns, the newest message's first */
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

/** @returns null for invalid base64: Buffer would skip its invalid characters */
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
