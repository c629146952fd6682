/**
 * Holds only the sign of each dimension, relative to the mean of all vectors (48 bytes for 384 dimensions). The query keeps its
 * numbers, and each byte of signs looks up its part of the score in a table.
 */
import { minRescored, rescoredPerHit } from '../limits.ts'
import { widerColumn } from './slot-table.ts'
import { createTop } from './top-slots.ts'
import { compareExactly, lengthOf, type VectorScan } from './vector-scan.ts'

const firstSlots = 1_024

/** @param mean of the normalized vectors */
export function createSignScan(dims: number, mean: Float32Array): VectorScan {
  const bytes = Math.ceil(dims / 8)
  let room = firstSlots
  let codes = new Uint8Array(room * bytes)
  let present = new Uint8Array(room)
  const grow = (slot: number): void => {
    room = Math.max(room * 2, slot + 1)
    codes = widerColumn(codes, room * bytes)
    present = widerColumn(present, room)
  }
  return {
    dims,
    form: 'signs',
    set(slot, vector) {
      if (slot >= room) grow(slot)
      const length = lengthOf(vector)
      present[slot] = length > 0 ? 1 : 0
      for (let byte = 0; byte < bytes; byte++) codes[slot * bytes + byte] = signsOf(vector, byte * 8, length, mean)
    },
    drop(slot) {
      if (slot < room) present[slot] = 0
    },
    compare: (question, vectors) => compareExactly(question, dims, vectors),
    search({ vector, limit, high, passes, goesFirst }) {
      if (lengthOf(vector) === 0 || limit === 0) return []
      const table = signTable(vector, bytes)
      const likely = createTop(Math.max(minRescored, limit * rescoredPerHit), goesFirst)
      for (let slot = 0; slot < Math.min(high, room); slot++) {
        if (present[slot] === 1 && passes(slot)) likely.add(slot, tableScore(table, codes, slot * bytes, bytes))
      }
      return likely.taken()
    },
  }
}

function signsOf(vector: Float32Array, from: number, length: number, mean: Float32Array): number {
  let signs = 0
  for (let bit = 0; bit < 8 && from + bit < vector.length; bit++) {
    if ((vector[from + bit] as number) > (mean[from + bit] as number) * length) signs |= 1 << bit
  }
  return signs
}

/** For each byte of signs and each of its values: the sum of the query's numbers there. */
function signTable(vector: Float32Array, bytes: number): Float32Array {
  const table = new Float32Array(bytes * 256)
  for (let byte = 0; byte < bytes; byte++) {
    const at = byte * 256
    for (let bit = 0; bit < 8; bit++) table[at] = (table[at] as number) - (vector[byte * 8 + bit] ?? 0)
    for (let value = 1; value < 256; value++) {
      // The sum for the value without its lowest bit, with the sign of that dimension flipped.
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
