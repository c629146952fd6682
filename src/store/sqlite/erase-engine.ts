/**
 * Erases bodies, inside the transaction of a batch. A body of today's format becomes its hash, wherever it was kept. One of the
 * first format that is a blob keeps its reference, because that is what its record was hashed over: its blob loses its bytes.
 */
import { Buffer } from 'node:buffer'
import type { JournalRecord, UserId } from '../../types/index.ts'
import { blobReference, bodyHashOf, erasedBody, type Hasher, parseErased, parseReference, recordHolds } from '../chain.ts'
import type { EraseStatements } from '../sql/erase-statements.ts'
import type { Erased } from '../store.ts'
import type { Database, Statement } from './sqlite-database.ts'

type Prepared = {
  readonly [Name in keyof EraseStatements]: EraseStatements[Name] extends PreparedFrom<infer Args, infer Row> ? Statement<Args, Row> : never
}
type PreparedFrom<Args, Row> = { readonly types?: { readonly args: Args; readonly row: Row } }

export type Eraser = (seqs: readonly number[], reason: string) => Erased

interface EraseDeps {
  readonly database: Database
  /** Built when something is erased, which is rare, and not at every start. */
  readonly statements: () => EraseStatements
  readonly user: UserId
  readonly hash: Hasher
}

const nothing = new Uint8Array()
const anyHash = /[0-9a-f]{64}/g

/** What it returns erases in the transaction that is open. */
export function createEraser({ database, statements, user, hash }: EraseDeps): Eraser {
  let prepared: Prepared | null = null
  const prepare = (): Prepared =>
    Object.fromEntries(Object.entries(statements()).map(([name, template]) => [name, database.prepare(template)])) as unknown as Prepared

  return (seqs, reason) => {
    const on = (prepared ??= prepare())
    const found = seqs.flatMap((seq) => on.recordAt.get({ user, seq }) ?? [])
    const bodies = found.map((record) => ({ record, bytes: bytesOf(on, user, record.body) })).filter(({ bytes }) => bytes !== null)
    const kept = bodies.filter(({ record: { call, turn } }) => on.underWay.get({ user, call, turn }) !== undefined)
    const going = bodies.filter((body) => !kept.includes(body))
    const named = new Set<string>()
    /** Of the first format, with a reference that stays. */
    const emptied = new Set<number>()
    for (const { record, bytes } of going) {
      const reference = parseReference(record.body)
      for (const [blob] of Buffer.from(bytes ?? nothing)
        .toString('latin1')
        .matchAll(anyHash))
        named.add(blob)
      if (reference !== null) named.add(reference.blob)
      if (reference !== null && recordHolds(hash, user, record) === 'first_format') emptied.add(record.seq)
      else on.setBody.run({ user, seq: record.seq, body: tombstone(hash, record, bytes ?? nothing, reason) })
    }
    const blobs = [...named].filter((blob) => dropBlob(on, user, blob, emptied))
    return { bodies: going.length, blobs: blobs.length, kept: kept.map(({ record }) => record.seq) }
  }
}

function tombstone(hash: Hasher, { body }: JournalRecord, bytes: Uint8Array, reason: string): string {
  return erasedBody(bodyHashOf(hash, body), bytes.length, reason)
}

/** @returns the body's bytes; null when they are erased already. */
function bytesOf(on: Prepared, user: UserId, body: string): Uint8Array | null {
  if (parseErased(body) !== null) return null
  const reference = parseReference(body)
  if (reference === null) return Buffer.from(body)
  const bytes = on.blobBytes.get({ user, hash: reference.blob })?.bytes ?? nothing
  return bytes.length === 0 ? null : bytes
}

/** @returns whether there was a blob of this name that nothing holds any more. */
function dropBlob(on: Prepared, user: UserId, blob: string, emptied: ReadonlySet<number>): boolean {
  const bytes = on.blobBytes.get({ user, hash: blob })?.bytes
  if (bytes === undefined || bytes.length === 0) return false
  const bodies = on.bodyIs.all({ user, body: blobReference(blob, bytes.length) })
  if (bodies.some(({ seq }) => !emptied.has(seq)) || isNamed(on, user, blob)) return false
  if (bodies.length > 0) on.setBlob.run({ user, hash: blob, bytes: nothing })
  else on.dropBlob.run({ user, hash: blob })
  return true
}

function isNamed(on: Prepared, user: UserId, blob: string): boolean {
  if (on.bodyNames.get({ user, pattern: `%${blob}%` }) !== undefined) return true
  return on.holders.all({ user }).some(({ body }) => {
    const reference = parseReference(body)
    const bytes = reference === null ? undefined : on.blobBytes.get({ user, hash: reference.blob })?.bytes
    return bytes !== undefined && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(blob)
  })
}
