/**
 * A table of word vectors in one file, read in place: words sorted by their UTF-8 bytes and found by halving, so that opening it
 * makes no string and no object a word.
 *
 * Little-endian. Header of 24 bytes: `OXWT`, version, words, dims, bytes of the words, CRC-32 of the rest (each u32). It only tells a
 * damaged file: packages are signed, and a SHA-256 takes 30 ms of the first search. Then a scale (f32) for each word, where each word begins and the last ends (u32, one more than words), the vectors (i8, `dims`
 * each; a number is its byte × the scale), and the words' bytes.
 */
import { crc32 } from 'node:zlib'
import { OxbowError } from '../../base/index.ts'
import { isStopWord, regular } from '../text/english-words.ts'
import { cleanText, stem } from '../text/terms.ts'
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
const version = 2
const headerBytes = 24
const checksumAt = 20
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
  const sections = sectionsOf(rows.length, dims)
  const file = Buffer.alloc(sections.words + wordBytes)
  let at = 0
  for (const [place, { bytes, vector }] of rows.entries()) {
    const scale = Math.max(...vector.map(Math.abs)) / 127
    file.writeFloatLE(scale, sections.scales + place * 4)
    file.writeUInt32LE(at, sections.offsets + place * 4)
    for (let dim = 0; dim < dims; dim += 1)
      file.writeInt8(scale === 0 ? 0 : Math.round((vector[dim] ?? 0) / scale), sections.vectors + place * dims + dim)
    bytes.copy(file, sections.words + at)
    at += bytes.length
  }
  file.writeUInt32LE(at, sections.offsets + rows.length * 4)
  file.write(magic, 0, 'latin1')
  for (const [place, value] of [version, rows.length, dims, wordBytes].entries()) file.writeUInt32LE(value, 4 + place * 4)
  file.writeUInt32LE(crc32(file.subarray(headerBytes)), checksumAt)
  return file
}

/** @throws OxbowError `bad_config` for a file that is no such table, or a damaged one */
export function readWordTable(file: Uint8Array<ArrayBuffer>): WordTable {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const isTable = file.length >= headerBytes && Buffer.from(file.subarray(0, 4)).toString('latin1') === magic
  if (!isTable || view.getUint32(4, true) !== version) throw damaged('it is not a table of words of this version')
  const [words, dims, wordBytes] = [8, 12, 16].map((at) => view.getUint32(at, true)) as [number, number, number]
  if (words > maxWords || dims < 1 || dims > maxDims) throw damaged('its header cannot be right')
  const sections = sectionsOf(words, dims)
  if (sections.words + wordBytes !== file.length) throw damaged('it has another length than its header says')
  if (crc32(file.subarray(headerBytes)) !== view.getUint32(checksumAt, true)) throw damaged('its contents do not match its checksum')

  const offset = (place: number): number => sections.words + view.getUint32(sections.offsets + place * 4, true)
  const query = new Uint8Array(maxWordBytes)
  const encoder = new TextEncoder()
  return {
    words,
    dims,
    find(word) {
      const { read, written } = encoder.encodeInto(word, query)
      if (read < word.length) return -1
      let low = 0
      let high = words - 1
      while (low <= high) {
        const middle = (low + high) >>> 1
        const order = compare(file, offset(middle), offset(middle + 1), query, written)
        if (order === 0) return middle
        if (order < 0) low = middle + 1
        else high = middle - 1
      }
      return -1
    },
    addTo(sum, place, weight) {
      const factor = view.getFloat32(sections.scales + place * 4, true) * weight
      const from = sections.vectors + place * dims
      for (let dim = 0; dim < dims; dim += 1) sum[dim] = (sum[dim] ?? 0) + view.getInt8(from + dim) * factor
    },
    wordAt: (place) => Buffer.from(file.subarray(offset(place), offset(place + 1))).toString('utf8'),
  }
}

