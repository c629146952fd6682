/** Vectors held whole, each brought to length 1. */
import { createTop } from '../slots/top-slots.ts'
import { widerColumn } from '../slots/wider-column.ts'
import { compareExactly, dotAt, lengthOf, type VectorScan } from './vector-scan.ts'

const firstSlots = 1_024

export function createExactScan(dims: number): VectorScan {
  let room = firstSlots
  let held = new Float32Array(room * dims)
  /** 1: has a vector that points somewhere. */
  let known = new Uint8Array(room)
  return {
    dims,
    form: 'whole',
    set(slot, vector) {
      if (slot >= room) {
        room = Math.max(room * 2, slot + 1)
        held = widerColumn(held, room * dims)
        known = widerColumn(known, room)
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
