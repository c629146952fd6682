/**
 * Frames between the kernel and hands, the same over a pipe, a unix socket or a virtio-serial port:
 *
 *     length u32 (of all that follows) | kind u8 | id u32 | payload (at most 64 KiB)        big-endian
 *
 * A message is UTF-8 JSON, cut into `part` frames and one `last` frame that share its id, and raw bytes, which precede it in `data` frames;
 * messages of different ids may interleave, so a large reply does not delay a small one. `cancel` has no payload. Hands greet with an empty
 * object under id 0.
 *
 *     request {"op", "input", "bytes"?}      reply {"ok", "bytes"?} or {"failure"}
 *
 * If `input` or `ok` has a field `content`, that is omitted from the JSON, and `bytes` is its length. This file imports nothing, so that
 * hands load no other part of `types`.
 */

/** A frame, or a received part of one: all its pieces have its kind and id. */
export interface FramePiece {
  readonly kind: FrameKind
  readonly id: number
  /** A slice of the buffer that was read, which it keeps in memory. */
  readonly payload: Buffer
  /** Length of the whole frame's payload, and whether this piece is its first and its last. */
  readonly frameBytes: number
  readonly begins: boolean
  readonly ends: boolean
}

type FrameKind = 'part' | 'last' | 'cancel' | 'data'

/** Limits of one direction. A violation stops the reader for good. */
export interface FrameBounds {
  /** Maximum size of one message. */
  readonly messageBytes: number
  /** Maximum size of all unfinished messages. */
  readonly pendingBytes: number
}

/** Large enough for few system calls, small enough that a cancel behind it never waits long. */
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

/** @param stated the field `bytes` of the message @returns the body with its content, or null when the length differs */
export function joinContent(body: unknown, stated: unknown, content: Buffer): unknown {
  if (stated === undefined) return content.length === 0 ? body : null
  if (stated !== content.length || typeof body !== 'object' || body === null || 'content' in body) return null
  return { ...body, content }
}

/** One frame: its head, with the length of the payload, and the payload. */
export function encodeFrame(kind: FrameKind, id: number, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeHead(kind, id, payload.length), payload])
}

function encodeHead(kind: FrameKind, id: number, payloadBytes: number, head: Buffer = Buffer.allocUnsafe(headBytes)): Buffer {
  head.writeUInt32BE(headBytes - 4 + payloadBytes, 0)
  head.writeUInt8(kinds.indexOf(kind) + 1, 4)
  head.writeUInt32BE(id, 5)
  return head
}

/** @returns the frames of one message, generated one at a time so that a slow reader costs no memory. */
export function* encodeMessage(id: number, text: string, content: Uint8Array = nothing): Generator<Buffer> {
  for (const { kind, payload } of framesOf(text, content)) yield encodeFrame(kind, id, payload)
}

function* framesOf(text: string, content: Uint8Array): Generator<{ kind: FrameKind; payload: Uint8Array }> {
  for (let at = 0; at < content.length; at += maxPayloadBytes) yield { kind: 'data', payload: content.subarray(at, at + maxPayloadBytes) }
  const bytes = Buffer.from(text)
  for (let at = 0; at + maxPayloadBytes < bytes.length; at += maxPayloadBytes) {
    yield { kind: 'part', payload: bytes.subarray(at, at + maxPayloadBytes) }
  }
  const whole = Math.max(0, Math.ceil(bytes.length / maxPayloadBytes) - 1)
  yield { kind: 'last', payload: bytes.subarray(whole * maxPayloadBytes) }
}

/**
 * Passes on received parts of a frame without waiting for the rest; buffers at most nine bytes.
 * @returns a function that takes bytes as they arrive and returns null, or why they are not valid frames
 */
