/**
 * Reads the archive in which hands send a workspace: ustar with pax headers (POSIX.1-2017, pax), and nothing else that tar
 * programs have come up with. Whoever wrote it is a stranger: names, sizes and order are checked before anything is made of them.
 */
import { maxImportEntries, maxImportPathBytes } from '../../limits.ts'

export interface TarEntry {
  /** Relative to the folder, without `.` and `..`, its parts joined by single slashes. */
  readonly path: string
  readonly kind: 'file' | 'folder' | 'link'
  readonly bytes: number
  readonly executable: boolean
  readonly modifiedSeconds: number
  /** Of a link, as it stands there; not checked. '' for others. */
  readonly target: string
}

/** Called in order; `data` only for files, and never for more than `bytes`. */
export interface TarListener {
  entry(entry: TarEntry): void
  data(bytes: Buffer): void
  end(): void
}

const block = 512
const maxPaxBytes = 64 * 1024
const kinds: Readonly<Record<string, TarEntry['kind']>> = { '0': 'file', '5': 'folder', '2': 'link' }

export interface TarReader {
  /** @returns null, or why this is no archive to take anything from; then nothing more may be pushed. Never throws. */
  push(bytes: Buffer): string | null
  /** True when the archive came to its end. */
  isWhole(): boolean
  /** Entries that were left out, for their names are no text. */
  skipped(): number
}

interface TarState {
  readonly listener: TarListener
  readonly maxBytes: number
  /** Came and was not looked at yet. */
  waiting: Buffer
  /** What is read now: nothing, an extended header, a file that is told, or one that is not. */
  body: 'none' | 'pax' | 'told' | 'passed over'
  left: number
  padding: number
  pax: Buffer
  extended: ReadonlyMap<string, string>
  readonly seen: Map<string, TarEntry['kind']>
  bytes: number
  skipped: number
  ended: boolean
}

/** @param maxBytes of all files together */
export function createTarReader(listener: TarListener, maxBytes: number): TarReader {
  const state: TarState = {
    listener,
    maxBytes,
    waiting: Buffer.alloc(0),
    body: 'none',
    left: 0,
    padding: 0,
    pax: Buffer.alloc(0),
    extended: new Map(),
    seen: new Map(),
    bytes: 0,
    skipped: 0,
    ended: false,
  }
  return {
    push(more) {
      state.waiting = state.waiting.length === 0 ? more : Buffer.concat([state.waiting, more])
      for (;;) {
        const outcome = state.ended ? 'more' : step(state)
        if (outcome === 'more') return null
        if (outcome !== null) return outcome.problem
      }
    },
    isWhole: () => state.ended,
    skipped: () => state.skipped,
  }
}

/** Why an archive is refused. */
interface Refusal {
  readonly problem: string
}

/** Takes one block, or what has come of a body. @returns `more` when it needs more bytes */
function step(state: TarState): Refusal | null | 'more' {
  if (state.left > 0) {
    if (state.waiting.length === 0) return 'more'
    const part = state.waiting.subarray(0, state.left)
    if (state.body === 'pax') state.pax = Buffer.concat([state.pax, part])
    if (state.body === 'told') state.listener.data(part)
    state.waiting = state.waiting.subarray(part.length)
    state.left -= part.length
    return state.left === 0 ? finish(state) : null
  }
  const length = state.padding > 0 ? state.padding : block
  if (state.waiting.length < length) return 'more'
  const bytes = state.waiting.subarray(0, length)
  state.waiting = state.waiting.subarray(length)
  if (state.padding === 0) return begin(state, bytes)
  state.padding = 0
  return null
}

function begin(state: TarState, header: Buffer): Refusal | null {
  if (header.every((byte) => byte === 0)) {
    state.ended = true
    return null
  }
  const problem = checkHeader(header)
  if (problem !== null) return { problem }
  const flag = header.toString('latin1', 156, 157)
  const size = state.extended.has('size') ? Number(state.extended.get('size')) : octal(header, 124, 12)
  if (!Number.isSafeInteger(size) || size < 0) return { problem: 'an entry without a size' }
  state.left = size
  state.padding = -size & (block - 1)
  if (flag === 'x') {
    if (size > maxPaxBytes) return { problem: 'an extended header is too large' }
    state.body = 'pax'
    state.pax = Buffer.alloc(0)
    return null
  }
  const kind = kinds[flag]
  return kind === undefined ? { problem: `an entry of kind ${JSON.stringify(flag)}` } : tell(state, header, kind)
}

