/**
 * Carries connections over one port, byte for byte, each at the pace of its own reader: a stream whose reader stands still holds
 * up no other, and costs no more than its window. One side opens streams, the other makes a connection for each.
 *
 * The side that accepts may have a stranger at its port. Whatever the stranger sends, nothing throws; what is held is a window and
 * a piece for each stream; and while answers pile up unread, nothing more is read. What breaks form or bounds ends all.
 */
import type { Duplex } from 'node:stream'
import { createStreamReader, encodeStreamHead, frameCost, leastFrameCost, maxStreamPayload, streamWindow } from './stream-frame.ts'
import type { StreamFrame, StreamFrameKind } from './stream-frame.ts'

export interface CarrierOptions {
  /** Streams at once; one more is closed as soon as it opens. */
  readonly maxStreams: number
  /** The connection of a stream that the other side opens; null: it is closed. Absent where only this side opens. */
  readonly accept?: () => Duplex | null
  /** Called once, when the other side has broken form or bounds, with what it did. All connections are gone by then. */
  readonly onBroken: (problem: string) => void
}

export interface StreamCarrier {
  /** Begins a stream for a connection, or ends that when there are too many. */
  open(near: Duplex): void
  /** Connections that are carried now. */
  count(): number
  /** Ends every connection; the port stays as it is, and is read no more. */
  close(): void
}

interface Stream {
  readonly id: number
  readonly near: Duplex
  /** What may still be sent. */
  credit: number
  /** What has come and was not given back as credit: all of it, and that which the connection has taken. */
  held: number
  taken: number
  saidEnd: boolean
  heardEnd: boolean
  /** The other side has said that this is over. */
  over: boolean
}

interface Carried extends CarrierOptions {
  readonly port: Duplex
  readonly streams: Map<number, Stream>
  /** Those that may have something to send, in turn. */
  readonly ready: Set<Stream>
  lastId: number
  isOver: boolean
}

/** Above it answers have piled up at the port, and the other side is not read. Pieces of streams alone never come to that. */
const maxUnreadBytes: number = 256 * 1024
/** Credit is given back in pieces of this size: few frames, and the sender never runs dry. */
const creditStep: number = streamWindow / 4

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
    // The side that opens reads on whatever happens: only so can the other one be sure to get rid of its answers.
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
      // Known before it is said: a port may bring the answer at once.
      carry(carried, carried.lastId, near)
      say(carried, 'open', carried.lastId)
    },
    count: () => carried.streams.size,
    close,
  }
}

function say({ port, isOver }: Carried, kind: StreamFrameKind, id: number, amount = 0): void {
  if (!isOver && !port.destroyed) port.write(encodeStreamHead(kind, id, amount))
}

function carry(carried: Carried, id: number, near: Duplex): void {
  const { streams, ready } = carried
  const stream: Stream = { id, near, credit: streamWindow, held: 0, taken: 0, saidEnd: false, heardEnd: false, over: false }
  streams.set(id, stream)
  near.on('readable', () => {
    ready.add(stream)
    sendAll(carried)
  })
  near.on('end', () => {
    stream.saidEnd = true
    if (!stream.over) say(carried, 'end', id)
  })
  near.on('error', () => near.destroy())
  near.on('close', () => {
    streams.delete(id)
    ready.delete(stream)
    if (!stream.over && !(stream.saidEnd && stream.heardEnd)) say(carried, 'close', id)
  })
}

/** As long as the port takes something, a piece of each in turn. */
function sendAll(carried: Carried): void {
  const { port, ready } = carried
  for (const stream of ready) {
    if (carried.isOver || port.writableNeedDrain) return
    ready.delete(stream)
    if (sendPiece(carried, stream)) ready.add(stream)
  }
}

/** @returns whether there may be more of it to send. */
function sendPiece(carried: Carried, stream: Stream): boolean {
  const { id, near } = stream
  if (stream.saidEnd || near.destroyed || stream.credit < leastFrameCost) return false
  const size = Math.min(near.readableLength, stream.credit, maxStreamPayload)
  // With nothing there, reading brings what comes next, or the end.
  const piece = near.read(size) as Buffer | null
  if (size === 0 || piece === null) return false
  stream.credit -= frameCost(piece.length)
  carried.port.cork()
  say(carried, 'data', id, piece.length)
  carried.port.write(piece)
  carried.port.uncork()
  return true
}

/** @returns what is wrong with the frame. */
function take(carried: Carried, { kind, stream: id, amount, payload }: StreamFrame): string | null {
  if (kind === 'open') return accepted(carried, id)
  const stream = carried.streams.get(id)
  // It may have ended here while this was on its way.
  if (stream === undefined) return id <= carried.lastId && id > 0 ? null : `"${kind}" of a stream that was never opened`
  if (kind === 'data') return give(carried, stream, payload)
  if (kind === 'credit') {
    stream.credit += amount
    if (stream.credit > streamWindow) return 'credit for what was never sent'
    carried.ready.add(stream)
    sendAll(carried)
  } else if (kind === 'end') {
    if (stream.heardEnd) return 'a second end of a stream'
    stream.heardEnd = true
    stream.near.end()
  } else {
    stream.over = true
    // What it has sent may still be on its way through the connection.
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
  if (near === null) say(carried, 'close', id)
  else carry(carried, id, near)
  return null
}

/** Gives bytes to the connection, and credit back when it has taken them. */
function give(carried: Carried, stream: Stream, payload: Buffer): string | null {
  const cost = frameCost(payload.length)
  stream.held += cost
  if (stream.heardEnd || stream.over) return 'bytes behind the end of a stream'
  if (stream.held > streamWindow) return 'more bytes than the window of a stream'
  if (!stream.near.writable) return null
  stream.near.write(payload, () => {
    stream.taken += cost
    if (stream.taken < creditStep || stream.over || stream.near.destroyed) return
    say(carried, 'credit', stream.id, stream.taken)
    stream.held -= stream.taken
    stream.taken = 0
  })
  return null
}