export function createFrameReader(onPiece: (piece: FramePiece) => void): (bytes: Buffer) => string | null {
  const head = Buffer.alloc(headBytes)
  let have = 0
  let left = 0
  return (bytes) => {
    let at = 0
    while (at < bytes.length) {
      if (have < headBytes) {
        const copied = bytes.copy(head, have, at)
        have += copied
        at += copied
        if (have < headBytes) return null
        const length = head.readUInt32BE(0)
        if (length < headBytes - 4 || length > headBytes - 4 + maxPayloadBytes) return `frame of ${length} bytes`
        if (kinds[head.readUInt8(4) - 1] === undefined) return 'unknown kind of frame'
        left = length + 4 - headBytes
        if (left > 0) continue
      }
      const payload = bytes.subarray(at, at + left)
      const frameBytes = head.readUInt32BE(0) + 4 - headBytes
      const begins = left === frameBytes
      at += payload.length
      left -= payload.length
      if (left === 0) have = 0
      onPiece({ kind: kinds[head.readUInt8(4) - 1]!, id: head.readUInt32BE(5), payload, frameBytes, begins, ends: left === 0 })
    }
    return null
  }
}

/** Receives complete messages and cancels. */
export interface MessageListener {
  /** @param content its raw bytes, which the listener may keep; empty if it has none */
  message(id: number, text: string, content: Buffer): void
  /** @param begun whether an unfinished message of this id was dropped */
  cancel(id: number, begun: boolean): void
}

interface Begun {
  readonly text: Gathered
  readonly content: Gathered
  bytes: number
}

/** Assembles messages within the limits. @returns as createFrameReader */
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
  /** Checks a whole frame at its first piece, so that the result does not depend on how it is split. */
  const problemOf = ({ kind, frameBytes }: FramePiece, begun: Begun): string | null => {
    if (begun.bytes + frameBytes > bounds.messageBytes) return `message over ${bounds.messageBytes} bytes`
    if (pendingBytes + frameBytes > bounds.pendingBytes) return `more than ${bounds.pendingBytes} bytes in unfinished messages`
    if (open.size > maxOpenMessages) return `more than ${maxOpenMessages} unfinished messages`
    if (kind !== 'last' && frameBytes === 0) return 'empty part of a message'
    return kind === 'data' && begun.text.bytes() > 0 ? 'bytes after the text of a message' : null
  }
  const take = (piece: FramePiece): void => {
    const { kind, id, payload, frameBytes, begins, ends } = piece
    if (problem !== null || (kind === 'cancel' && !ends)) return
    if (kind === 'cancel') return listener.cancel(id, forget(id) !== undefined)
    const begun = open.get(id) ?? { text: gather(), content: gather(), bytes: 0 }
    if (begins) {
      problem = problemOf(piece, begun)
      if (problem !== null) return
      begun.bytes += frameBytes
      pendingBytes += frameBytes
    }
    ;(kind === 'data' ? begun.content : begun.text).add(payload)
    open.set(id, begun)
    if (kind !== 'last' || !ends) return
    forget(id)
    listener.message(id, begun.text.take().toString(), begun.content.take())
  }
  const push = createFrameReader(take)
  return (bytes) => {
    if (problem !== null) return problem
    const garbage = push(bytes)
    // `take` may have found a problem meanwhile.
    problem ??= garbage
    return problem
  }
}

/** Maximum of unfinished messages: either side has far fewer. */
const maxOpenMessages = 256
/** Pieces of this size or more are kept as slices of what was read; smaller ones are copied together. */
const keptPieceBytes = 16 * 1024

interface Gathered {
  add(piece: Buffer): void
  bytes(): number
  take(): Buffer
}

/** Collects bytes. However small the pieces, it needs little more memory than the bytes. */
function gather(): Gathered {
  const pieces: Buffer[] = []
  let tail: Buffer | null = null
  let filled = 0
  let total = 0
  const endTail = (): void => {
    if (tail !== null) pieces.push(tail.subarray(0, filled))
    tail = null
    filled = 0
  }
  return {
    add(piece) {
      total += piece.length
      if (piece.length >= keptPieceBytes) {
        endTail()
        pieces.push(piece)
        return
      }
      if (filled + piece.length > keptPieceBytes) endTail()
      tail ??= Buffer.allocUnsafe(Math.max(piece.length, pieces.length === 0 ? firstPieceBytes : keptPieceBytes))
      if (filled + piece.length > tail.length) {
        const larger = Buffer.allocUnsafe(keptPieceBytes)
        tail.copy(larger, 0, 0, filled)
        tail = larger
      }
      filled += piece.copy(tail, filled)
    },
    bytes: () => total,
    take() {
      endTail()
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    },
  }
}

