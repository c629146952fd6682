/**
 * Vectors of one model, held by slot in eight bits a number, a quarter of their size, and all compared by a WebAssembly program. The result is
 * nearly in the right order, so the best and a few more are then compared exactly, with vectors from the database.
 */
import { comparedBeyond } from '../limits.ts'
import { createDotProgram, widen } from './dot-program.ts'
import { widerColumn } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

export interface VectorScan {
  readonly dims: number
  /** A vector of zeros is accepted and never found. */
  set(slot: number, vector: Float32Array): void
  drop(slot: number): void
  /** @returns the candidates for `compareExactly`, more than requested */
  search(question: VectorQuery): readonly ScoredSlot[]
  /** @param high all slots are below it */
  image(high: number): VectorImage
}

/** As it is written to a snapshot: by slot, 1 / length and the numbers, padded to a multiple of 16. */
export interface VectorImage {
  readonly scales: Float32Array
  readonly codes: Int8Array
}

/** A search for the nearest vectors. */
export interface VectorQuery {
  readonly vector: Float32Array
  readonly limit: number
  /** All slots are below this one. */
  readonly high: number
  readonly passes: (slot: number) => boolean
  readonly goesFirst: (a: number, b: number) => boolean
}

/** Best first, by cosine. */
export function compareExactly(
  { vector, limit, goesFirst }: VectorQuery,
  dims: number,
  vectors: Iterable<readonly [number, Float32Array]>,
): readonly ScoredSlot[] {
  const length = lengthOf(vector)
  const top = createTop(limit, goesFirst)
  for (const [slot, other] of vectors) {
    const lengths = length * lengthOf(other)
    if (lengths > 0) top.add(slot, dotOf(other, vector, dims) / lengths)
  }
  return top.taken()
}

function lengthOf(vector: Float32Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}

/** Four independent sums, which a processor adds in parallel. */
function dotOf(held: Float32Array, vector: Float32Array, dims: number): number {
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let i = 0
  for (; i + 3 < dims; i += 4) {
    a += (held[i] as number) * (vector[i] as number)
    b += (held[i + 1] as number) * (vector[i + 1] as number)
    c += (held[i + 2] as number) * (vector[i + 2] as number)
    d += (held[i + 3] as number) * (vector[i + 3] as number)
  }
  for (; i < dims; i++) a += (held[i] as number) * (vector[i] as number)
  return a + b + (c + d)
}

const maxSmall = 127
const maxQuery = 32_767
/** Upper bound of the sums of products. */
const maxSum = 2_147_483_647
/** Vectors compared by one call: their sums take 16 kB. */
const atOnce = 4_096
const firstSlots = 1_024
const maxOff = 4

export function createVectorScan(dims: number, opened?: VectorImage): VectorScan {
  const stride = Math.ceil(dims / 16) * 16
  const sumsAt = stride * 2
  const codesAt = sumsAt + atOnce * 4
  const { memory, run } = createDotProgram(codesAt + firstSlots * stride)
  /** 1 / length of each quantized vector; 0 for none, or one of zeros. */
  let scales = new Float32Array(firstSlots)
  const makeRoom = (slot: number): void => {
    const room = Math.max(slot + 1, Math.ceil(scales.length * 1.5))
    widen(memory, codesAt + room * stride)
    scales = widerColumn(scales, room)
  }
  if (opened !== undefined && opened.scales.length > 0) {
    makeRoom(opened.scales.length - 1)
    scales.set(opened.scales)
    new Int8Array(memory.buffer).set(opened.codes, codesAt)
  }
  return {
    dims,
    image(high) {
      const slots = Math.min(high, scales.length)
      return { scales: scales.slice(0, slots), codes: new Int8Array(memory.buffer, codesAt, slots * stride).slice() }
    },
    set(slot, vector) {
      if (slot >= scales.length) makeRoom(slot)
      const held = new Int8Array(memory.buffer, codesAt + slot * stride, dims)
      const peak = largest(vector)
      let squares = 0
      for (let i = 0; i < dims; i++) {
        const value = peak === 0 ? 0 : Math.round(((vector[i] as number) / peak) * maxSmall)
        held[i] = value
        squares += value * value
      }
      scales[slot] = squares === 0 ? 0 : 1 / Math.sqrt(squares)
    },
    drop(slot) {
      if (slot < scales.length) scales[slot] = 0
    },
    search({ vector, limit, high, passes, goesFirst }) {
      const peak = largest(vector)
      if (peak === 0 || limit === 0) return []
      const factor = Math.min(maxQuery, Math.floor(maxSum / (maxSmall * dims))) / peak
      const query = new Int16Array(memory.buffer, 0, stride)
      for (let i = 0; i < dims; i++) query[i] = Math.round((vector[i] as number) * factor)
      const top = createTop(limit + comparedBeyond, goesFirst)
      const end = Math.min(high, scales.length)
      const sums = new Int32Array(memory.buffer, sumsAt, atOnce)
      let least = -Infinity
      for (let first = 0; first < end; first += atOnce) {
        const count = Math.min(atOnce, end - first)
        run(codesAt + first * stride, stride, 0, count, sumsAt)
        const own = scales.subarray(first, first + count)
        for (let i = nextAbove(sums, own, 0, least); i < count; i = nextAbove(sums, own, i + 1, least)) {
          if (own[i] === 0 || !passes(first + i)) continue
          top.add(first + i, (sums[i] as number) * (own[i] as number))
          least = top.least()
        }
      }
      return likely(top.taken(), limit, query, scales)
    },
  }
}

/** A loop by itself, which is compiled well. @returns the first place from `from` on with such a score; the length if no place has one */
function nextAbove(sums: Int32Array, scales: Float32Array, from: number, least: number): number {
  for (let i = from; i < scales.length; i++) if ((sums[i] as number) * (scales[i] as number) >= least) return i
  return scales.length
}

/**
 * Drops candidates that cannot be among the best. Rounding changes each number by at most half a unit, up or down at random, so a score is
 * wrong by more than `maxOff` units of its vector once in 10 ^ 13 times (Hoeffding's bound for a query of length 1).
 */
function likely(scored: readonly ScoredSlot[], limit: number, query: Int16Array, scales: Float32Array): readonly ScoredSlot[] {
  const last = scored[limit - 1]
  if (last === undefined) return scored
  let squares = 0
  for (const value of query) squares += value * value
  const off = (slot: number): number => maxOff * Math.sqrt(squares) * (scales[slot] as number)
  const least = last.score - off(last.slot)
  return scored.filter(({ slot, score }, i) => i < limit || score + off(slot) >= least)
}

function largest(vector: Float32Array): number {
  let peak = 0
  for (const value of vector) peak = Math.max(peak, Math.abs(value))
  return peak
}
