/**
 * Vectors of one model, held by slot in eight bits a number, a quarter of their size, and all compared by a WebAssembly program. The result is
 * nearly in the right order, so the best and a few more are then compared exactly, with vectors from the database.
 */
import { comparedBeyond } from '../limits.ts'
import { createDotProgram, widen } from './dot-program.ts'
import { widerColumn } from './slot-table.ts'
import { createTop, type ScoredSlot, type TopSlots } from './top-slots.ts'

export interface VectorScan {
  readonly dims: number
  /** A vector of zeros is accepted and never found. */
  set(slot: number, vector: Float32Array): void
  drop(slot: number): void
  /** Walks over all vectors once. @returns for each question the candidates for `compareExactly`, more than requested */
  search(questions: readonly VectorQuery[]): readonly (readonly ScoredSlot[])[]
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
/** Vectors compared by one call: few enough to stay in a processor's own memory while the other questions are compared with them. */
const atOnce = 1_024
/** Questions compared with each of them before the next ones: a message and its parts. */
const questionsAtOnce = 4
const firstSlots = 1_024
const maxOff = 4

export function createVectorScan(dims: number, opened?: VectorImage): VectorScan {
  const stride = Math.ceil(dims / 16) * 16
  const sumsAt = stride * 2 * questionsAtOnce
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
    search(questions) {
      const found: (readonly ScoredSlot[])[] = []
      for (let from = 0; from < questions.length; from += questionsAtOnce) {
        const asked = questions.slice(from, from + questionsAtOnce).map((question, i): AskedVector => ({
          ...question,
          query: new Int16Array(memory.buffer, i * stride * 2, stride),
          top: createTop(question.limit + comparedBeyond, question.goesFirst),
        }))
        const nonempty = asked.filter((each) => writeQuery(each, dims))
        const end = Math.max(0, ...nonempty.map(({ high }) => Math.min(high, scales.length)))
        const sums = new Int32Array(memory.buffer, sumsAt, atOnce)
        for (let first = 0; first < end; first += atOnce) {
          const count = Math.min(atOnce, end - first)
          for (const each of nonempty) {
            run(codesAt + first * stride, stride, each.query.byteOffset, count, sumsAt)
            takeBest(each, { sums, scales: scales.subarray(first, Math.min(first + count, Math.max(first, each.high))), first })
          }
        }
        found.push(...asked.map(({ top, limit, query }) => likely(top.taken(), limit, query, scales)))
      }
      return found
    },
  }
}

/** A question as it is being compared. */
interface AskedVector extends VectorQuery {
  /** In sixteen bits a number, in the memory of the program. */
  readonly query: Int16Array
  readonly top: TopSlots
}

/** @returns false for a question that finds nothing */
function writeQuery({ vector, limit, query }: AskedVector, dims: number): boolean {
  const peak = largest(vector)
  if (peak === 0 || limit === 0) return false
  const factor = Math.min(maxQuery, Math.floor(maxSum / (maxSmall * dims))) / peak
  for (let i = 0; i < dims; i++) query[i] = Math.round((vector[i] as number) * factor)
  return true
}

interface ComparedVectors {
  readonly sums: Int32Array
  readonly scales: Float32Array
  /** Slot of the first of them. */
  readonly first: number
}

function takeBest({ top, passes }: AskedVector, { sums, scales, first }: ComparedVectors): void {
  let least = top.least()
  for (let i = nextAbove(sums, scales, 0, least); i < scales.length; i = nextAbove(sums, scales, i + 1, least)) {
    if (scales[i] === 0 || !passes(first + i)) continue
    top.add(first + i, (sums[i] as number) * (scales[i] as number))
    least = top.least()
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
