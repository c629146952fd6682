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
