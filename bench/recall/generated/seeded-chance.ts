/** Chance that a seed decides: the same seed makes the same data on every machine. */
import { seededNumbers } from '../../../src/base/random-fixture.ts'

export interface Chance {
  /** 0 to below 1. */
  next(): number
  /** 0 to below `end`. */
  below(end: number): number
  /** @throws RangeError for an empty list */
  pick<Item>(items: readonly Item[]): Item
  /** Distinct items in any order; all of them when there are fewer. */
  some<Item>(items: readonly Item[], count: number): Item[]
  happens(probability: number): boolean
}

export function seededChance(seed: number): Chance {
  const next = seededNumbers(seed)
  const below = (end: number): number => Math.floor(next() * end)
  const some = <Item>(items: readonly Item[], count: number): Item[] => {
    const left = [...items]
    for (let i = left.length - 1; i > 0; i--) {
      const other = below(i + 1)
      const kept = left[i]
      left[i] = left[other] as Item
      left[other] = kept as Item
    }
    return left.slice(0, count)
  }
  const pick = <Item>(items: readonly Item[]): Item => {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[below(items.length)] as Item
  }
  return { next, below, pick, some, happens: (probability) => next() < probability }
}
