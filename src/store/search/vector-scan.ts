/**
 * Vectors of one model, held by slot, and the search over them by cosine.
 *
 * Up to some twenty thousand each is compared exactly. Beyond that only the sign of each dimension is held, measured from the
 * mean of all (48 bytes for 384 dimensions): the question keeps its numbers, each byte of signs looks its part of the score up
 * in a table. The best few hundred are compared by their numbers in eight bits, which are held, too, as long as there are not
 * too many, and what is left is compared exactly with what is in the database.
 */
import { comparedBeyond, maxExactFloats, maxExactVectors, maxSmallBytes, minRescored, rescoredPerHit } from '../memory/memory-limits.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

export interface VectorScan {
  readonly dims: number
  readonly exact: boolean
  /** A vector of zeros is known, and never found. */
  set(slot: number, vector: Float32Array): void
  drop(slot: number): void
  /** Best first, by cosine where vectors are held whole; else candidates, more than were asked for, to be compared exactly. */
  search(question: ScanQuestion): readonly ScoredSlot[]
  /** Best first, by cosine. */
  compare(question: ScanQuestion, vectors: Iterable<readonly [number, Float32Array]>): readonly ScoredSlot[]
}

export interface ScanQuestion {
  readonly vector: Float32Array
  readonly limit: number
  /** Slots lie below. */
  readonly high: number
  readonly passes: (slot: number) => boolean
  readonly goesFirst: (a: number, b: number) => boolean
}

/** @returns whether so many vectors are to be held whole. */
export function holdsExactly(vectors: number, dims: number): boolean {
  return vectors <= maxExactVectors && vectors * dims <= maxExactFloats
}

const firstSlots = 1_024

export function createExactScan(dims: number): VectorScan {
  let room = firstSlots
  let held = new Float32Array(room * dims)
  /** 1: has a vector that points somewhere. */
  let known = new Uint8Array(room)
  return {
    dims,
    exact: true,
    set(slot, vector) {
      if (slot >= room) {
        room = Math.max(room * 2, slot + 1)
        const wider = new Float32Array(room * dims)
        wider.set(held)
        held = wider
        known = widerBytes(known, room)
      }
      const length = lengthOf(vector)
      known[slot] = length > 0 ? 1 : 0
      for (let i = 0; i < dims; i++) held[slot * dims + i] = length > 0 ? (vector[i] as number) / length : 0
    },
    drop(slot) {
      if (slot < room) known[slot] = 0
    },
    compare: (question, vectors) => compareExactly(question, dims, vectors),
    search({ vector, limit, high, passes, goesFirst }) {
      const length = lengthOf(vector)
      const top = createTop(limit, goesFirst)
      if (length === 0) return []
      const unit = vector.map((value) => value / length)
      for (let slot = 0; slot < Math.min(high, room); slot++) {
        if (known[slot] === 1 && passes(slot)) top.add(slot, dotAt(held, slot * dims, unit, dims))
      }
      return top.taken()
    },
  }
}

/** @param mean of the vectors, each brought to length 1 */
export function createSignScan(dims: number, mean: Float32Array): VectorScan {
  const bytes = Math.ceil(dims / 8)
  let room = firstSlots
  let codes = new Uint8Array(room * bytes)
  let known = new Uint8Array(room)
  /** Null once there are too many. */
  let small: Int8Array<ArrayBuffer> | null = new Int8Array(room * dims)
  const grow = (slot: number): void => {
    room = Math.max(room * 2, slot + 1)
    codes = widerBytes(codes, room * bytes)
    known = widerBytes(known, room)
    const wider = room * dims <= maxSmallBytes && small !== null ? new Int8Array(room * dims) : null
    if (small !== null) wider?.set(small)
    small = wider
  }
  return {
    dims,
    exact: false,
    set(slot, vector) {
      if (slot >= room) grow(slot)
      const length = lengthOf(vector)
      known[slot] = length > 0 ? 1 : 0
      for (let byte = 0; byte < bytes; byte++) codes[slot * bytes + byte] = signsOf(vector, byte * 8, length, mean)
      if (small !== null) setSmall(small, slot * dims, vector)
    },
    drop(slot) {
      if (slot < room) known[slot] = 0
    },
    compare: (question, vectors) => compareExactly(question, dims, vectors),
    search({ vector, limit, high, passes, goesFirst }) {
      if (lengthOf(vector) === 0 || limit === 0) return []
      const table = signTable(vector, bytes)
      const likely = createTop(Math.max(minRescored, limit * rescoredPerHit), goesFirst)
      for (let slot = 0; slot < Math.min(high, room); slot++) {
        if (known[slot] === 1 && passes(slot)) likely.add(slot, tableScore(table, codes, slot * bytes, bytes))
      }
      if (small === null) return likely.taken()
      const likelier = createTop(limit + comparedBeyond, goesFirst)
      for (const { slot } of likely.taken()) likelier.add(slot, smallScore(small, slot * dims, vector))
      return likelier.taken()
    },
  }
}

