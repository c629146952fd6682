/** Erases bodies, inside the transaction of a batch: each becomes its hash, wherever it was kept, and blobs go that nothing holds. */
import { Buffer } from 'node:buffer'
import type { UserId } from '../../types/index.ts'
import { blobReference, bodyHashOf, erasedBody, type Hasher, parseErased, parseReference } from '../chain.ts'
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

const anyHash = /[0-9a-f]{64}/g

/** What it returns erases in the transaction that is open. */
export function createEraser({ database, statements, user, hash: hasher }: EraseDeps): Eraser {
  let prepared: Prepared | null = null
  const prepare = (): Prepared =>
    Object.fromEntries(Object.entries(statements()).map(([name, template]) => [name, database.prepare(template)])) as unknown as Prepared

  return (seqs, reason) => {
    const on = (prepared ??= prepare())
    const found = seqs.flatMap((seq) => on.recordAt.get({ user, seq }) ?? [])
    const bodies = found.flatMap((record) => {
      const bytes = bytesOf(on, user, record.body)
      return bytes === null ? [] : [{ record, bytes }]
    })
    const kept = bodies.filter(({ record: { call, turn } }) => on.underWay.get({ user, call, turn }) !== undefined)
    const going = bodies.filter((body) => !kept.includes(body))
    const named = new Set<string>()
    for (const { record, bytes } of going) {
      const hash = bodyHashOf(hasher, record.body)
      named.add(hash)
      for (const [blob] of bytes.toString('latin1').matchAll(anyHash)) named.add(blob)
      on.setBody.run({ user, seq: record.seq, body: erasedBody(hash, bytes.length, reason) })
    }
    const blobs = [...named].filter((blob) => dropBlob(on, user, blob))
    return { bodies: going.length, blobs: blobs.length, kept: kept.map(({ record }) => record.seq) }
  }
}

/** @returns the body's bytes; null when they are erased already. */
function bytesOf(on: Prepared, user: UserId, body: string): Buffer | null {
  if (parseErased(body) !== null) return null
  const reference = parseReference(body)
  return reference === null ? Buffer.from(body) : blobOf(on, user, reference.blob)
}

function blobOf(on: Prepared, user: UserId, hash: string): Buffer | null {
  const bytes = on.blobBytes.get({ user, hash })?.bytes
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** @returns whether there was a blob of this name that nothing holds any more. */
function dropBlob(on: Prepared, user: UserId, hash: string): boolean {
  const bytes = blobOf(on, user, hash)
  if (bytes === null || on.bodyIs.get({ user, body: blobReference(hash, bytes.length) }) !== undefined) return false
  if (isNamed(on, user, hash)) return false
  on.dropBlob.run({ user, hash })
  return true
}

function isNamed(on: Prepared, user: UserId, blob: string): boolean {
  if (on.bodyNames.get({ user, pattern: `%${blob}%` }) !== undefined) return true
  return on.holders.all({ user }).some(({ body }) => {
    const reference = parseReference(body)
    return reference !== null && blobOf(on, user, reference.blob)?.includes(blob) === true
  })
}
