/**
 * A map with a limit: what was used longest ago makes room for what is put in. Every room keeps something at hand that it could read
 * or make again; this is the one rule by which it goes. Not for a map in which looking must not count as use, nor for one that refuses
 * what is too much: those stay with their owner.
 */
export interface RecentMap<Key, Value> {
  /** Counts as use. */
  get(key: Key): Value | undefined
  /** The value is weighed now: put one that has grown again. It stays itself, however much it weighs. */
  put(key: Key, value: Value): void
  delete(key: Key): void
  clear(): void
  /** What was used longest ago comes first. Does not count as use. */
  entries(): Iterable<readonly [Key, Value]>
}

interface Weighed<Value> {
  readonly value: Value
  readonly weight: number
}

/** @param most of all weights together; without `weigh` each entry counts as one */
export function createRecentMap<Key, Value>(most: number, weigh: (value: Value) => number = () => 1): RecentMap<Key, Value> {
  // Insertion order is order of use.
  const held = new Map<Key, Weighed<Value>>()
  let total = 0
  /** What was used last is asked for again, mostly: it need not move. */
  let newest: Key | undefined
  const drop = (key: Key): void => {
    total -= held.get(key)?.weight ?? 0
    held.delete(key)
  }
  return {
    get(key) {
      const known = held.get(key)
      if (known === undefined) return undefined
      if (key !== newest) {
        newest = key
        held.delete(key)
        held.set(key, known)
      }
      return known.value
    },
    put(key, value) {
      drop(key)
      newest = key
      const weight = weigh(value)
      held.set(key, { value, weight })
      total += weight
      if (total <= most) return
      for (const oldest of held.keys()) {
        if (total <= most || oldest === key) break
        drop(oldest)
      }
    },
    delete: drop,
    clear() {
      held.clear()
      total = 0
    },
    *entries() {
      for (const [key, { value }] of held) yield [key, value]
    },
  }
}
