/**
 * Frames between the kernel and hands, the same over a pipe, a unix socket or a virtio-serial port:
 *
 *     length u32 (of all that follows) | kind u8 | id u32 | payload (at most 64 KiB)        big-endian
 *
 * A message is UTF-8 JSON, cut into `part` frames and one `last` frame that share its id, and bytes as they are, which come
 * before it in `data` frames; messages of different ids may interleave, so a large reply never holds up a small one. `cancel`
 * has no payload. Hands greet with an empty object under id 0.
 *
 *     request {"op", "input", "bytes"?}      reply {"ok", "bytes"?} or {"failure"}
 *
 * `bytes` is there where `input` or `ok` has a field `content`, which is left out of the JSON: how many bytes it had.
 * This file imports nothing: hands load it beside themselves, without the rest of the ground floor.
 */

export interface HandsFrame {
  readonly kind: 'part' | 'last' | 'cancel' | 'data'
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
const kinds = ['part', 'last', 'cancel', 'data'] as const

/** Id of the greeting; requests count from 1. */
export const greetingId = 0
const nothing: Uint8Array = new Uint8Array()

/** @returns the body without its `content`, and that; null when it has none. */
export function splitContent(body: object): { readonly plain: object; readonly content: Uint8Array | null } {
  if (!('content' in body) || !(body.content instanceof Uint8Array)) return { plain: body, content: null }
  const { content, ...plain } = body
  return { plain, content }
}

/** @param said what the message says of its bytes. @returns the body with them, or null when it does not fit what came */
export function joinContent(body: unknown, said: unknown, content: Buffer): unknown {
  if (said === undefined) return content.length === 0 ? body : null
  if (said !== content.length || typeof body !== 'object' || body === null || 'content' in body) return null
  return { ...body, content }
}

export function encodeFrame(kind: HandsFrame['kind'], id: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + payload.length)
  frame.writeUInt32BE(headBytes - 4 + payload.length, 0)
  frame.writeUInt8(kinds.indexOf(kind) + 1, 4)
  frame.writeUInt32BE(id, 5)
  frame.set(payload, headBytes)
  return frame
}

/** @returns the frames of one message, made one at a time so that a slow reader costs no memory. */
export function* encodeMessage(id: number, text: string, content: Uint8Array = nothing): Generator<Buffer> {
  for (let at = 0; at < content.length; at += maxPayloadBytes) yield encodeFrame('data', id, content.subarray(at, at + maxPayloadBytes))
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
  /** @param content the bytes beside it, for the listener to keep; empty when it has none */
  message(id: number, text: string, content: Buffer): void
  /** @param begun a message of this id had begun and not ended; what has come of it is forgotten */
  cancel(id: number, begun: boolean): void
}

interface Begun {
  readonly text: Buffer[]
  readonly content: Buffer[]
  bytes: number
}

/** @returns as createFrameReader, one floor up: puts messages together within the bounds. */
export function createMessageReader(bounds: FrameBounds, listener: MessageListener): (bytes: Buffer) => string | null {
  const open = new Map<number, Begun>()
  let pendingBytes = 0
  let problem: string | null = null

  const forget = (id: number): Begun | undefined => {
    const begun = open.get(id)
    pendingBytes -= begun?.bytes ?? 0
    open.delete(id)
    return begun
  }
  const take = ({ kind, id, payload }: HandsFrame): void => {
    if (problem !== null) return
    if (kind === 'cancel') return listener.cancel(id, forget(id) !== undefined)
    const begun = open.get(id) ?? { text: [], content: [], bytes: 0 }
    if (begun.bytes + payload.length > bounds.messageBytes) problem = `message over ${bounds.messageBytes} bytes`
    else if (pendingBytes + payload.length > bounds.pendingBytes) problem = `more than ${bounds.pendingBytes} bytes in unfinished messages`
    else if (kind !== 'last' && payload.length === 0) problem = 'empty part of a message'
    else if (kind === 'data' && begun.text.length > 0) problem = 'bytes after the text of a message'
    if (problem !== null) return
    if (kind === 'last') {
      forget(id)
      const text = begun.text.length === 0 ? payload.toString() : Buffer.concat([...begun.text, payload]).toString()
      return listener.message(id, text, Buffer.concat(begun.content))
    }
    // Copied: the payload is a piece of what was read, and would hold all of that.
    ;(kind === 'data' ? begun.content : begun.text).push(Buffer.from(payload))
    begun.bytes += payload.length
    pendingBytes += payload.length
    open.set(id, begun)
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

/** What a stream to write to must be able to do: node:stream, without importing it. */
export interface FrameSink {
  write(frame: Uint8Array): boolean
  on(event: 'drain' | 'close', listener: () => void): unknown
  readonly writableNeedDrain: boolean
  readonly destroyed: boolean
}

export interface MessageWriter {
  /**
   * Sends a message at the pace of the reader: what waits here is one frame of each message. A message of more frames than one
   * waits for the one before it, so that the other end holds one unfinished message; small ones overtake it.
   * @param isWanted asked before each frame; false: the rest is not sent. @returns whether all of it was sent, some, or none
   */
  send(id: number, text: string, content: Uint8Array | null, isWanted?: () => boolean): Promise<'all' | 'some' | 'none'>
}

export function createMessageWriter(sink: FrameSink): MessageWriter {
  let waiting: (() => void)[] = []
  let queue: Promise<unknown> = Promise.resolve()
  const wake = (): void => {
    const woken = waiting
    waiting = []
    for (const resume of woken) resume()
  }
  sink.on('drain', wake)
  sink.on('close', wake)

  const sendFrames = async (frames: Iterable<Buffer>, isWanted: () => boolean): Promise<'all' | 'some' | 'none'> => {
    let sent = 0
    for (const frame of frames) {
      if (sent > 0 && sink.writableNeedDrain && !sink.destroyed) await new Promise<void>((resume) => waiting.push(resume))
      if (sink.destroyed || !isWanted()) return sent === 0 ? 'none' : 'some'
      sink.write(frame)
      sent += 1
    }
    return 'all'
  }
  return {
    send(id, text, content, isWanted = () => true) {
      const frames = encodeMessage(id, text, content ?? nothing)
      const isSmall = (content?.length ?? 0) + 3 * text.length <= maxPayloadBytes
      if (isSmall) return sendFrames(frames, isWanted)
      const sending = queue.then(() => sendFrames(frames, isWanted))
      queue = sending
      return sending
    },
  }
}
