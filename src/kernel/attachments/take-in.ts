/**
 * Takes in the files of a message before the message passes the gate: what came as bytes becomes blobs, what was uploaded
 * before is looked up, names are cleaned and kinds told from the content. The journal then holds names and hashes.
 */
import {
  type Blobs,
  cleanFileName,
  type KeptFile,
  maxAttachmentBytes,
  maxAttachments,
  maxPieceBytes,
  mediaTypeOf,
  OxbowError,
  type SentFile,
} from '../../types/index.ts'
import { maxPieces } from '../limits.ts'

/** @throws OxbowError `limit_reached`, `bad_input` (no base64), or `not_found` for a piece that was never uploaded. */
export async function takeIn(files: readonly SentFile[], blobs: Blobs): Promise<readonly KeptFile[]> {
  if (files.length > maxAttachments) throw tooMuch(`${files.length} files are attached; ${maxAttachments} is the most.`)
  // One after the other: together they may be 40 MB.
  const kept: KeptFile[] = []
  for (const file of files) kept.push(await takeFile(file, blobs))
  return kept
}

async function takeFile({ name, media_type: said, data, pieces = [] }: SentFile, blobs: Blobs): Promise<KeptFile> {
  const cleaned = cleanFileName(name)
  const content = data === undefined ? await uploaded(pieces, cleaned, blobs) : await inline(data, cleaned, blobs)
  if (content.bytes === 0) throw new OxbowError('bad_input', `${cleaned} is empty.`, { hint: 'Attach a file with something in it.' })
  return { name: cleaned, media_type: mediaTypeOf(content.head, said), bytes: content.bytes, pieces: content.pieces }
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
  if (pieces.length > maxPieces) throw tooMuch(`${name} has ${pieces.length} pieces; ${maxPieces} is the most.`)
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

/** @returns null for what is no base64: Buffer itself skips what it does not know. */
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
  return new OxbowError('limit_reached', message, { hint: 'Put larger files, and more of them, into the folder shared of the workspace.' })
}
