/**
 * Branded ids. New ids are UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits, so that ids sort by creation
 * time and an index on them grows at its end.
 */
import type { Clock, Random } from './system.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** Name of the user of a workspace; it appears in paths and as the owner of rows. */
export type UserId = Branded<'UserId'>
/** A UUIDv7, in lower case, of a conversation. */
export type SessionId = Branded<'SessionId'>
/** The id of the `turn.send` call that is the turn. */
export type TurnId = Branded<'TurnId'>
/** Id of one system call. A tool call's id is its generation's id, a dot and its index, and so stays the same when a turn is resumed. */
export type CallId = Branded<'CallId'>
/** A UUIDv7 of a running process of an agent. */
export type ProcessId = Branded<'ProcessId'>

/** Makes UUIDv7 strings in increasing order, even within one millisecond and when the clock steps back. */
export interface IdMaker {
  (): string
}

const hex: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))
/** Random bytes are read in blocks, so that many ids need one system call. */
const poolBytes = 4096
const bytesPerId = 10

/** @returns a maker whose ids strictly increase as strings */
export function createIdMaker(clock: Clock, random: Random): IdMaker {
  let pool = new Uint8Array(0)
  let used = 0
  let lastMs = 0
  let counter = 0
  return () => {
    if (used + bytesPerId > pool.length) {
      pool = new Uint8Array(random.bytes(poolBytes))
      used = 0
    }
    const b = pool.subarray(used, (used += bytesPerId))
    const now = clock.now()
    if (now > lastMs) {
      lastMs = now
      // The 12 bits after the version count up within a millisecond; they start low so that they rarely overflow.
      counter = (((b[0] ?? 0) << 8) | (b[1] ?? 0)) & 0x3ff
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
    }
    const time = lastMs.toString(16).padStart(12, '0')
    const tail = hex[((b[2] ?? 0) & 0x3f) | 0x80]! + hex[b[3]!]!
    const node = hex[b[4]!]! + hex[b[5]!]! + hex[b[6]!]! + hex[b[7]!]! + hex[b[8]!]! + hex[b[9]!]!
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${tail}-${node}`
  }
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** @returns whether a text has the form of a UUID, whatever its version */
export function isUuid(text: string): boolean {
  return uuidPattern.test(text)
}

/** @returns a UUIDv8 that depends only on the parts, so that what a crash interrupted has the same id when it is repeated */
export function derivedId(...parts: readonly (string | number)[]): string {
  // A start of a verb needs no cryptography, which takes 7 ms to load.
  const digest = process.getBuiltinModule('node:crypto').createHash('sha256').update(parts.join('\n')).digest('hex')
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

/** @returns whether an id was made by `derivedId` */
export function isDerived(id: string): boolean {
  return id[14] === '8'
}
