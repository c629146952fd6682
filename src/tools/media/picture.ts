/**
 * Checks a picture for a model and stores it in pieces next to the journal. A service that rejects one picture rejects every request
 * of the conversation that includes it, so a broken, truncated or oversized picture is replaced by a sentence.
 */
import { plural } from '../../base/index.ts'
import {
  type Blobs,
  type CallContext,
  cleanFileName,
  type KeptFile,
  maxPieceBytes,
  mediaTypeOf,
  type Profile,
} from '../../protocol/index.ts'
import { maxPictureBytes, maxPictureSide, readTimeoutMs } from '../limits.ts'

export interface Picture {
  readonly file: KeptFile
  readonly width: number
  readonly height: number
}

/** The types that every service accepts. */
const shownTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif'])

/** @returns whether the content is a picture of any type, by its first bytes */
export function isPicture(head: Uint8Array): boolean {
  return mediaTypeOf(head, '').startsWith('image/')
}

/** @param path in the form that hands use. @returns the picture, or a sentence why it cannot be shown. @throws OxbowError as Hands.ask does */
export async function readPicture(path: string, profile: Profile, context: CallContext): Promise<Picture | string> {
  const hands = await context.sandbox.hands(profile)
  const read = await hands.ask(
    'bytes',
    { path, offset: 0, maxBytes: maxPictureBytes },
    { signal: context.signal, timeoutMs: readTimeoutMs },
  )
  if (read.totalBytes > maxPictureBytes) return tooLarge(read.totalBytes)
  return keepPicture(path, read.content, context.blobs)
}

/** @param name file name or path. @returns the picture, or a sentence why it cannot be shown */
export async function keepPicture(name: string, content: Uint8Array, blobs: Blobs): Promise<Picture | string> {
  const type = mediaTypeOf(content, '')
  if (!shownTypes.has(type)) return `Models can see PNG, JPEG, WebP and GIF, not ${type}.`
  if (content.length > maxPictureBytes) return tooLarge(content.length)
  const size = isWhole(type, content) ? await measure(content) : null
  if (size === null) return 'It is damaged or incomplete.'
  const { width, height } = size
  if (Math.max(width, height) > maxPictureSide) return `It is ${width} × ${height}; the limit is ${maxPictureSide} on each side.`
  const pieces: string[] = []
  for (let at = 0; at < content.length; at += maxPieceBytes) pieces.push(await blobs.keep(content.subarray(at, at + maxPieceBytes)))
  return { file: { name: cleanFileName(name), media_type: type, bytes: content.length, pieces }, width, height }
}

/** The line that stands for the picture in text results. */
export function pictureLine(what: string, { file, width, height }: Picture): string {
  return `${what} (${file.media_type}, ${width} × ${height}, ${plural(file.bytes, 'byte')}): the picture is attached to this result.`
}

function tooLarge(bytes: number): string {
  return `It has ${bytes} bytes; the limit is ${maxPictureBytes}.`
}

/** Each format marks its end, which an interrupted download lacks. */
function isWhole(type: string, content: Uint8Array): boolean {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  switch (type) {
    case 'image/png':
      return hasWholeChunks(bytes)
    case 'image/jpeg':
      // Cameras append data behind the end of the picture.
      return bytes.includes(Buffer.from([0xff, 0xd9]))
    case 'image/gif':
      return bytes.subarray(-64).includes(0x3b)
    default:
      // RIFF: the size of what follows, little-endian.
      return bytes.length >= 12 && bytes.readUInt32LE(4) + 8 <= bytes.length
  }
}

/** PNG, 5.3: each chunk has a length, a type of four letters, and a CRC over type and content. Decoders ignore a wrong CRC where the first letter is lower case. */
function hasWholeChunks(bytes: Buffer): boolean {
  const { crc32 } = process.getBuiltinModule('node:zlib')
  for (let at = 8; at + 12 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32BE(at)
    if (end + 4 > bytes.length) return false
    const letters = bytes.toString('latin1', at + 4, at + 8)
    if (/^[A-Z]/.test(letters) && crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) return false
    if (letters === 'IEND') return true
    at = end + 4
  }
  return false
}

async function measure(content: Uint8Array): Promise<{ readonly width: number; readonly height: number } | null> {
  const { imageDimensionsFromData } = await import('image-dimensions')
  try {
    const size = imageDimensionsFromData(content)
    return size !== undefined && size.width > 0 && size.height > 0 ? size : null
  } catch {
    // The decoder's own message names the damage.
    return null
  }
}