function sectionsOf(words: number, dims: number): Record<'scales' | 'offsets' | 'vectors' | 'words', number> {
  const scales = headerBytes
  const offsets = scales + words * 4
  const vectors = offsets + (words + 1) * 4
  return { scales, offsets, vectors, words: vectors + words * dims }
}

/** Order of the bytes `[from, to)` of a file relative to the first `length` bytes of the query. */
function compare(file: Uint8Array, from: number, to: number, query: Uint8Array, length: number): number {
  const shared = Math.min(to - from, length)
  for (let place = 0; place < shared; place += 1) {
    const difference = (file[from + place] ?? 0) - (query[place] ?? 0)
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
 * word is rather than what it means (all-but-the-top, Mu and Viswanath 2018). Found in some six hundred words of the table. It takes 40 ms
 * in a thread that has just started, so what the built-in table shares is kept next to it.
 */

/** As many as a fourteenth of the dimensions of the built-in table; three to twelve were measured and are alike. */
const directions = 7
const sampledWords = 600
/** Steps of the power iteration; what is left of the other directions is then too small to matter. */
const steps = 20

export interface SharedParts {
  readonly mean: Float32Array
  readonly directions: readonly Float32Array[]
}

/** @returns what makes the vector of a word without them, with length 1 */
export function withoutShared(table: WordTable, { mean, directions: shared }: SharedParts): (place: number) => Float32Array<ArrayBuffer> {
  return (place) => {
    const vector = vectorOf(table, place)
    for (let i = 0; i < table.dims; i++) vector[i] = at(vector, i) - at(mean, i)
    for (const direction of shared) takeOut(vector, direction)
    return toUnit(vector)
  }
}

export function sharedPartsOf(table: WordTable): SharedParts {
  const { dims } = table
  const step = Math.max(1, Math.floor(table.words / sampledWords))
  const rows = Array.from({ length: Math.ceil(table.words / step) }, (_, i) => vectorOf(table, i * step))
  const mean = new Float32Array(dims)
  for (const row of rows) for (let i = 0; i < dims; i++) mean[i] = at(mean, i) + at(row, i) / Math.max(1, rows.length)
  const matrix = covariance(rows, mean, dims)
  const found: Float32Array[] = []
  for (let n = 0; n < Math.min(directions, dims - 1); n++) found.push(nextDirection(matrix, dims, found))
  return { mean, directions: found }
}

/** Little-endian float32 in base64, the mean first. */
export function encodeShared({ mean, directions: shared }: SharedParts): string {
  const bytes = Buffer.alloc((1 + shared.length) * mean.length * 4)
  for (const [i, value] of [mean, ...shared].flatMap((vector) => [...vector]).entries()) bytes.writeFloatLE(value, i * 4)
  return bytes.toString('base64')
}

export function decodeShared(encoded: string, dims: number): SharedParts {
  // A copy: typed arrays stand at multiples of 4 in their buffer, and a buffer of the pool may begin anywhere.
  const numbers = new Float32Array(new Uint8Array(Buffer.from(encoded, 'base64')).buffer)
  const vectors = Array.from({ length: numbers.length / dims }, (_, of) => numbers.subarray(of * dims, (of + 1) * dims))
  const [mean = new Float32Array(dims), ...shared] = vectors
  return { mean, directions: shared }
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

/** The strongest remaining direction, by power iteration from any start. */
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

const words = /[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*/gu
/** Camel case is split before everything becomes lower case. */
const hump = /(?<=\p{Ll})(?=\p{Lu})/gu
/** Endings, and what the table may have instead. */
const endings: readonly (readonly [RegExp, string])[] = [
  [/'s?$/, ''],
  [/ies$/, 'y'],
  [/es$/, ''],
  [/s$/, ''],
  [/ing$/, ''],
  [/ing$/, 'e'],
  [/ed$/, ''],
  [/ed$/, 'e'],
  [/ly$/, ''],
]
/** A word with a capital that begins no sentence. */
const insideName = /(?<=[\p{L}\p{N},;:'"“”)] ?) \p{Lu}[\p{L}\p{M}]*(?:['-]\p{Lu}[\p{L}\p{M}]*)*/gu

/** Lower case, in order; a text of stop words only keeps them. */
export function tellingWords(text: string): readonly string[] {
  const all = cleanText(text).replace(hump, ' ').toLowerCase().match(words) ?? []
  const telling = all.filter((word) => !isStopWord(word.replaceAll("'", '')))
  return telling.length > 0 ? telling : all
}

/**
 * Names of people and places in a question, lower case. Their vectors say that they are names, and little of whose: words find them
 * as they are written. None in a text that is written in capitals, or with one on every word.
 */
export function namesIn(question: string): ReadonlySet<string> {
  const names = question.match(insideName) ?? []
  const all = question.match(words) ?? []
  return new Set(names.length * 2 > all.length ? [] : names.map((name) => name.trim().toLowerCase()))
}

/** The word, or a form of it, or its parts; empty when nothing of it is known. */
export function placesOf(table: WordTable, word: string): readonly number[] {
  const place = findForm(table, word)
  if (place >= 0) return [place]
  const parts = word.split(/['-]|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/u)
  return parts.length < 2 ? [] : parts.map((part) => findForm(table, part)).filter((found) => found >= 0)
}

/** Endings that a term may have lost, in the order in which they are tried: `danc` is dance, and nothing that happens to be written so. */
const lostEndings: readonly (readonly [RegExp, string])[] = [
  [/$/, 'e'],
  [/i$/, 'y'],
  [/$/, ''],
  [/$/, 's'],
  [/$/, 'ing'],
  [/$/, 'ion'],
  [/$/, 'y'],
  [/$/, 'al'],
  [/$/, 'ed'],
  [/$/, 'er'],
  [/$/, 'ate'],
  [/$/, 'ity'],
  [/$/, 'ous'],
  [/$/, 'ment'],
]

/** A word whose term this is, or -1. */
export function placeOfTerm(table: WordTable, term: string): number {
  for (const [end, ending] of lostEndings) {
    if (!end.test(term)) continue
    const word = term.replace(end, ending)
    const place = table.find(word)
    if (place >= 0 && (word === term || stem(word) === term)) return place
  }
  return -1
}

/** Shorter parts are found in any word. */
const leastPart = 3

/** The place of a term; of one that the table does not know the places of its two parts, the first as long as possible; or none. */
export function partsOfTerm(table: WordTable, term: string): readonly number[] {
  const whole = placeOfTerm(table, term)
  if (whole >= 0) return [whole]
  for (let cut = term.length - leastPart; cut >= leastPart; cut--) {
    const parts = [table.find(term.slice(0, cut)), placeOfTerm(table, term.slice(cut))]
    if (parts.every((place) => place >= 0)) return parts
  }
  return []
}

/** -1 if the table has no such form. */
function findForm(table: WordTable, word: string): number {
  const whole = table.find(word)
  if (whole >= 0) return whole
  const base = table.find(regular(word))
  if (base >= 0) return base
  for (const [ending, instead] of endings) {
    if (word.length < 4 || !ending.test(word)) continue
    const form = table.find(word.replace(ending, instead))
    if (form >= 0) return form
  }
  return -1
}

/**
 * English words that many questions have and few answers are found by: what people do with anything (make, get, decide), and what
 * questions are built of (kind, reason, currently). They are no stop words: `make` is all that tells `what did she make` apart.
 */

const list =
  'accord ask become begin bring call case choose come consider current currently decide describe different enjoy explain express feel find get give go good happen help include interested involve keep leave let like look make mean name need new now number own part place plan prefer present provide put reason receive recent regard result seem show specific start suggest take think time try turn type use various want way work'

const lightTerms: ReadonlySet<string> = new Set(list.split(' ').map((word) => stem(word)))

/** @param term as the index has it */
export function isLightTerm(term: string): boolean {
  return lightTerms.has(term)
}
