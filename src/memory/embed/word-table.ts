/**
 * A table of word vectors in one file, read in place: words sorted by their UTF-8 bytes and found by halving, so that opening it
 * makes no string and no object a word.
 *
 * Little-endian. Header of 64 bytes: `OXWT`, version, words, dims, bytes of the words (each u32), 12 zeros, SHA-256 of the rest.
 * Then a scale (f32) for each word, where each word begins and the last ends (u32, one more than words), the vectors (i8, `dims`
 * each; a number is its byte × the scale), and the words' bytes.
 */
import { createHash } from 'node:crypto'
import { OxbowError } from '../../types/index.ts'
import { toUnit } from '../text/text-engine.ts'
import { maxDims } from './embed-limits.ts'

export interface WordVector {
  readonly word: string
  readonly vector: readonly number[]
}

export interface WordTable {
  readonly words: number
  readonly dims: number
  /** -1 for a word that is not in it. */
  find(word: string): number
  /** Adds the word's vector × `weight`. */
  addTo(sum: Float32Array, place: number, weight: number): void
  wordAt(place: number): string
}

const magic = 'OXWT'
const version = 1
const headerBytes = 64
/** Most words of a table: more would not be read by a thread that starts when it is needed. */
const maxWords = 1_000_000
/** Bytes of the longest word that is looked up; none in a table is longer. */
const maxWordBytes = 160

/** @param words in any order, each once */
export function encodeWordTable(words: readonly WordVector[], dims: number): Uint8Array {
  const rows = words
    .map(({ word, vector }) => ({ bytes: Buffer.from(word, 'utf8'), vector }))
    .sort((one, other) => Buffer.compare(one.bytes, other.bytes))
  const wordBytes = rows.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const places = placesOf(rows.length, dims)
  const file = Buffer.alloc(places.words + wordBytes)
  let at = 0
  for (const [place, { bytes, vector }] of rows.entries()) {
    const scale = Math.max(...vector.map(Math.abs)) / 127
    file.writeFloatLE(scale, places.scales + place * 4)
    file.writeUInt32LE(at, places.offsets + place * 4)
    for (let dim = 0; dim < dims; dim += 1)
      file.writeInt8(scale === 0 ? 0 : Math.round((vector[dim] ?? 0) / scale), places.vectors + place * dims + dim)
    bytes.copy(file, places.words + at)
    at += bytes.length
  }
  file.writeUInt32LE(at, places.offsets + rows.length * 4)
  file.write(magic, 0, 'latin1')
  for (const [place, value] of [version, rows.length, dims, wordBytes].entries()) file.writeUInt32LE(value, 4 + place * 4)
  createHash('sha256').update(file.subarray(headerBytes)).digest().copy(file, 32)
  return file
}

/** @throws OxbowError `bad_config` for a file that is no such table, or a damaged one */
export function readWordTable(file: Uint8Array<ArrayBuffer>): WordTable {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const isTable = file.length >= headerBytes && Buffer.from(file.subarray(0, 4)).toString('latin1') === magic
  if (!isTable || view.getUint32(4, true) !== version) throw damaged('it is no table of words of this version')
  const [words, dims, wordBytes] = [8, 12, 16].map((at) => view.getUint32(at, true)) as [number, number, number]
  if (words > maxWords || dims < 1 || dims > maxDims) throw damaged('its header cannot be right')
  const places = placesOf(words, dims)
  if (places.words + wordBytes !== file.length) throw damaged('it has another length than its header says')
  const rest = createHash('sha256').update(file.subarray(headerBytes)).digest()
  if (Buffer.compare(rest, file.subarray(32, headerBytes)) !== 0) throw damaged('its contents do not match its hash')

  const offset = (place: number): number => places.words + view.getUint32(places.offsets + place * 4, true)
  const asked = new Uint8Array(maxWordBytes)
  const encoder = new TextEncoder()
  return {
    words,
    dims,
    find(word) {
      const { read, written } = encoder.encodeInto(word, asked)
      if (read < word.length) return -1
      let low = 0
      let high = words - 1
      while (low <= high) {
        const middle = (low + high) >>> 1
        const order = compare(file, offset(middle), offset(middle + 1), asked, written)
        if (order === 0) return middle
        if (order < 0) low = middle + 1
        else high = middle - 1
      }
      return -1
    },
    addTo(sum, place, weight) {
      const factor = view.getFloat32(places.scales + place * 4, true) * weight
      const from = places.vectors + place * dims
      for (let dim = 0; dim < dims; dim += 1) sum[dim] = (sum[dim] ?? 0) + view.getInt8(from + dim) * factor
    },
    wordAt: (place) => Buffer.from(file.subarray(offset(place), offset(place + 1))).toString('utf8'),
  }
}

