/** Detects the type and encoding of a response body, and decodes it to text without invisible characters. */
import { pieceCharacters } from '../limits.ts'

export type BodyKind = 'html' | 'text' | 'pdf' | 'binary'

const textual =
  /^(?:text\/.+|application\/(?:.+\+)?(?:json|xml|yaml|toml)|application\/(?:javascript|ecmascript|x-ndjson|jsonl|x-yaml|sql|graphql|x-sh|x-www-form-urlencoded)|.+\+(?:json|xml))$/

/** Guesses only when the server names no type: a page served as text is text. */
export function kindOf(contentType: string, bytes: Buffer): BodyKind {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'html'
  if (textual.test(type)) return 'text'
  if (type === 'application/pdf') return 'pdf'
  if (type !== '' && type !== 'application/octet-stream') return 'binary'
  const head = bytes.subarray(0, sniffedBytes)
  if (head.subarray(0, 5).toString('latin1') === '%PDF-') return 'pdf'
  if (head.includes(0)) return 'binary'
  return /^\s*<(?:!doctype html|html|head|body)\b/i.test(head.toString('latin1')) ? 'html' : 'text'
}

/** HTML declares its encoding in the first kilobyte, by its standard. */
const sniffedBytes = 1_024

/** By byte order mark, header and `<meta>`, in this order; else UTF-8, with windows-1252 for what is not valid UTF-8, as in browsers. */
export function decodeText(bytes: Buffer, contentType: string, kind: BodyKind): string {
  const label = markOf(bytes) ?? charsetOf(contentType) ?? (kind === 'html' ? declaredIn(bytes) : null)
  const labelled = label === null ? null : decodeAs(label, bytes)
  if (labelled !== null) return labelled
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // A truncated body may end within a character: one replacement at the end does not disprove UTF-8.
    const text = new TextDecoder('utf-8').decode(bytes)
    return text.indexOf('\ufffd') < text.length - 1 ? new TextDecoder('windows-1252').decode(bytes) : text
  }
}

function markOf(bytes: Buffer): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : null
}

function charsetOf(contentType: string): string | null {
  return /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(contentType)?.[1] ?? null
}

function declaredIn(bytes: Buffer): string | null {
  const head = bytes.toString('latin1', 0, sniffedBytes)
  const label = /<meta\s[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})/i.exec(head)?.[1] ?? null
  // A `<meta>` that can be read as bytes is not in UTF-16.
  return label !== null && /^utf-?16/i.test(label) ? 'utf-8' : label
}

/** @returns null for an unknown label */
function decodeAs(label: string, bytes: Buffer): string | null {
  try {
    return new TextDecoder(label).decode(bytes)
  } catch {
    return null
  }
}

/**
 * Removes characters that people cannot see and models obey: control characters (they drive terminals), bidirectional overrides,
 * and those that can carry a hidden message: tag characters, variation selectors supplement, invisible blanks and operators.
 * Joiners and the other selectors stay, because scripts need them. Line ends become `\
`.
 */
export function withoutHidden(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/(?![\n\t\p{Join_Control}]|[\u180b-\u180d\u180f]|[\ufe00-\ufe0f])[\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb]/gu, '')
}

/** The same to UTF-8, for a text as long as a page may be; lets the event loop run between pieces. @throws the signal's reason */
export async function withoutHiddenPieces(text: string, signal: AbortSignal): Promise<Buffer> {
  const { setImmediate } = process.getBuiltinModule('node:timers/promises')
  const pieces: Buffer[] = []
  for (let at = 0; at < text.length;) {
    let end = at + pieceCharacters
    // Never split a line end or a surrogate pair.
    if (end < text.length && /[\r\ud800-\udbff]/.test(text.charAt(end - 1))) end -= 1
    pieces.push(Buffer.from(withoutHidden(text.slice(at, end))))
    at = end
    await setImmediate()
    signal.throwIfAborted()
  }
  return Buffer.concat(pieces)
}
