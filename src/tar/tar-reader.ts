/**
 * Reads a tar archive in pieces of any size as they arrive: ustar, pax, and the long names of GNU tar. It holds one header and one
 * extended header, never a body. The consumer decides which entries are allowed; the reader refuses archives that are ambiguous,
 * above all sparse files, whose headers claim terabytes at no cost.
 *
 * Why not `tar-stream`: version 3.2.2 reads on after a block of zeros, accepts an archive without its end mark, allows 4 MiB of
 * extended header (32 KiB here), and decodes damaged pax records without an error. Each lets a hostile archive mean something other
 * than what a strict reader sees.
 */
import { ownValue } from '../base/index.ts'
import { blockBytes, parseHeader, parseRecords, type Refuse, type TarHeader, type TarKind } from './tar-header.ts'

/** Maximum size of an entry's extended header: path and link target of maximum length, and times. */
const maxExtendedHeaderBytes: number = 32 * 1024

export interface TarEntry {
  readonly kind: TarKind
  /** Unchecked: may be anything. */
  readonly name: string
  readonly linkName: string
  /** With setuid, setgid and sticky bits. */
  readonly mode: number
  readonly bytes: number
  readonly modifiedSeconds: number
}

export type TarEvent =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  /** The next bytes of the last file; only valid until the next event. */
  | { readonly kind: 'data'; readonly bytes: Buffer }
  /** The file is complete. */
  | { readonly kind: 'end' }

export interface TarReader {
  /** Must be consumed before the next push. @throws what `refuse` makes; push nothing after that */
  push(bytes: Buffer): Generator<TarEvent>
  /** @throws what `refuse` makes, when the archive is truncated */
  finish(): void
}

/** Values of an entry's extended headers. */
interface Extended {
  name?: Buffer
  linkName?: Buffer
  bytes?: number
  modifiedSeconds?: number
}

const kinds: Readonly<Record<string, TarKind>> = { '0': 'file', '\0': 'file', '7': 'file', '1': 'hardLink', '2': 'link', '5': 'folder' }
const names: Readonly<Record<string, string>> = { '3': 'a device', '4': 'a device', '6': 'a FIFO', S: 'a sparse file' }

interface Reading {
  readonly refuse: Refuse
  /** What is being read: a header, the body of an extended one or of a file, or nothing more. */
  state: 'header' | 'extended' | 'body' | 'over'
  header: TarHeader | null
  /** Remaining bytes of the body, and of the padding after it. */
  left: number
  padding: number
  /** Collected bytes of a header or extended header. */
  gathered: Buffer[]
  have: number
  extended: Extended
}

export function createTarReader(refuse: Refuse): TarReader {
  const reading: Reading = { refuse, state: 'header', header: null, left: 0, padding: 0, gathered: [], have: 0, extended: {} }
  return {
    *push(bytes) {
      for (let at = 0; at < bytes.length && reading.state !== 'over';) {
        if (reading.padding > 0 && reading.left === 0) {
          const skipped = Math.min(reading.padding, bytes.length - at)
          reading.padding -= skipped
          at += skipped
        } else if (reading.state === 'header') {
          const piece = bytes.subarray(at, at + blockBytes - reading.have)
          at += piece.length
          yield* takeHeader(reading, piece)
        } else {
          const piece = bytes.subarray(at, at + reading.left)
          at += piece.length
          reading.left -= piece.length
          if (reading.state === 'extended') gather(reading, piece)
          else yield { kind: 'data', bytes: piece }
          if (reading.left === 0) yield* endBody(reading)
        }
      }
    },
    finish() {
      if (reading.state !== 'over') throw refuse('it is truncated')
    },
  }
}

/** Copied, because it outlives the chunk. */
function gather(reading: Reading, piece: Buffer): void {
  reading.gathered.push(Buffer.from(piece))
  reading.have += piece.length
}

function takeGathered(reading: Reading): Buffer {
  const all = Buffer.concat(reading.gathered)
  reading.gathered = []
  reading.have = 0
  return all
}

function* takeHeader(reading: Reading, piece: Buffer): Generator<TarEvent> {
  gather(reading, piece)
  if (reading.have < blockBytes) return
  const header = parseHeader(takeGathered(reading), reading.refuse)
  reading.header = header
  if (header === null) {
    // One block of zeros is the end; what follows is ignored.
    reading.state = 'over'
  } else if ('xgLK'.includes(header.flag)) {
    if (header.bytes > maxExtendedHeaderBytes) throw reading.refuse('an extended header is too long')
    beginBody(reading, 'extended', header.bytes)
  } else {
    const entry = toEntry(header, reading)
    reading.extended = {}
    beginBody(reading, 'body', entry.bytes)
    yield { kind: 'entry', entry }
  }
  if (header !== null && reading.left === 0) yield* endBody(reading)
}

