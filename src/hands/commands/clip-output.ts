/** Keeps the beginning and the end of an output and counts all of it: a flood costs no memory, and both ends tell most. */
import { withoutSequences } from '../../types/terminal-sequences.ts'
import { createOutputRing } from '../sessions/output-ring.ts'

export interface Clip {
  readonly push: (chunk: Buffer) => void
  /** Bytes that came in all. */
  readonly bytes: () => number
  readonly text: () => string
}

/** @param maxBytes most that is kept, half of it from each end */
export function createClip(maxBytes: number): Clip {
  const half = Math.floor(maxBytes / 2)
  const head = createOutputRing(half)
  const tail = createOutputRing(half)
  return {
    push(chunk) {
      const room = Math.min(chunk.length, half - head.total())
      if (room > 0) head.push(chunk.subarray(0, room))
      if (room < chunk.length) tail.push(chunk.subarray(room))
    },
    bytes: () => head.total() + tail.total(),
    text() {
      const left = tail.start()
      const [first, last] = [head.slice(0, half), tail.slice(left, half)]
      return left === 0 ? toText(Buffer.concat([first, last])) : `${toText(first)}\n[… ${left} bytes left out …]\n${toText(last)}`
    },
  }
}

/** What would steer a terminal is taken out: escape sequences whole, other control characters made visible as U+FFFD. */
function toText(bytes: Buffer): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return withoutSequences(bytes.toString()).replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g, '\uFFFD')
}
