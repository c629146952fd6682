/**
 * Objects that were read and checked, the newest used last. A change of many files asks for the same folders and contents again and again, and
 * a pack is slow to read. What is forgotten is read from the disk.
 */
export interface ObjectCache<Value> {
  /** @returns the value of this object, which nobody changes */
  get(oid: string): Value | undefined
  /** Keeps it where it is no more than a small part of what is kept. @param size in the unit of the cache */
  put(oid: string, value: Value, size: number): void
  clear(): void
}

/** One object takes no more than this part of a cache. */
const maxPart = 1 / 16

/** @param maxSize of all together */
export function createObjectCache<Value>(maxSize: number): ObjectCache<Value> {
  const kept = new Map<string, { readonly value: Value; readonly size: number }>()
  let total = 0
  return {
    get(oid) {
      const found = kept.get(oid)
      if (found === undefined) return undefined
      kept.delete(oid)
      kept.set(oid, found)
      return found.value
    },
    put(oid, value, size) {
      if (size > maxSize * maxPart || kept.has(oid)) return
      kept.set(oid, { value, size })
      total += size
      for (const [oldest, { size: freed }] of kept) {
        if (total <= maxSize) break
        kept.delete(oldest)
        total -= freed
      }
    },
    clear() {
      kept.clear()
      total = 0
    },
  }
}
