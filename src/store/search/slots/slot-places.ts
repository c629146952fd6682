/** Which passage has which slot. */
import { widerColumn } from './wider-column.ts'

const firstSlots = 1_024
/** Passages whose slots stand side by side: neighbours are asked for together. So few, that a passage left alone costs little. */
const pagePassages = 256

export interface Places {
  /** @returns its slot, a new one when it has none */
  take(passage: number): number
  free(passage: number, slot: number): void
  slotOf(passage: number): number
  /** -1 for a slot that is free. */
  passageOf(slot: number): number
  high(): number
  count(): number
}

export function createPlaces(): Places {
  /** By page: a slot and one for each passage, 0 for none. */
  const pages = new Map<number, Int32Array>()
  const free: number[] = []
  let high = 0
  let count = 0
  let passages = new Float64Array(firstSlots)
  /** The page that was looked at last: mostly the next passage stands on it. */
  let last = -1
  let page: Int32Array | undefined
  const pageOf = (passage: number): Int32Array | undefined => {
    const number = Math.floor(passage / pagePassages)
    if (number !== last) {
      last = number
      page = pages.get(number)
    }
    return page
  }
  const slotOf = (passage: number): number => (pageOf(passage)?.[passage % pagePassages] ?? 0) - 1
  return {
    take(passage) {
      const known = slotOf(passage)
      if (known >= 0) return known
      const slot = free.pop() ?? high++
      if (slot >= passages.length) passages = widerColumn(passages, passages.length * 2)
      let own = pageOf(passage)
      if (own === undefined) {
        own = page = new Int32Array(pagePassages)
        pages.set(last, own)
      }
      own[passage % pagePassages] = slot + 1
      passages[slot] = passage
      count++
      return slot
    },
    free(passage, slot) {
      const own = pageOf(passage)
      if (own !== undefined) own[passage % pagePassages] = 0
      passages[slot] = -1
      free.push(slot)
      count--
    },
    slotOf,
    passageOf: (slot) => (slot < high ? (passages[slot] as number) : -1),
    high: () => high,
    count: () => count,
  }
}
