/** Keeps the beginning and the end of an output and counts all of it: a flood costs no memory, and both ends tell most. */
import { withoutSequences } from '../../types/terminal-sequences.ts'

export interface Clip {
  readonly push: (chunk: Buffer) => void
  /** Bytes that came in all. */
  readonly bytes: () => number
  readonly text: () => string
}

/** @param maxBytes most that is kept, half of it from each end */
export function createClip(maxBytes: number): Clip {
  const half = Math.floor(maxBytes / 2)
  const head: Buffer[] = []
  let tail: Buffer[] = []
  let headBytes = 0
  let tailBytes = 0
  let bytes = 0
  return {
    push(chunk) {
      bytes += chunk.length
      const room = Math.min(chunk.length, half - headBytes)
      if (room > 0) {
        head.push(chunk.subarray(0, room))
        headBytes += room
      }
      if (room === chunk.length) return
      tail.push(chunk.subarray(room))
      tailBytes += chunk.length - room
      while (tailBytes - tail[0]!.length >= half) tailBytes -= tail.shift()!.length
    },
    bytes: () => bytes,
    text() {
      const end = Buffer.concat(tail)
      tail = [end]
      const left = bytes - headBytes - Math.min(half, end.length)
      if (left <= 0) return toText(Buffer.concat([...head, end]))
      const last = end.subarray(end.length - half)
      return `${toText(Buffer.concat(head))}\n[… ${left} bytes left out …]\n${toText(last)}`
    },
  }
}

/** What would steer a terminal is taken out: escape sequences whole, other control characters made visible as U+FFFD. */
function toText(bytes: Buffer): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return withoutSequences(bytes.toString()).replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g, '\uFFFD')
}
