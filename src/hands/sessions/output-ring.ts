/** The newest part of an output, whose bytes are counted from its first one. A flood costs no memory: the oldest bytes go. */

export interface OutputRing {
  push(chunk: Buffer): void
  /** Offset of the oldest byte that is kept, and the number of all bytes that came. */
  start(): number
  total(): number
  /** @returns a copy; at most what is kept from `from` on */
  slice(from: number, maxBytes: number): Buffer
  /** Gives back what is not used: nothing more will come. */
  seal(): void
}

/** A session that says little holds little; room is doubled as it is needed. */
const firstBytes = 4096

/** @param maxBytes most that is kept */
export function createOutputRing(maxBytes: number): OutputRing {
  let bytes = Buffer.alloc(Math.min(firstBytes, maxBytes))
  let total = 0
  const kept = (): number => Math.min(total, bytes.length)
  const slice = (from: number, most: number): Buffer => {
    const begin = Math.max(from, total - kept())
    const length = Math.max(0, Math.min(most, total - begin))
    const at = begin % bytes.length
    const first = bytes.subarray(at, Math.min(at + length, bytes.length))
    return Buffer.concat([first, bytes.subarray(0, length - first.length)])
  }
  /** Byte n stands at n modulo the room. */
  const place = (chunk: Buffer, offset: number): void => {
    const at = offset % bytes.length
    const first = Math.min(chunk.length, bytes.length - at)
    chunk.copy(bytes, at, 0, first)
    chunk.copy(bytes, 0, first)
  }
  const resize = (room: number): void => {
    const whole = slice(total - Math.min(kept(), room), room)
    bytes = Buffer.alloc(room)
    place(whole, total - whole.length)
  }
  return {
    push(chunk) {
      let room = bytes.length
      while (room < maxBytes && kept() + chunk.length > room) room = Math.min(room * 2, maxBytes)
      if (room > bytes.length) resize(room)
      const last = chunk.subarray(Math.max(0, chunk.length - bytes.length))
      total += chunk.length
      place(last, total - last.length)
    },
    start: () => total - kept(),
    total: () => total,
    slice,
    seal: () => resize(Math.max(1, kept())),
  }
}