function tell(state: TarState, header: Buffer, kind: TarEntry['kind']): Refusal | null {
  const { extended, seen, left: bytes } = state
  state.extended = new Map()
  const path = cleanPath(extended.get('path') ?? field(header, 0, 100))
  if (path === null) return { problem: 'a path that leaves the folder' }
  if (kind !== 'file' && bytes !== 0) return { problem: 'a folder or link with a content' }
  if ((state.bytes += bytes) > state.maxBytes) return { problem: `more than ${state.maxBytes} bytes` }
  if (seen.has(path)) return { problem: 'a path that comes twice' }
  if (seen.size >= maxImportEntries) return { problem: `more than ${maxImportEntries} entries` }
  const parent = path.lastIndexOf('/')
  if (parent !== -1 && seen.get(path.slice(0, parent)) !== 'folder') return { problem: 'an entry without its folder' }
  seen.set(path, kind)
  if (path.includes('\uFFFD')) {
    state.skipped += 1
    state.body = 'passed over'
    return null
  }
  const target = kind === 'link' ? (extended.get('linkpath') ?? field(header, 157, 100)) : ''
  const modifiedSeconds = octal(header, 136, 12)
  if (Number.isNaN(modifiedSeconds)) return { problem: 'an entry without a time' }
  state.body = 'told'
  state.listener.entry({ path, kind, bytes, executable: (octal(header, 100, 8) & 0o111) !== 0, modifiedSeconds, target })
  return bytes === 0 ? finish(state) : null
}

function finish(state: TarState): Refusal | null {
  const { body } = state
  state.body = 'none'
  if (body === 'told') state.listener.end()
  if (body !== 'pax') return null
  const records = parseRecords(state.pax)
  if (records === null) return { problem: 'an extended header that cannot be read' }
  state.extended = records
  return null
}

function checkHeader(header: Buffer): string | null {
  if (header.toString('latin1', 257, 262) !== 'ustar') return 'no header where one must be'
  let sum = 0
  for (let i = 0; i < block; i += 1) sum += i >= 148 && i < 156 ? 0x20 : header[i]!
  return sum === octal(header, 148, 8) ? null : 'a header with a wrong sum'
}

/** NaN for what is no number. */
function octal(header: Buffer, at: number, length: number): number {
  const [, digits] = /^ *([0-7]+)[ \0]*$/.exec(header.toString('latin1', at, at + length)) ?? []
  return digits === undefined ? Number.NaN : Number.parseInt(digits, 8)
}

function field(header: Buffer, at: number, length: number): string {
  const bytes = header.subarray(at, at + length)
  const end = bytes.indexOf(0)
  return bytes.toString('utf8', 0, end < 0 ? length : end)
}

/** Records of `LENGTH KEY=VALUE\n`; null when they are not. */
function parseRecords(text: Buffer): ReadonlyMap<string, string> | null {
  const records = new Map<string, string>()
  for (let at = 0; at < text.length;) {
    const [head = '', digits = ''] = /^(\d{1,6}) /.exec(text.toString('latin1', at, at + 8)) ?? []
    const end = at + Number(digits)
    if (head === '' || end > text.length || end <= at + head.length || text[end - 1] !== 0x0a) return null
    const record = text.toString('utf8', at + head.length, end - 1)
    const equals = record.indexOf('=')
    if (equals < 1) return null
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at = end
  }
  return records
}

/** @returns null for what could mean another file than it says. */
function cleanPath(text: string): string | null {
  const path = text.replace(/\/$/, '')
  if (path === '' || Buffer.byteLength(path) > maxImportPathBytes || path.includes('\0')) return null
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255) ? path : null
}
