/**
 * How the journal keeps the bytes of an exchange with a model. Each request repeats the one before it and adds a little, so
 * it is kept as what is new after a common beginning: the journal of a long turn grows with what was said, not with its square.
 */
import { type CallId, createRecentMap, type JsonObject, type RawExchange, type SessionId } from '../../types/index.ts'
import { maxHeldRequestBytes, minSharedBytes } from '../limits.ts'

export interface ExchangeRecorder {
  /** @returns the body of the exchange's record. Bytes that are UTF-8 stand as `text`, others as `base64`. */
  bodyOf(session: SessionId | '', call: CallId, exchange: RawExchange): JsonObject
  /** Requests that are held may have been erased: the next one is told whole. */
  drop(): void
}

/** The newest request of a session, that the next one can be told by. */
interface Held {
  readonly id: string
  /** As it was sent, and without secrets. */
  readonly request: readonly Uint8Array[]
  readonly kept: readonly Buffer[]
}

/** @param hideSecretBytes what a key looks like in the journal: an endpoint may repeat the one that it was sent */
export function createExchangeRecorder(hideSecretBytes: (bytes: Buffer) => Buffer): ExchangeRecorder {
  // A request with pictures in it may be larger than all others may be together, and stays: it is the one that comes again.
  const held = createRecentMap<SessionId | '', Held>(maxHeldRequestBytes, ({ kept }) => bytesIn(kept))
  let made = 0
  return {
    drop: () => held.clear(),
    bodyOf(session, call, { wire, model, url, status, request, response }) {
      const id = `${call}#${++made}`
      const before = held.get(session)
      // A piece that came before is not looked through again.
      const kept = request.map((piece, at) => (piece === before?.request[at] ? before.kept[at]! : hideSecretBytes(asBuffer(piece))))
      const shared = before === undefined ? 0 : commonLength(before.kept, kept)
      held.put(session, { id, request, kept })
      const after = before === undefined || shared < minSharedBytes ? {} : { after: { id: before.id, bytes: shared } }
      const rest = behind(kept, 'after' in after ? shared : 0)
      return {
        id,
        wire,
        model,
        url,
        status,
        request: { ...after, ...encoded(rest) },
        response: encoded(hideSecretBytes(asBuffer(response))),
      }
    },
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function bytesIn(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** What follows the first `skipped` bytes. */
function behind(pieces: readonly Buffer[], skipped: number): Buffer {
  let at = 0
  let rest = skipped
  while (at < pieces.length && rest >= pieces[at]!.length) rest -= pieces[at++]!.length
  const [first, ...others] = pieces.slice(at)
  return first === undefined ? Buffer.alloc(0) : Buffer.concat([first.subarray(rest), ...others])
}

/** Bytes that are the same at the beginning of both; what is the same in pieces that begin at other places is not looked for. */
function commonLength(a: readonly Buffer[], b: readonly Buffer[]): number {
  let length = 0
  for (const [at, piece] of b.entries()) {
    const before = a[at]
    if (before === undefined) break
    const same = before === piece ? piece.length : commonBytes(before, piece)
    length += same
    if (same < Math.max(piece.length, before.length)) break
  }
  return length
}

function commonBytes(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length)
  let length = 0
  // In large steps, where the comparison is a single call, and then the last step byte by byte.
  for (; length < most; length += compareStep) {
    const end = Math.min(most, length + compareStep)
    if (a.compare(b, length, end, length, end) !== 0) break
  }
  while (length < most && a[length] === b[length]) length++
  return Math.min(length, most)
}

const compareStep = 4_096

function encoded(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  try {
    return { text: utf8.decode(bytes) }
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
