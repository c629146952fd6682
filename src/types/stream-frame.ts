/**
 * Frames of many byte streams that share one port, for a sandbox into which no socket can be shown:
 *
 *     kind u8 | stream u32 | amount u32 | payload        big-endian; `amount` bytes of payload in `data`, none in all others
 *
 *     open     begins a stream; its number is higher than those of all before it
 *     data     bytes of it
 *     end      no more bytes from this side
 *     credit   the other side may send `amount` more
 *     close    the stream is over; what was sent before still holds
 *
 * A frame of data costs its bytes, and no less than `leastFrameCost`, of what its sender may send: so that a flood of small ones
 * costs who holds them no more than large ones do. This file imports nothing: hands load it beside themselves.
 */

export type StreamFrameKind = 'open' | 'data' | 'end' | 'credit' | 'close'

/** One frame, whole. `payload` is the listener's to keep, and empty in all kinds but `data`. */
export interface StreamFrame {
  readonly kind: StreamFrameKind
  readonly stream: number
  readonly amount: number
  readonly payload: Buffer
}

const kinds: readonly StreamFrameKind[] = ['open', 'data', 'end', 'credit', 'close']
const headBytes = 9
const nothing: Buffer = Buffer.alloc(0)

/** Small enough that a stream beside it never waits long. */
export const maxStreamPayload: number = 32 * 1024
/** What either side may send of one stream before it hears that some of it was taken. */
export const streamWindow: number = 256 * 1024
/** What holding a frame costs, whatever is in it. */
export const leastFrameCost = 1_024

export function frameCost(payloadBytes: number): number {
  return Math.max(payloadBytes, leastFrameCost)
}

/** The head of a frame; for `data`, its payload goes right behind it. */
export function encodeStreamHead(kind: StreamFrameKind, stream: number, amount = 0): Buffer {
  const head = Buffer.allocUnsafe(headBytes)
  head.writeUInt8(kinds.indexOf(kind) + 1, 0)
  head.writeUInt32BE(stream, 1)
  head.writeUInt32BE(amount, 5)
  return head
}

/**
 * Holds one unfinished frame at most.
 * @returns a function that takes bytes as they arrive and answers null, or why they are no frames; from then on it takes nothing
 */
export function createStreamReader(onFrame: (frame: StreamFrame) => void): (bytes: Buffer) => string | null {
  const head = Buffer.alloc(headBytes)
  let have = 0
  let payload = nothing
  let filled = 0
  let problem: string | null = null
  const problemOfHead = (): string | null => {
    const kind = kinds[head.readUInt8(0) - 1]
    if (kind === undefined) return 'an unknown kind of frame'
    const amount = head.readUInt32BE(5)
    return amount > mostOf[kind] || (amount === 0) !== (mostOf[kind] === 0) ? `a frame "${kind}" of ${amount}` : null
  }
  return (bytes) => {
    let at = 0
    while (at < bytes.length) {
      if (problem !== null) return problem
      if (have < headBytes) {
        const copied = bytes.copy(head, have, at)
        have += copied
        at += copied
        if (have < headBytes) return null
        problem = problemOfHead()
        if (problem !== null) return problem
        payload = kinds[head.readUInt8(0) - 1] === 'data' ? Buffer.allocUnsafe(head.readUInt32BE(5)) : nothing
        filled = 0
      }
      const copied = bytes.copy(payload, filled, at)
      filled += copied
      at += copied
      if (filled < payload.length) return null
      have = 0
      onFrame({ kind: kinds[head.readUInt8(0) - 1]!, stream: head.readUInt32BE(1), amount: head.readUInt32BE(5), payload })
    }
    return problem
  }
}

const mostOf: Readonly<Record<StreamFrameKind, number>> = { open: 0, data: maxStreamPayload, end: 0, credit: streamWindow, close: 0 }
