/** The size of a picture in pixels or of a document in pages, read from as few bytes as possible. Files are untrusted: nothing here throws. */
import { imageDimensionsFromData } from 'image-dimensions'
import type { MediaPart } from '../../protocol/index.ts'
import { imageHeaderChars, maxObjectStreams, maxPdfInflatedBytes, maxPdfPages } from '../limits.ts'

export type MediaSize =
  /** `pixels` is null when the header is broken or of a format that is not read: PNG, JPEG, GIF, WebP, AVIF and HEIC are. */
  | { readonly kind: 'image'; readonly pixels: { readonly width: number; readonly height: number } | null }
  | { readonly kind: 'pdf'; readonly pages: number }
  | { readonly kind: 'audio' | 'video' | 'other'; readonly bytes: number }

export function measureMedia(part: MediaPart): MediaSize {
  const type = part.mediaType.toLowerCase()
  if (type.startsWith('image/')) return { kind: 'image', pixels: pixelsOf(part.data) }
  if (type.startsWith('application/pdf')) return { kind: 'pdf', pages: countPdfPages(Buffer.from(part.data, 'base64')) }
  const kind = type.startsWith('audio/') ? 'audio' : type.startsWith('video/') ? 'video' : 'other'
  return { kind, bytes: Buffer.byteLength(part.data, 'base64') }
}

/** Most headers are within the first kilobytes; a JPEG may have colour profiles and previews of megabytes before its size. */
function pixelsOf(base64: string): { readonly width: number; readonly height: number } | null {
  for (const chars of imageHeaderChars) {
    const pixels = readHeader(Buffer.from(base64.slice(0, chars), 'base64'))
    if (pixels !== null) return pixels.width > 0 && pixels.height > 0 ? pixels : null
    if (base64.length <= chars) return null
  }
  return null
}

function readHeader(bytes: Uint8Array): { readonly width: number; readonly height: number } | null {
  try {
    return imageDimensionsFromData(bytes) ?? null
  } catch {
    // Lists of hundreds of thousands of boxes overflow the reader's stack.
    return null
  }
}

/**
 * Counts the pages of a PDF without a PDF library, from its bytes: each page is an object of the type Page, which stands in
 * the file as it is or in a compressed object stream. Old revisions that a file still holds are counted too: too many is
 * better than too few. An encrypted file hides its objects; then the number that the file claims, or a bound from its length, is used.
 *
 * @returns at least 1, at most `maxPdfPages`. Never throws, whatever the bytes are.
 */
export function countPdfPages(bytes: Buffer): number {
  const text = bytes.toString('latin1')
  const found = Math.max(countPages(text) + pagesInObjectStreams(bytes, text), claimedByLinearization(text))
  const pages = found > 0 ? found : claimedByTree(text)
  // A page takes more than this many bytes, even one that is empty: a claim of millions is false.
  const possible = Math.max(1, Math.ceil(bytes.length / leastPageBytes))
  return Math.min(maxPdfPages, Math.max(1, pages > 0 ? Math.min(pages, possible) : Math.ceil(bytes.length / usualPageBytes)))
}

/** A page object in a compressed stream, at the very least. */
const leastPageBytes = 16

/** A page of plain text, compressed, with its share of fonts: the bound where nothing can be read. Scans are far larger. */
const usualPageBytes = 2_000

function countPages(text: string): number {
  let pages = 0
  for (const _ of text.matchAll(/\/Type\s*\/Page(?![A-Za-z])/g)) pages += 1
  return pages
}

function pagesInObjectStreams(bytes: Buffer, text: string): number {
  const next = /\/Type\s*\/ObjStm/g
  let pages = 0
  let room: number = maxPdfInflatedBytes
  for (let streams = 0; streams < maxObjectStreams && room > 0 && next.test(text); streams++) {
    const rest = /stream\r?\n/.exec(text.slice(next.lastIndex, next.lastIndex + 400))
    if (rest === null) continue
    const begin = next.lastIndex + rest.index + rest[0].length
    const end = text.indexOf('endstream', begin)
    const inflated = inflate(bytes.subarray(begin, end < 0 ? bytes.length : end), room)
    room -= inflated.length
    pages += countPages(inflated)
    if (end < 0) break
    // On from the end of this stream: each byte is read once, however many streams are nested in one another.
    next.lastIndex = end
  }
  return pages
}

/** @returns empty when it is no deflated stream, is encrypted, or grows over the limit. */
function inflate(bytes: Buffer, maxBytes: number): string {
  const { inflateSync } = process.getBuiltinModule('node:zlib')
  try {
    return inflateSync(bytes, { maxOutputLength: maxBytes }).toString('latin1')
  } catch {
    return ''
  }
}

/** A file that is prepared for the web has the number of its pages at the beginning. */
function claimedByLinearization(text: string): number {
  return Number(/\/Linearized[^>]{0,400}\/N\s+(\d{1,9})/.exec(text.slice(0, 2_048))?.[1] ?? 0)
}

/** The largest number of pages that a node of the page tree claims. */
function claimedByTree(text: string): number {
  let pages = 0
  let nodes = 0
  for (const { index } of text.matchAll(/\/Type\s*\/Pages/g)) {
    nodes += 1
    if (nodes > maxPdfPages) break
    const near = text.slice(Math.max(0, index - 400), index + 400)
    for (const [, count] of near.matchAll(/\/Count\s+(\d{1,9})/g)) pages = Math.max(pages, Number(count))
  }
  return pages
}