function beginBody(reading: Reading, state: 'extended' | 'body', bytes: number): void {
  reading.state = state
  reading.left = bytes
  reading.padding = (blockBytes - (bytes % blockBytes)) % blockBytes
}

function* endBody(reading: Reading): Generator<TarEvent> {
  const { flag } = reading.header!
  if (reading.state === 'extended') reading.extended = readExtended(flag, takeGathered(reading), reading)
  else if (ownValue(kinds, flag) === 'file') yield { kind: 'end' }
  reading.state = 'header'
}

function readExtended(flag: string, body: Buffer, { extended, refuse }: Reading): Extended {
  if (flag === 'L' || flag === 'K') {
    const end = body.indexOf(0)
    const name = end === -1 ? body : body.subarray(0, end)
    return flag === 'L' ? { ...extended, name } : { ...extended, linkName: name }
  }
  const records = parseRecords(body, refuse)
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse'))) throw refuse('it contains a sparse file')
  // A global header (a commit, a comment) is ignored, also its paths and sizes.
  if (flag === 'g') return extended
  const number = (key: string): number | undefined => {
    const text = records.get(key)?.toString('latin1')
    if (text === undefined) return undefined
    if (!/^-?\d{1,20}(?:\.\d*)?$/.test(text)) throw refuse(`its ${key} is not a number`)
    return Math.max(0, Number(text))
  }
  const [name, linkName, bytes, modifiedSeconds] = [records.get('path'), records.get('linkpath'), number('size'), number('mtime')]
  return {
    ...extended,
    ...(name !== undefined && { name }),
    ...(linkName !== undefined && { linkName }),
    ...(bytes !== undefined && { bytes }),
    ...(modifiedSeconds !== undefined && { modifiedSeconds }),
  }
}

function toEntry(header: TarHeader, { extended, refuse }: Reading): TarEntry {
  const kind = ownValue(kinds, header.flag)
  const name = toText(extended.name ?? header.name, refuse)
  if (kind === undefined) throw refuse(`${name} is ${ownValue(names, header.flag) ?? 'of an unknown kind'}`)
  const bytes = extended.bytes ?? header.bytes
  if (!Number.isSafeInteger(bytes)) throw refuse(`${name} has an impossible size`)
  // Readers differ on whether a body follows, and would see two different archives.
  if (kind !== 'file' && bytes > 0) throw refuse(`${name} is not a file, but has content`)
  // Old archives mark a folder only by its name.
  const isFolder = kind === 'file' && name.endsWith('/') && bytes === 0
  return {
    kind: isFolder ? 'folder' : kind,
    name,
    linkName: toText(extended.linkName ?? header.linkName, refuse),
    mode: header.mode & 0o7777,
    bytes,
    modifiedSeconds: extended.modifiedSeconds ?? header.modifiedSeconds,
  }
}

function toText(bytes: Buffer, refuse: Refuse): string {
  const text = bytes.toString()
  if (text.includes('\0') || !Buffer.from(text).equals(bytes)) throw refuse('a name in it is not UTF-8')
  return text
}

/** An entry with its content, which is to be read before the next entry, or is skipped. Its pieces are only valid until the next one. */
export interface TarFile extends TarEntry {
  readonly content: AsyncIterable<Buffer>
}

/** @throws what `refuse` makes of an archive that cannot be read, and as `archive` fails */
export async function* readEntries(archive: AsyncIterable<Uint8Array>, refuse: Refuse): AsyncGenerator<TarFile> {
  const events = eventsOf(archive, refuse)
  async function* content(): AsyncGenerator<Buffer> {
    for (let next = await events.next(); next.done !== true && next.value.kind === 'data'; next = await events.next())
      yield next.value.bytes
  }
  try {
    // Not `for await`, which would take the events of a body itself.
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.kind !== 'entry') continue
      const { entry } = next.value
      yield { ...entry, content: entry.kind === 'file' ? content() : nothing }
    }
  } finally {
    await events.return(undefined)
  }
}

const nothing: AsyncIterable<Buffer> = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) }

async function* eventsOf(archive: AsyncIterable<Uint8Array>, refuse: Refuse): AsyncGenerator<TarEvent, undefined> {
  const reader = createTarReader(refuse)
  for await (const { buffer, byteOffset, byteLength } of archive) yield* reader.push(Buffer.from(buffer, byteOffset, byteLength))
  reader.finish()
}
