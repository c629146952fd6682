/**
 * What a search holds, as bytes: a header in JSON with what is small, then typed arrays that are used as they are read. All of it belongs to
 * one version of one user's memory. Whoever opens it must compare `newest` with the database: versions of two databases may be equal.
 */
import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import type { SlotImage } from './slot-table.ts'
import type { VectorImage } from './vector-scan.ts'
import type { WordImage } from './word-index.ts'

/** What a search holds in memory, as a snapshot has it. */
export interface HeldImage {
  readonly version: number
  /** Of a server: which database it is; empty for a file. */
  readonly database: string
  /** Its last passages, with a number by which whoever opens it knows that they are the same. */
  readonly newest: readonly (readonly [passage: number, mark: number])[]
  readonly slots: SlotImage
  readonly words: WordImage
  readonly vectors: readonly ModelImage[]
}

export interface ModelImage extends VectorImage {
  readonly model: string
  readonly dims: number
  readonly began: number
  readonly version: number
}

type Column = Float64Array | Float32Array | Uint32Array | Uint8Array | Int8Array

const kinds = { Float64Array, Float32Array, Uint32Array, Uint8Array, Int8Array } as const

/** Changes with anything that is written here, and with how texts become words: see `lengthOfBody` and `SlotTable.set`. */
const format = 3
const magic = 'OXRECALL'
/** Of the magic, the length of the header and the checksum of all that follows. */
const headBytes = 16
const unit = 8

interface Header {
  readonly format: number
  readonly user: string
  readonly version: number
  readonly database: string
  readonly newest: HeldImage['newest']
  readonly next: number
  readonly scopes: SlotImage['scopes']
  readonly valid: SlotImage['valid']
  readonly models: readonly Omit<ModelImage, 'scales' | 'codes'>[]
  readonly columns: readonly { readonly kind: keyof typeof kinds; readonly bytes: number }[]
}

function padded(bytes: number): number {
  return Math.ceil(bytes / unit) * unit
}

const slotColumns = ['length', 'place', 'createdAt', 'entry', 'scope'] as const
const wordColumns = ['letters', 'letterEnds', 'posts', 'postEnds', 'counts', 'table'] as const

export function encodeHeld(user: string, { version, database, newest, slots, words, vectors }: HeldImage): Uint8Array {
  const columns: readonly Column[] = [
    slots.passages,
    ...slotColumns.map((name) => slots.columns[name]),
    ...wordColumns.map((name) => words[name]),
    ...vectors.flatMap(({ scales, codes }) => [scales, codes]),
  ]
  const header: Header = {
    format,
    user,
    version,
    database,
    newest,
    next: words.next,
    scopes: slots.scopes,
    valid: slots.valid,
    models: vectors.map(({ model, dims, began, version: of }) => ({ model, dims, began, version: of })),
    columns: columns.map((column) => ({ kind: column.constructor.name as keyof typeof kinds, bytes: column.byteLength })),
  }
  const text = Buffer.from(JSON.stringify(header))
  const bytes = Buffer.alloc(columns.reduce((sum, column) => sum + padded(column.byteLength), headBytes + padded(text.length)))
  bytes.write(magic, 0, 'latin1')
  bytes.writeUInt32LE(text.length, 8)
  text.copy(bytes, headBytes)
  let at = headBytes + padded(text.length)
  for (const { buffer, byteOffset, byteLength } of columns) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    at += padded(byteLength)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(headBytes)), 12)
  return bytes
}

/** @param bytes aligned to 8 in their buffer @returns null for what this program has not written whole, or of another user */
export function decodeHeld(user: string, bytes: Uint8Array<ArrayBuffer>): HeldImage | null {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < headBytes || view.toString('latin1', 0, 8) !== magic) return null
  if (view.readUInt32LE(12) !== crc32(view.subarray(headBytes))) return null
  const length = view.readUInt32LE(8)
  const header = JSON.parse(view.toString('utf8', headBytes, headBytes + length)) as Header
  if (header.format !== format || header.user !== user) return null
  let at = headBytes + padded(length)
  const columns = header.columns.map(({ kind, bytes: size }) => {
    const Kind = kinds[kind]
    const column = new Kind(bytes.buffer, bytes.byteOffset + at, size / Kind.BYTES_PER_ELEMENT)
    at += padded(size)
    return column
  })
  const next = (): never => columns.shift() as never
  const slots: SlotImage = {
    passages: next(),
    columns: { length: next(), place: next(), createdAt: next(), entry: next(), scope: next() },
    scopes: header.scopes,
    valid: header.valid,
  }
  const words: WordImage = {
    next: header.next,
    letters: next(),
    letterEnds: next(),
    posts: next(),
    postEnds: next(),
    counts: next(),
    table: next(),
  }
  const vectors = header.models.map((model) => ({ ...model, scales: next(), codes: next() }))
  const { version, database, newest } = header
  return { version, database, newest, slots, words, vectors }
}
