/**
 * Slots of each stream in order, so that the neighbours of a hit are found without a query. Slots usually arrive in order; other streams are
 * sorted when they are next used.
 */

interface StreamOrder {
  /** Call after the slot's columns are set. */
  put(slot: number): void
  /** Call before the slot's columns are cleared. */
  drop(slot: number): void
  /** @returns slots of the entries next to a slot's, in order */
  beside(slot: number, before: number, after: number): readonly number[]
  /** @returns a slot of each of the entries before a slot's, the nearest first; takes logarithmic time for each, however many passages it has. */
  earlier(slot: number, limit: number): readonly number[]
}

interface Columns {
  readonly placeOf: (slot: number) => number
  readonly entryOf: (slot: number) => number
  /** -1 for a free slot. */
  readonly passageOf: (slot: number) => number
  readonly streamOf: (slot: number) => number
}

export function createStreamOrder({ placeOf, entryOf, passageOf, streamOf }: Columns): StreamOrder {
  const byStream = new Map<number, number[]>()
  const unordered = new Set<number>()
  const compare = (a: number, b: number): number => placeOf(a) - placeOf(b) || entryOf(a) - entryOf(b) || passageOf(a) - passageOf(b)
  const ordered = (stream: number): readonly number[] => {
    const list = byStream.get(stream) ?? []
    if (!unordered.delete(stream)) return list
    // A slot may have been freed, or reused for a passage of this or another stream.
    const live = [...new Set(list)].filter((slot) => passageOf(slot) >= 0 && streamOf(slot) === stream).sort(compare)
    byStream.set(stream, live)
    return live
  }
  return {
    put(slot) {
      const stream = streamOf(slot)
      const list = byStream.get(stream)
      if (list === undefined) {
        byStream.set(stream, [slot])
        return
      }
      const last = list.at(-1)
      if (last === slot) return
      list.push(slot)
      if (last !== undefined && compare(last, slot) > 0) unordered.add(stream)
    },
    drop: (slot) => void unordered.add(streamOf(slot)),
    beside(slot, before, after) {
      const list = ordered(streamOf(slot))
      const place = placeOf(slot)
      const from = firstAt(list, (each) => placeOf(each) >= place)
      const to = firstAt(list, (each) => placeOf(each) > place)
      let [first, last] = [from, to]
      for (let entries = 0; first > 0; first--) {
        if (first === from || entryOf(list[first - 1] as number) !== entryOf(list[first] as number)) entries++
        if (entries > before) break
      }
      for (let entries = 0; last < list.length; last++) {
        if (last === to || entryOf(list[last] as number) !== entryOf(list[last - 1] as number)) entries++
        if (entries > after) break
      }
      return [...list.slice(first, from), ...list.slice(to, last)]
    },
    earlier(slot, limit) {
      const list = ordered(streamOf(slot))
      const found: number[] = []
      let next = firstAt(list, (each) => placeOf(each) >= placeOf(slot))
      while (next > 0 && found.length < limit) {
        const last = list[next - 1] as number
        found.push(last)
        next -= 1
        // Most entries have one passage.
        if (next === 0 || entryOf(list[next - 1] as number) !== entryOf(last)) continue
        next = firstAt(list, (each) => placeOf(each) > placeOf(last) || (placeOf(each) === placeOf(last) && entryOf(each) >= entryOf(last)))
      }
      return found
    },
  }
}

/** @returns the first index of an ordered list at which the condition is true; the length of the list if it never is */
function firstAt(list: readonly number[], condition: (slot: number) => boolean): number {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (condition(list[middle] as number)) high = middle
    else low = middle + 1
  }
  return low
}
