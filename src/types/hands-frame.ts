/**
 * Frames between the kernel and hands, the same over a pipe, a unix socket or a virtio-serial port:
 *
 *     length u32 (of all that follows) | kind u8 | id u32 | payload (at most 64 KiB)        big-endian
 *
 * A message is UTF-8 JSON, cut into `part` frames and one `last` frame that share its id; messages of different ids may
 * interleave, so a large reply never holds up a small one. `cancel` has no payload. Hands greet with an empty object under
 * id 0. This file imports nothing: hands load it beside themselves, without the rest of the ground floor.
 */

export interface HandsFrame {
  readonly kind: 'part' | 'last' | 'cancel'
  readonly id: number
  readonly payload: Buffer
}

/** Bounds of one direction. What exceeds them is garbage: the reader stops for good. */
export interface FrameBounds {
  /** Most bytes of one message. */
  readonly messageBytes: number
  /** Most bytes of all messages that have begun and not ended. */
  readonly pendingBytes: number
}

/** Big enough that a system call carries much, small enough that a cancel behind it never waits long. */
export const maxPayloadBytes: number = 64 * 1024
const headBytes = 9
const kinds = ['part', 'last', 'cancel'] as const

/** Id of the greeting; requests count from 1. */
export const greetingId = 0

export function encodeFrame(kind: HandsFrame['kind'], id: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + payload.length)
  frame.writeUInt32BE(headBytes - 4 + payload.length, 0)
  frame.writeUInt8(kinds.indexOf(kind) + 1, 4)
  frame.writeUInt32BE(id, 5)
  frame.set(payload, headBytes)
  return frame
}

/** @returns the frames of one message, made one at a time so that a slow reader costs no memory. */
export function* encodeMessage(id: number, text: string): Generator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at + maxPayloadBytes < bytes.length; at += maxPayloadBytes) {
    yield encodeFrame('part', id, bytes.subarray(at, at + maxPayloadBytes))
  }
  const whole = Math.max(0, Math.ceil(bytes.length / maxPayloadBytes) - 1)
  yield encodeFrame('last', id, bytes.subarray(whole * maxPayloadBytes))
}

/** @returns a function that takes bytes as they arrive and answers null, or why they are not frames. */
export function createFrameReader(onFrame: (frame: HandsFrame) => void): (bytes: Buffer) => string | null {
  // Bytes are joined only when a whole frame is there: a sender of single bytes costs no more than any other.
  let waiting: Buffer[] = []
  let have = 0
  let need = headBytes
  return (bytes) => {
    waiting.push(bytes)
    have += bytes.length
    if (have < need) return null
    const all = waiting.length === 1 ? bytes : Buffer.concat(waiting)
    let at = 0
    need = headBytes
    while (all.length - at >= headBytes) {
      const length = all.readUInt32BE(at)
      const kind = kinds[all.readUInt8(at + 4) - 1]
      if (length < headBytes - 4 || length > headBytes - 4 + maxPayloadBytes) return `frame of ${length} bytes`
      if (kind === undefined) return 'unknown kind of frame'
      need = length + 4
      if (all.length - at < need) break
      onFrame({ kind, id: all.readUInt32BE(at + 5), payload: all.subarray(at + headBytes, at + need) })
      at += need
      need = headBytes
    }
    // Copied, so that the beginning of a frame does not hold the whole read in memory.
    waiting = [Buffer.from(all.subarray(at))]
    have = all.length - at
    return null
  }
}

/** What whole messages and cancels are given to. */
export interface MessageListener {
  message(id: number, text: string): void
  cancel(id: number): void
}

/** @returns as createFrameReader, one floor up: puts messages together within the bounds. */
export function createMessageReader(bounds: FrameBounds, listener: MessageListener): (bytes: Buffer) => string | null {
  const open = new Map<number, { parts: Buffer[]; bytes: number }>()
  let pendingBytes = 0
  let problem: string | null = null

  const take = (frame: HandsFrame): void => {
    if (problem !== null) return
    if (frame.kind === 'cancel') return listener.cancel(frame.id)
    const begun = open.get(frame.id) ?? { parts: [], bytes: 0 }
    begun.bytes += frame.payload.length
    pendingBytes += frame.payload.length
    if (begun.bytes > bounds.messageBytes) problem = `message over ${bounds.messageBytes} bytes`
    else if (pendingBytes > bounds.pendingBytes) problem = `more than ${bounds.pendingBytes} bytes in unfinished messages`
    else if (frame.kind === 'part' && frame.payload.length === 0) problem = 'empty part of a message'
    else if (frame.kind === 'part') {
      begun.parts.push(Buffer.from(frame.payload))
      open.set(frame.id, begun)
    } else {
      open.delete(frame.id)
      pendingBytes -= begun.bytes
      listener.message(
        frame.id,
        begun.parts.length === 0 ? frame.payload.toString() : Buffer.concat([...begun.parts, frame.payload]).toString(),
      )
    }
  }
  const push = createFrameReader(take)
  return (bytes) => {
    if (problem !== null) return problem
    const garbage = push(bytes)
    // `take` may have found a problem of its own meanwhile.
    problem ??= garbage
    return problem
  }
}
