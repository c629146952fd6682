/**
 * Multiplexes many connections over one port, for a sandbox that cannot be given a socket. Each stream has its own flow control: a stream
 * whose reader stalls blocks no other, and buffers at most its window. One side opens streams, the other connects each of them.
 *
 *     kind u8 | stream u32 | amount u32 | payload        big-endian; `amount` bytes of payload in `data`, none in all others
 *
 *     open     begins a stream; its number is higher than all earlier ones
 *     data     bytes of it
 *     end      no more bytes from this side
 *     credit   the other side may send `amount` more
 *     close    the stream is over; what was sent before still counts
 *
 * A data frame uses up at least `leastFrameCost` of its sender's window, so that a flood of small frames costs the receiver no more
 * than large ones. The accepting side may face an attacker: whatever it receives, nothing throws; it buffers one window and one
 * frame for each stream; while answers pile up unread it stops reading; a violation of form or bounds ends all streams.
 *
 * This file imports only types, because hands load it alone.
 */
import type { Duplex } from 'node:stream'

export type StreamFrameKind = 'open' | 'data' | 'end' | 'credit' | 'close'

/** One frame. The listener may keep `payload`, which is empty for all kinds but `data`. */
export interface StreamFrame {
  readonly kind: StreamFrameKind
  readonly stream: number
  readonly amount: number
  readonly payload: Buffer
}

const kinds: readonly StreamFrameKind[] = ['open', 'data', 'end', 'credit', 'close']
const headBytes = 9
const nothing: Buffer = Buffer.alloc(0)

/** Small enough that other streams never wait long. */
export const maxStreamPayload: number = 32 * 1024
/** What either side may send of one stream before it receives credit. */
export const streamWindow: number = 256 * 1024
/** What buffering a frame costs, whatever its size. */
export const leastFrameCost = 1_024

function frameCost(payloadBytes: number): number {
  return Math.max(payloadBytes, leastFrameCost)
}

/** The head of a frame; the payload of `data` follows it. */
export function encodeStreamHead(kind: StreamFrameKind, stream: number, amount = 0): Buffer {
  const head = Buffer.allocUnsafe(headBytes)
  head.writeUInt8(kinds.indexOf(kind) + 1, 0)
  head.writeUInt32BE(stream, 1)
  head.writeUInt32BE(amount, 5)
  return head
}

/**
 * Buffers at most one unfinished frame.
 * @returns a function that takes bytes as they arrive and returns null, or why they are not valid frames; after that it ignores all bytes
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
    return amount > maxAmountOf[kind] || (amount === 0) !== (maxAmountOf[kind] === 0) ? `a frame "${kind}" of ${amount}` : null
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

const maxAmountOf: Readonly<Record<StreamFrameKind, number>> = { open: 0, data: maxStreamPayload, end: 0, credit: streamWindow, close: 0 }

export interface CarrierOptions {
  /** Maximum number of streams; another one is closed as soon as it opens. */
  readonly maxStreams: number
  /** Connects a stream that the other side opens; null closes it. Absent if only this side opens streams. */
  readonly accept?: () => Duplex | null
  /** Called once, with the other side's violation, after all connections are closed. */
  readonly onBroken: (problem: string) => void
}

export interface StreamCarrier {
  /** Opens a stream for a connection, or ends the connection when there are too many. */
  open(near: Duplex): void
  /** The number of open connections. */
  count(): number
  /** Ends every connection and stops reading; the port stays open. */
  close(): void
}

interface Stream {
  readonly id: number
  readonly near: Duplex
  /** Bytes that may still be sent. */
  credit: number
  /** Received and not returned as credit: in total, and the part that the connection has consumed. */
  held: number
  taken: number
  sentEnd: boolean
  receivedEnd: boolean
  /** The other side has closed it. */
  over: boolean
}

interface Carried extends CarrierOptions {
  readonly port: Duplex
  readonly streams: Map<number, Stream>
  /** Streams that may have something to send, in order. */
  readonly ready: Set<Stream>
  lastId: number
  isOver: boolean
}

/** Above this, unread answers have piled up at the port, and the carrier stops reading. Data of streams by itself never reaches it. */
const maxUnreadBytes: number = 256 * 1024
/** Credit is returned in steps of this size: few frames, and the sender never stalls. */
const creditStep: number = streamWindow / 4

