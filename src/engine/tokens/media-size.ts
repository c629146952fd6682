/** The size of a picture or document, read from as few of its bytes as will do. Files are hostile: nothing here throws. */
import { imageDimensionsFromData } from 'image-dimensions'
import type { MediaPart } from '../../types/index.ts'
import { imageHeaderChars } from '../limits.ts'
import { countPdfPages } from './pdf-pages.ts'

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