/** Most messages are no longer. */
const firstPieceBytes = 512

/** The needed part of a Writable of node:stream, without importing it. */
export interface FrameSink {
  write(bytes: Uint8Array): boolean
  /** Writes in between are combined. */
  cork(): void
  uncork(): void
  on(event: 'drain' | 'close', listener: () => void): unknown
  readonly writableNeedDrain: boolean
  readonly destroyed: boolean
}

export interface MessageWriter {
  /**
   * Sends a message at the pace of the reader, and buffers at most half a megabyte. `content` must not change before it is sent. A message
   * of several frames waits for the previous one, so that the other end holds one unfinished message; small ones overtake it.
   * @param isWanted called repeatedly; false: the rest is not sent. @returns whether all of it was sent, some, or none
   */
  send(id: number, text: string, content: Uint8Array | null, isWanted?: () => boolean): Promise<'all' | 'some' | 'none'>
}

/** Copying so much costs less than a second write. */
const smallTextChars = 4 * 1024
/** Half a megabyte: twice what a pipe holds. */
const framesAtOnce = 8

/** Writes messages in order, as frames of limited size. Waits while the sink is full. */
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

  /** One frame in one write: two would be joined again by the stream, with buffers and callbacks of their own. */
  const sendSmall = (id: number, text: string): 'all' | 'none' => {
    if (sink.destroyed) return 'none'
    const frame = Buffer.allocUnsafe(headBytes + Buffer.byteLength(text))
    frame.write(text, headBytes)
    encodeHead('last', id, frame.length - headBytes, frame)
    sink.write(frame)
    return 'all'
  }
  const sendFrames = async (id: number, text: string, content: Uint8Array, isWanted: () => boolean): Promise<'all' | 'some' | 'none'> => {
    let sent = 0
    for (const { kind, payload } of framesOf(text, content)) {
      // Several frames at once: fewer waits for the reader, and still little delay for a small message.
      const begins = sent % framesAtOnce === 0
      if (begins && sent > 0) sink.uncork()
      if (begins && sent > 0 && sink.writableNeedDrain && !sink.destroyed) await new Promise<void>((resume) => waiting.push(resume))
      if (begins && (sink.destroyed || !isWanted())) return sent === 0 ? 'none' : 'some'
      if (begins) sink.cork()
      // Not joined: the payload is not copied.
      sink.write(encodeHead(kind, id, payload.length))
      if (payload.length > 0) sink.write(payload)
      sent += 1
    }
    sink.uncork()
    return 'all'
  }
  return {
    async send(id, text, content, isWanted = () => true) {
      const bytes = content ?? nothing
      if (bytes.length === 0 && text.length <= smallTextChars) return isWanted() ? sendSmall(id, text) : 'none'
      if (bytes.length + 3 * text.length <= maxPayloadBytes) return sendFrames(id, text, bytes, isWanted)
      const sending = queue.then(() => sendFrames(id, text, bytes, isWanted))
      queue = sending
      return sending
    },
  }
}

// Limits of single replies: larger ones do not come from genuine hands of this version.

/** Text of one page view: the most that browser calls request. */
export const maxBrowserPageBytes: number = 64 * 1024
/** As many as hands keep, and one that was added while the page was read. */
export const maxBrowserNotes = 21
/** Maximum length of a page of a session's output, in UTF-16 units: hands send at most as many bytes. */
export const maxSessionText: number = 256 * 1024
/** Maximum of entries of one survey. */
export const maxSurveyEntries = 200_000

/** Maximum of entries in one reply of a snapshot: parsing them takes the kernel a few milliseconds. */
export const maxSnapshotEntries = 1_000

/** @returns whether a version can have a file of this name: nobody else's hands may name one that leaves the folder, or that no folder can have */
export function isTreePath(path: string): boolean {
  return !path.includes('\0') && path.split('/').every((name) => !['', '.', '..'].includes(name))
}