/** Carries many byte streams over one port, each at the pace of its own reader. */
export function carryStreams(port: Duplex, options: CarrierOptions): StreamCarrier {
  const carried: Carried = { ...options, port, streams: new Map(), ready: new Set(), lastId: 0, isOver: false }
  const broken = (problem: string): void => {
    if (carried.isOver) return
    close()
    options.onBroken(problem)
  }
  const push = createStreamReader((frame) => {
    const problem = carried.isOver ? null : take(carried, frame)
    if (problem !== null) broken(problem)
  })
  const read = (bytes: Buffer): void => {
    const problem = push(bytes)
    if (problem !== null) broken(problem)
    // The opening side always keeps reading, so that the accepting side can always send its answers.
    if (options.accept !== undefined && !carried.isOver && port.writableLength > maxUnreadBytes) port.pause()
  }
  const close = (): void => {
    carried.isOver = true
    port.off('data', read)
    for (const { near } of carried.streams.values()) near.destroy()
  }
  port.on('data', read)
  port.on('drain', () => {
    if (carried.isOver) return
    port.resume()
    sendAll(carried)
  })
  port.on('error', close)
  port.on('close', close)
  return {
    open(near) {
      if (carried.isOver || carried.streams.size >= options.maxStreams) {
        near.destroy()
        return
      }
      carried.lastId += 1
      // Registered before the frame is sent, because a port may deliver the answer synchronously.
      carry(carried, carried.lastId, near)
      sendHead(carried, 'open', carried.lastId)
    },
    count: () => carried.streams.size,
    close,
  }
}

function sendHead({ port, isOver }: Carried, kind: StreamFrameKind, id: number, amount = 0): void {
  if (!isOver && !port.destroyed) port.write(encodeStreamHead(kind, id, amount))
}

function carry(carried: Carried, id: number, near: Duplex): void {
  const { streams, ready } = carried
  const stream: Stream = { id, near, credit: streamWindow, held: 0, taken: 0, sentEnd: false, receivedEnd: false, over: false }
  streams.set(id, stream)
  near.on('readable', () => {
    ready.add(stream)
    sendAll(carried)
  })
  near.on('end', () => {
    stream.sentEnd = true
    if (!stream.over) sendHead(carried, 'end', id)
  })
  near.on('error', () => near.destroy())
  near.on('close', () => {
    streams.delete(id)
    ready.delete(stream)
    if (!stream.over && !(stream.sentEnd && stream.receivedEnd)) sendHead(carried, 'close', id)
  })
}

/** Sends a piece of each stream in turn until the port is full. */
function sendAll(carried: Carried): void {
  const { port, ready } = carried
  for (const stream of ready) {
    if (carried.isOver || port.writableNeedDrain) return
    ready.delete(stream)
    if (sendPiece(carried, stream)) ready.add(stream)
  }
}

/** @returns whether the stream may have more to send */
function sendPiece(carried: Carried, stream: Stream): boolean {
  const { id, near } = stream
  if (stream.sentEnd || near.destroyed || stream.credit < leastFrameCost) return false
  const size = Math.min(near.readableLength, stream.credit, maxStreamPayload)
  // With nothing buffered, `read` arms the next `readable` event, or `end`.
  const piece = near.read(size) as Buffer | null
  if (size === 0 || piece === null) return false
  stream.credit -= frameCost(piece.length)
  carried.port.cork()
  sendHead(carried, 'data', id, piece.length)
  carried.port.write(piece)
  carried.port.uncork()
  return true
}

/** @returns what is wrong with the frame, or null */
function take(carried: Carried, { kind, stream: id, amount, payload }: StreamFrame): string | null {
  if (kind === 'open') return accepted(carried, id)
  const stream = carried.streams.get(id)
  // The stream may have ended here while the frame was in transit.
  if (stream === undefined) return id <= carried.lastId && id > 0 ? null : `"${kind}" of a stream that was never opened`
  if (kind === 'data') return deliver(carried, stream, payload)
  if (kind === 'credit') {
    stream.credit += amount
    if (stream.credit > streamWindow) return 'credit for what was never sent'
    carried.ready.add(stream)
    sendAll(carried)
  } else if (kind === 'end') {
    if (stream.receivedEnd) return 'a second end of a stream'
    stream.receivedEnd = true
    stream.near.end()
  } else {
    stream.over = true
    // Data that was received before must still be written to the connection.
    stream.near.end(() => stream.near.destroy())
  }
  return null
}

function accepted(carried: Carried, id: number): string | null {
  const { accept, streams, maxStreams } = carried
  if (accept === undefined) return 'a stream that only the other side opens'
  if (id <= carried.lastId) return 'a stream whose number was there before'
  carried.lastId = id
  const near = streams.size < maxStreams ? accept() : null
  if (near === null) sendHead(carried, 'close', id)
  else carry(carried, id, near)
  return null
}

/** Writes bytes to the connection, and returns credit when it has consumed them. */
function deliver(carried: Carried, stream: Stream, payload: Buffer): string | null {
  const cost = frameCost(payload.length)
  stream.held += cost
  if (stream.receivedEnd || stream.over) return 'bytes behind the end of a stream'
  if (stream.held > streamWindow) return 'more bytes than the window of a stream'
  if (!stream.near.writable) return null
  stream.near.write(payload, () => {
    stream.taken += cost
    if (stream.taken < creditStep || stream.over || stream.near.destroyed) return
    sendHead(carried, 'credit', stream.id, stream.taken)
    stream.held -= stream.taken
    stream.taken = 0
  })
  return null
}