/** Eight bits a number, so that the largest takes all of them. */
function setSmall(small: Int8Array, at: number, vector: Float32Array): void {
  let most = 0
  for (const value of vector) most = Math.max(most, Math.abs(value))
  const scale = most === 0 ? 0 : 127 / most
  for (let i = 0; i < vector.length; i++) small[at + i] = Math.round((vector[i] as number) * scale)
}

/** Their cosine, but for what is the same for all. */
function smallScore(small: Int8Array, at: number, vector: Float32Array): number {
  let dot = 0
  let squares = 0
  for (let i = 0; i < vector.length; i++) {
    const value = small[at + i] as number
    dot += value * (vector[i] as number)
    squares += value * value
  }
  return dot / Math.sqrt(squares)
}

function compareExactly(
  { vector, limit, goesFirst }: ScanQuestion,
  dims: number,
  vectors: Iterable<readonly [number, Float32Array]>,
): readonly ScoredSlot[] {
  const length = lengthOf(vector)
  const top = createTop(limit, goesFirst)
  for (const [slot, other] of vectors) {
    const lengths = length * lengthOf(other)
    if (lengths > 0) top.add(slot, dotAt(other, 0, vector, dims) / lengths)
  }
  return top.taken()
}

function widerBytes(bytes: Uint8Array, room: number): Uint8Array<ArrayBuffer> {
  const wider = new Uint8Array(room)
  wider.set(bytes)
  return wider
}

export function lengthOf(vector: Float32Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}

/** Four sums side by side: a processor adds them at once. */
function dotAt(held: Float32Array, from: number, vector: Float32Array, dims: number): number {
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let i = 0
  for (; i + 3 < dims; i += 4) {
    const at = from + i
    a += (held[at] as number) * (vector[i] as number)
    b += (held[at + 1] as number) * (vector[i + 1] as number)
    c += (held[at + 2] as number) * (vector[i + 2] as number)
    d += (held[at + 3] as number) * (vector[i + 3] as number)
  }
  for (; i < dims; i++) a += (held[from + i] as number) * (vector[i] as number)
  return a + b + (c + d)
}

function signsOf(vector: Float32Array, from: number, length: number, mean: Float32Array): number {
  let signs = 0
  for (let bit = 0; bit < 8 && from + bit < vector.length; bit++) {
    if ((vector[from + bit] as number) > (mean[from + bit] as number) * length) signs |= 1 << bit
  }
  return signs
}

/** For each byte of signs and each value that it can have: what the question's numbers there add up to. */
function signTable(vector: Float32Array, bytes: number): Float32Array {
  const table = new Float32Array(bytes * 256)
  for (let byte = 0; byte < bytes; byte++) {
    const at = byte * 256
    for (let bit = 0; bit < 8; bit++) table[at] = (table[at] as number) - (vector[byte * 8 + bit] ?? 0)
    for (let value = 1; value < 256; value++) {
      // As the value without its lowest bit, with that dimension turned round.
      const lowest = Math.log2(value & -value)
      table[at + value] = (table[at + (value & (value - 1))] as number) + 2 * (vector[byte * 8 + lowest] ?? 0)
    }
  }
  return table
}

function tableScore(table: Float32Array, codes: Uint8Array, from: number, bytes: number): number {
  let a = 0
  let b = 0
  let byte = 0
  for (; byte + 1 < bytes; byte += 2) {
    a += table[byte * 256 + (codes[from + byte] as number)] as number
    b += table[byte * 256 + 256 + (codes[from + byte + 1] as number)] as number
  }
  if (byte < bytes) a += table[byte * 256 + (codes[from + byte] as number)] as number
  return a + b
}
