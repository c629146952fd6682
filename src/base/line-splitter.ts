/** Splits bytes of another program into lines, without joining what has no end yet, and with a limit on the length of one. */

export interface LineSplitter {
  /** @returns false when a line is too long: nothing of it can be used */
  add(bytes: Buffer): boolean
  /** The next whole line without its end, or null. */
  next(): string | null
  /** Whole lines that were not taken. */
  waiting(): number
}

/** Splits bytes into lines. @param maxBytes of one line; a longer one makes `add` return false */
export function createLineSplitter(maxBytes: number): LineSplitter {
  const whole: string[] = []
  let at = 0
  let parts: Buffer[] = []
  let size = 0
  return {
    add(bytes) {
      let from = 0
      for (let to = bytes.indexOf(10); to !== -1; to = bytes.indexOf(10, from)) {
        if (size + to - from > maxBytes) return false
        parts.push(bytes.subarray(from, to))
        whole.push((parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString())
        parts = []
        size = 0
        from = to + 1
      }
      if (from < bytes.length) {
        parts.push(bytes.subarray(from))
        size += bytes.length - from
      }
      return size <= maxBytes
    },
    next() {
      if (at < whole.length) return whole[at++]!
      whole.length = 0
      at = 0
      return null
    },
    waiting: () => whole.length - at,
  }
}
