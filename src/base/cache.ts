/** Three caches: `once` makes one value on first use, `createRecentMap` holds many up to a limit, `createWriteThrough` those that were read or written. */

/** Makes a value on first use, once for all callers. A failure rejects the callers that wait for it, and the next call retries. */
export interface Once<Value> {
  (): Promise<Value>
  /** @returns the value, or null if it was not made yet; does not make it */
  made(): Promise<Value> | null
}

/** @returns a function that makes a value at its first call and gives it from then on; after a failure the next call tries again */
export function once<Value>(make: () => Promise<Value>): Once<Value> {
  let made: Promise<Value> | null = null
  const ask = (): Promise<Value> => {
    if (made !== null) return made
    const making = make()
    made = making
    making.catch(() => {
      if (made === making) made = null
    })
    return making
  }
  return Object.assign(ask, { made: () => made })
}

/**
 * A map with a limit that evicts the least recently used entry, for values that can be read or made again. It does not fit a map in
 * which reading must not count as use, or one that refuses new entries when it is full.
 */
export interface RecentMap<Key, Value> {
  /** Counts as use. */
  get(key: Key): Value | undefined
  /** Weighs the value now; put it again when it has grown. The new entry itself is never evicted. */
  put(key: Key, value: Value): void
  delete(key: Key): void
  clear(): void
  /** Least recently used first. Does not count as use. */
  entries(): Iterable<readonly [Key, Value]>
}

interface Weighed<Value> {
  readonly value: Value
  readonly weight: number
}

/** @param maxWeight of all entries together; without `weigh` each counts as one */
export function createRecentMap<Key, Value>(maxWeight: number, weigh: (value: Value) => number = () => 1): RecentMap<Key, Value> {
  // Insertion order is the order of use.
  const held = new Map<Key, Weighed<Value>>()
  let total = 0
  /** Usually the newest entry is read again, and need not move. */
  let newest: Key | undefined
  const drop = (key: Key): void => {
    total -= held.get(key)?.weight ?? 0
    held.delete(key)
  }
  return {
    get(key) {
      const entry = held.get(key)
      if (entry === undefined) return undefined
      if (key !== newest) {
        newest = key
        held.delete(key)
        held.set(key, entry)
      }
      return entry.value
    },
    put(key, value) {
      drop(key)
      newest = key
      const weight = weigh(value)
      held.set(key, { value, weight })
      total += weight
      if (total <= maxWeight) return
      for (const oldest of held.keys()) {
        if (total <= maxWeight || oldest === key) break
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

/** What was read or written a moment ago, so that it need not be read again. It fits values that have no other writer. */
export interface WriteThrough<Value> {
  /** Reads what is not held, once for all that ask at the same time. */
  get(key: string): Promise<Value>
  /** Notes a value that was written. @param version of two values the one with the larger version stays, in whatever order they come */
  set(key: string, value: Value, version: number): void
  /** Has a value read again, such as one whose write has an unknown end. */
  drop(key: string): void
  clear(): void
}

/** @param versionOf a value that was read */
export function createWriteThrough<Value>(
  read: (key: string) => Promise<Value>,
  versionOf: (value: Value) => number,
  limit: { readonly maxWeight: number; readonly weigh: (value: Value) => number },
): WriteThrough<Value> {
  const held = createRecentMap<string, { readonly value: Value; readonly version: number }>(limit.maxWeight, ({ value }) =>
    limit.weigh(value),
  )
  /** Of these what comes is held, unless the key was written since. */
  const reading = new Map<string, Promise<Value>>()
  const readNow = (key: string): Promise<Value> => {
    const value = read(key)
    const end = (): boolean => reading.get(key) === value && reading.delete(key)
    reading.set(key, value)
    value.then((found) => void (end() && held.put(key, { value: found, version: versionOf(found) })), end)
    return value
  }
  return {
    async get(key) {
      const found = held.get(key)
      return found === undefined ? (reading.get(key) ?? readNow(key)) : found.value
    },
    set(key, value, version) {
      reading.delete(key)
      if (version > (held.get(key)?.version ?? -1)) held.put(key, { value, version })
    },
    drop(key) {
      reading.delete(key)
      held.delete(key)
    },
    clear() {
      reading.clear()
      held.clear()
    },
  }
}

/** @returns a function that gives all lists as one: the same array until one of them is another */
export function joinLists<Item>(lists: () => readonly (readonly Item[])[]): () => readonly Item[] {
  let parts: readonly (readonly Item[])[] = []
  let all: readonly Item[] = []
  return () => {
    const now = lists()
    if (now.length !== parts.length || now.some((list, place) => list !== parts[place])) {
      parts = now
      all = now.flat()
    }
    return all
  }
}
