/**
 * How the journal keeps the bytes of an exchange with a model. Each request repeats the previous one and adds a little, so only the
 * part after their common prefix is kept: the journal of a long turn grows linearly, not quadratically.
 */
import { type CallId, createRecentMap, type JsonObject, type RawExchange, type SessionId } from '../../types/index.ts'
import { maxHeldRequestBytes, minSharedBytes } from '../limits.ts'

export interface ExchangeRecorder {
  /** @returns the body of the exchange's record. Valid UTF-8 is stored as `text`, other bytes as `base64`. */
  bodyOf(session: SessionId | '', call: CallId, exchange: RawExchange): JsonObject
  /** Forgets cached requests, because their records may have been erased: the next request is recorded in full. */
  drop(): void
}

/** The newest request of a session; the next one is recorded relative to it. */
interface Held {
  readonly id: string
  /** The pieces as they were sent, and the same pieces without secrets. */
  readonly request: readonly Uint8Array[]
  readonly kept: readonly Buffer[]
}

/** @param hideSecretBytes replaces secrets, also in responses: an endpoint may repeat the key that it was sent */
export function createExchangeRecorder(hideSecretBytes: (bytes: Buffer) => Buffer): ExchangeRecorder {
  // A request with pictures may exceed the limit by itself; it is still kept, because the next one repeats it.
  const held = createRecentMap<SessionId | '', Held>(maxHeldRequestBytes, ({ kept }) => bytesIn(kept))
  let made = 0
  return {
    drop: () => held.clear(),
    bodyOf(session, call, { wire, model, url, status, request, response }) {
      const id = `${call}#${++made}`
      const before = held.get(session)
      // A piece that the previous request had too is not searched for secrets again.
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

/** @returns the length of the common prefix; it ends at the first piece that differs in length or content */
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
  const shorter = Math.min(a.length, b.length)
  let length = 0
  // Large steps compare natively; the last step is compared byte by byte.
  for (; length < shorter; length += compareStep) {
    const end = Math.min(shorter, length + compareStep)
    if (a.compare(b, length, end, length, end) !== 0) break
  }
  while (length < shorter && a[length] === b[length]) length++
  return Math.min(length, shorter)
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
