/**
 * Vectors of one model, held by slot, and the search over them by cosine. Three forms, by how many there are:
 *
 *   whole   up to a few thousand: all are compared exactly, without a query
 *   small   up to 48 MB: eight bits a number; the best are compared exactly, with vectors from the database
 *   signs   beyond that: the sign of each dimension relative to the mean; the best few hundred are compared exactly
 */
import { maxExactFloats, maxExactVectors, maxSmallBytes } from '../limits.ts'
import { widerColumn } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

type VectorForm = 'whole' | 'small' | 'signs'

export interface VectorScan {
  readonly dims: number
  readonly form: VectorForm
  /** A vector of zeros is accepted and never found. */
  set(slot: number, vector: Float32Array): void
  drop(slot: number): void
  /** @returns the best, best first, if vectors are held whole; else more candidates than requested, for `compare` */
  search(question: VectorQuery): readonly ScoredSlot[]
  /** Best first, by cosine. */
  compare(question: VectorQuery, vectors: Iterable<readonly [number, Float32Array]>): readonly ScoredSlot[]
}

export interface VectorQuery {
  readonly vector: Float32Array
  readonly limit: number
  /** All slots are below this one. */
  readonly high: number
  readonly passes: (slot: number) => boolean
  readonly goesFirst: (a: number, b: number) => boolean
}

/** @returns the form for this number of vectors */
export function formFor(vectors: number, dims: number): VectorForm {
  if (vectors <= maxExactVectors && vectors * dims <= maxExactFloats) return 'whole'
  return vectors * dims <= maxSmallBytes ? 'small' : 'signs'
}

const forms: readonly VectorForm[] = ['whole', 'small', 'signs']

/** Forms change only when a store grows; one that shrinks is small anyway. */
export function mayStay(held: VectorForm, vectors: number, dims: number): boolean {
  return forms.indexOf(held) >= forms.indexOf(formFor(vectors, dims))
}

export function compareExactly(
  { vector, limit, goesFirst }: VectorQuery,
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

export function lengthOf(vector: Float32Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}

/** Four independent sums, which a processor adds in parallel. */
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

const firstSlots = 1_024

/** Holds whole vectors, normalized. */
export function createExactScan(dims: number): VectorScan {
  let room = firstSlots
  let held = new Float32Array(room * dims)
  /** 1 for a slot with a vector that is not zero. */
  let present = new Uint8Array(room)
  return {
    dims,
    form: 'whole',
    set(slot, vector) {
      if (slot >= room) {
        room = Math.max(room * 2, slot + 1)
        held = widerColumn(held, room * dims)
        present = widerColumn(present, room)
      }
      const length = lengthOf(vector)
      present[slot] = length > 0 ? 1 : 0
      for (let i = 0; i < dims; i++) held[slot * dims + i] = length > 0 ? (vector[i] as number) / length : 0
    },
    drop(slot) {
      if (slot < room) present[slot] = 0
    },
    compare: (question, vectors) => compareExactly(question, dims, vectors),
    search({ vector, limit, high, passes, goesFirst }) {
      const length = lengthOf(vector)
      const top = createTop(limit, goesFirst)
      if (length === 0) return []
      const unit = vector.map((value) => value / length)
      for (let slot = 0; slot < Math.min(high, room); slot++) {
        if (present[slot] === 1 && passes(slot)) top.add(slot, dotAt(held, slot * dims, unit, dims))
      }
      return top.taken()
    },
  }
}
