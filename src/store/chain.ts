/**
 * The form in which a record is hashed, and the hash.
 *
 * Canonical form: the UTF-8 bytes of `JSON.stringify([format, user, seq, at, actor, session, turn, call, name, phase, body,
 * previous])` as ECMA-262 defines it, where `body` is the hash of the body and not the body. So a body can be erased, and the
 * chain still holds. The form can be parsed back, so no two different records share it; JSON.stringify writes a lone surrogate
 * as an escape, so the step to UTF-8 loses nothing either. Hash: BLAKE3-256, lower-case hex.
 *
 * Records of the first format had there the stored body itself: the text, or the reference to a blob. They verify as they are.
 * Erased, one that was a reference still does, because what is left can be made into the reference again; of one that was a text
 * only its place in the chain can be checked.
 */
import { Buffer } from 'node:buffer'
import { type CallId, headOf, jsonText, type SessionId, type TurnId, type UserId } from '../base/index.ts'
import type { ErasedBody, JournalRecord, NewRecord } from '../protocol/index.ts'
import { maxReasonChars } from './limits.ts'

/** Stands in every hashed text: one format cannot be taken for another. */
const format = 'oxbow.record.2'
const firstFormat = 'oxbow.record.1'

type Unhashed = Omit<JournalRecord, 'hash'>

function canonicalText(asFormat: string, user: UserId, record: Unhashed, body: string): string {
  const { seq, at, actor, session, turn, call, name, phase, previous } = record
  // As `JSON.stringify` of this list writes it.
  const texts = [actor, session, turn, call, name, phase, body, previous].map(jsonText).join(',')
  // Somebody who tampers with the file may have put anything there.
  const numbers = [seq, at].map((value) => (Number.isFinite(value) ? String(value) : JSON.stringify(value))).join(',')
  return `[${jsonText(asFormat)},${jsonText(user)},${numbers},${texts}]`
}

/** @param bodyHash as `bodyHashOf` gives it */
export function recordText(user: UserId, record: Unhashed, bodyHash: string): string {
  return canonicalText(format, user, record, bodyHash)
}

/** @returns the hash of the body as it was appended, wherever it is kept now, also when it was erased. */
export function bodyHashOf(hash: Hasher, body: string): string {
  return parseReference(body)?.blob ?? parseErased(body)?.erased ?? hash(body)
}

/** @returns the hash that a record with this stored body has. */
export function recordHash(hash: Hasher, user: UserId, record: Unhashed): string {
  return hash(recordText(user, record, bodyHashOf(hash, record.body)))
}

/** `false`: changed after it was written. `'unknown'`: its body was erased, so a record of the first format cannot be told from a changed one. */
export type Holds = true | false | 'unknown' | 'first_format'

/** @returns whether the record's hash matches its fields. */
export function recordHolds(hash: Hasher, user: UserId, record: JournalRecord): Holds {
  const body: unknown = record.body
  // Somebody who tampers with the file may have put bytes there.
  if (typeof body !== 'string') return false
  if (recordHash(hash, user, record) === record.hash) return true
  const left = parseErased(body)
  const asWritten = left === null ? body : blobReference(left.erased, left.bytes)
  if (hash(canonicalText(firstFormat, user, record, asWritten)) === record.hash) return 'first_format'
  return left === null ? false : 'unknown'
}

/** For tests of what older programs wrote. */
export function firstFormatHash(hash: Hasher, user: UserId, record: Unhashed): string {
  return hash(canonicalText(firstFormat, user, record, record.body))
}

/** BLAKE3-256 in lower-case hex, of bytes or of the UTF-8 form of a text. Synchronous and not reentrant. */
export type Hasher = (data: Uint8Array | string) => string

/** Loads the hash on demand: workers and `audit verify` need it, a start does not. */
export async function createHasher(): Promise<Hasher> {
  const { createBLAKE3 } = await import('hash-wasm')
  const blake3 = await createBLAKE3()
  // Records are short texts: in a buffer that is used again, each takes a third less time than in one of its own.
  const bytes = Buffer.allocUnsafeSlow(maxHashedBytes)
  return (data) => {
    const isShort = typeof data === 'string' && data.length * 3 <= maxHashedBytes
    return blake3
      .init()
      .update(isShort ? bytes.subarray(0, bytes.write(data)) : data)
      .digest('hex')
  }
}

/** Of the buffer for short texts. */
const maxHashedBytes = 8 * 1024

/** Stands in a record for a body that is stored as a blob. */
export interface BlobReference {
  readonly blob: string
  readonly bytes: number
}

const referenceStart = '{"blob":"'
const referencePattern = /^\{"blob":"([0-9a-f]{64})","bytes":(\d+)\}$/

export function blobReference(hash: string, bytes: number): string {
  return `${referenceStart}${hash}","bytes":${bytes}}`
}

/** @returns the blob that a body stands for; null for a body that is itself */
export function parseReference(body: string): BlobReference | null {
  if (!body.startsWith(referenceStart)) return null
  const match = referencePattern.exec(body)
  return match === null ? null : { blob: match[1] as string, bytes: Number(match[2]) }
}

/** @returns the body that these bytes store. */
export function bodyText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

const erasedStart = '{"erased":"'
const erasedPattern = /^\{"erased":"([0-9a-f]{64})","bytes":(\d+),"reason":("(?:[^"\\]|\\.)*")\}$/

/** Stands in a record for a body that was erased. @param reason truncated to `maxReasonChars` */
export function erasedBody(hash: string, bytes: number, reason: string): string {
  return `${erasedStart}${hash}","bytes":${bytes},"reason":${JSON.stringify(headOf(reason, maxReasonChars).toWellFormed())}}`
}

/** @returns what is left of an erased body; null for any other body, also one that only looks similar. */
export function parseErased(body: string): ErasedBody | null {
  if (!body.startsWith(erasedStart) || !erasedPattern.test(body)) return null
  try {
    return JSON.parse(body) as ErasedBody
  } catch {
    // A control character, which the pattern lets pass.
    return null
  }
}

/** A body that looks like a mark of the store itself is stored as a blob whatever its size, so the two are never confused. */
export function looksLikeMark(body: string): boolean {
  return body.startsWith(referenceStart) || body.startsWith(erasedStart)
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
