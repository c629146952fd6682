/**
 * The form in which a record is hashed, and the hash.
 *
 * Canonical form: the UTF-8 bytes of `JSON.stringify([format, user, seq, at, actor, session, turn, call, name, phase, body,
 * previous])` as ECMA-262 defines it. It can be parsed back, so no two different records share it; JSON.stringify writes a
 * lone surrogate as an escape, so the step to UTF-8 loses nothing either. Hash: BLAKE3-256, lower-case hex.
 */
import type { CallId, JournalRecord, NewRecord, SessionId, TurnId, UserId } from '../types/index.ts'

/** Stands in every hashed text: a later format cannot be taken for this one. */
const format = 'oxbow.record.1'

export function canonicalText(user: UserId, record: Omit<JournalRecord, 'hash'>): string {
  const { seq, at, actor, session, turn, call, name, phase, body, previous } = record
  return JSON.stringify([format, user, seq, at, actor, session, turn, call, name, phase, body, previous])
}

/** BLAKE3-256 in lower-case hex, of bytes or of the UTF-8 form of a text. Synchronous and not reentrant. */
export type Hasher = (data: Uint8Array | string) => string

/** Loads the hash on demand: it is needed in workers and by `audit verify`, never at start-up. */
export async function createHasher(): Promise<Hasher> {
  const { createBLAKE3 } = await import('hash-wasm')
  const blake3 = await createBLAKE3()
  return (data) => blake3.init().update(data).digest('hex')
}

/** What stands in a record for a body that is kept as a blob. */
export interface BlobReference {
  readonly blob: string
  readonly bytes: number
}

const referenceStart = '{"blob":"'
const referencePattern = /^\{"blob":"([0-9a-f]{64})","bytes":(\d+)\}$/

export function blobReference(hash: string, bytes: number): string {
  return `${referenceStart}${hash}","bytes":${bytes}}`
}

/** A body that could be mistaken for a reference is kept as a blob whatever its size, so a reference is always one. */
export function looksLikeReference(body: string): boolean {
  return body.startsWith(referenceStart)
}

export function parseReference(body: string): BlobReference | null {
  if (!looksLikeReference(body)) return null
  const match = referencePattern.exec(body)
  return match === null ? null : { blob: match[1] as string, bytes: Number(match[2]) }
}

const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/**
 * @returns the record in text that UTF-8 can hold, so that what is hashed is what is read back. A lone surrogate in a body can
 * only stand inside a JSON string, where its escape means the same; in a name it becomes U+FFFD.
 */
export function storableRecord(record: NewRecord): NewRecord {
  const { at, actor, session, turn, call, name, phase, body } = record
  const texts = [actor, session, turn, call, name, body]
  if (texts.every((text) => text.isWellFormed())) return record
  return {
    at,
    actor: actor.toWellFormed(),
    session: session.toWellFormed() as SessionId | '',
    turn: turn.toWellFormed() as TurnId | '',
    call: call.toWellFormed() as CallId,
    name: name.toWellFormed(),
    phase,
    body: body.replace(loneSurrogate, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`),
  }
}