function placesOf(words: number, dims: number): Record<'scales' | 'offsets' | 'vectors' | 'words', number> {
  const scales = headerBytes
  const offsets = scales + words * 4
  const vectors = offsets + (words + 1) * 4
  return { scales, offsets, vectors, words: vectors + words * dims }
}

/** Order of the bytes `[from, to)` of a file beside the first `length` of what is asked. */
function compare(file: Uint8Array, from: number, to: number, asked: Uint8Array, length: number): number {
  const shared = Math.min(to - from, length)
  for (let place = 0; place < shared; place += 1) {
    const difference = (file[from + place] ?? 0) - (asked[place] ?? 0)
    if (difference !== 0) return difference
  }
  return to - from - length
}

function damaged(why: string): OxbowError {
  return new OxbowError('bad_config', `The table of word vectors cannot be used: ${why}.`, {
    hint: 'Install Oxbow again, or set memory.embedder to none.',
  })
}

/**
 * Word vectors without what all of them share: the mean, and the directions in which they differ the most, which say how frequent a
 * word is rather than what it means (all-but-the-top, Mu and Viswanath 2018). Found in some six hundred words of the table, so that
 * it takes a few milliseconds.
 */

/** As many as a fourteenth of the dimensions of the built-in table; three to twelve were measured and are alike. */
const directions = 7
const sampledWords = 600
/** Steps towards each direction: what is left of the others is then too small to matter. */
const steps = 20

/** @returns what makes the vector of a word without them, with length 1 */
export function withoutShared(table: WordTable): (place: number) => Float32Array<ArrayBuffer> {
  const { dims } = table
  const step = Math.max(1, Math.floor(table.words / sampledWords))
  const rows = Array.from({ length: Math.ceil(table.words / step) }, (_, i) => vectorOf(table, i * step))
  const mean = new Float32Array(dims)
  for (const row of rows) for (let i = 0; i < dims; i++) mean[i] = at(mean, i) + at(row, i) / Math.max(1, rows.length)
  const matrix = covariance(rows, mean, dims)
  const found: Float32Array[] = []
  for (let n = 0; n < Math.min(directions, dims - 1); n++) found.push(nextDirection(matrix, dims, found))
  return (place) => {
    const vector = vectorOf(table, place)
    for (let i = 0; i < dims; i++) vector[i] = at(vector, i) - at(mean, i)
    for (const direction of found) takeOut(vector, direction)
    return toUnit(vector)
  }
}

const at = (vector: Float32Array, i: number): number => vector[i] as number

function vectorOf(table: WordTable, place: number): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(table.dims)
  table.addTo(vector, place, 1)
  return vector
}

function covariance(rows: readonly Float32Array[], mean: Float32Array, dims: number): Float32Array {
  const matrix = new Float32Array(dims * dims)
  for (const row of rows) {
    for (let i = 0; i < dims; i++) {
      const own = at(row, i) - at(mean, i)
      for (let j = 0; j <= i; j++) matrix[i * dims + j] = at(matrix, i * dims + j) + own * (at(row, j) - at(mean, j))
    }
  }
  for (let i = 0; i < dims; i++) for (let j = 0; j < i; j++) matrix[j * dims + i] = at(matrix, i * dims + j)
  return matrix
}

/** The strongest that is left, by going to it again and again from anywhere. */
function nextDirection(matrix: Float32Array, dims: number, found: readonly Float32Array[]): Float32Array {
  let vector = toUnit(Float32Array.from({ length: dims }, (_, i) => Math.sin(i + found.length + 1)))
  for (let n = 0; n < steps; n++) {
    const next = new Float32Array(dims)
    for (let i = 0; i < dims; i++) for (let j = 0; j < dims; j++) next[i] = at(next, i) + at(matrix, i * dims + j) * at(vector, j)
    for (const other of found) takeOut(next, other)
    vector = toUnit(next)
  }
  return vector
}

function takeOut(vector: Float32Array, direction: Float32Array): void {
  let along = 0
  for (let i = 0; i < vector.length; i++) along += at(vector, i) * at(direction, i)
  for (let i = 0; i < vector.length; i++) vector[i] = at(vector, i) - along * at(direction, i)
}
