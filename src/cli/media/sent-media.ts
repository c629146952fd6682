/** A file that an agent has sent, as its record tells of it. Forgiving, as all that reads records is. */
import type { Json, KeptFile, RecordView } from '../../types/index.ts'
import { plainLine } from '../view/terminal-text.ts'
import { formatBytes } from '../view/text-format.ts'

export interface SentMedia extends KeptFile {
  /** `photo`, `audio`, `document`, `voice` or `video`. */
  readonly kind: string
  readonly caption: string
}

const maxFieldChars = 100

/** @returns what an outcome of `media.send` has sent, or null */
export function mediaIn(body: Json): SentMedia | null {
  const media = (body as { readonly media?: Partial<Record<string, unknown>> } | null)?.media
  if (typeof media !== 'object' || media === null) return null
  const text = (name: string): string => (typeof media[name] === 'string' ? media[name] : '')
  const { bytes, pieces } = media
  if (typeof bytes !== 'number' || !Array.isArray(pieces) || !pieces.every((piece) => typeof piece === 'string')) return null
  return { kind: text('media_type'), name: text('name'), media_type: text('mime_type'), bytes, pieces, caption: text('caption') }
}

/** @returns all that was sent in these records, oldest first */
export function sentMedia(records: readonly Pick<RecordView, 'name' | 'phase' | 'body'>[]): readonly SentMedia[] {
  return records.flatMap(({ name, phase, body }) => (name === 'media.send' && phase === 'outcome' ? (mediaIn(body) ?? []) : []))
}

export function mediaLine({ kind, name, media_type: type, bytes, caption }: SentMedia): string {
  const plain = (text: string): string => plainLine(text, maxFieldChars)
  return `${plain(name)}  ${plain(kind)}, ${plain(type)}, ${formatBytes(bytes)}${caption === '' ? '' : `  “${plain(caption)}”`}`
}
