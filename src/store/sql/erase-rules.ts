/**
 * How bodies are erased, for every dialect: each becomes its hash, wherever it was kept, and blobs go that nothing holds. A
 * generator, which yields the statements to run in the open transaction and takes their rows: SQLite runs them at once, Postgres
 * with a trip to its server each.
 */
import { Buffer } from 'node:buffer'
import type { JournalRecord, UserId } from '../../types/index.ts'
import { blobReference, bodyHashOf, erasedBody, type Hasher, parseErased, parseReference } from '../chain.ts'
import type { Erased } from '../store.ts'
import type { EraseStatements } from './erase-statements.ts'

export interface EraseStep {
  readonly statement: keyof EraseStatements
  readonly args: object
  /** It changes rows, and has none to give. */
  readonly changes: boolean
}

type EraseSteps<Result> = Generator<EraseStep, Result, readonly object[]>

interface EraseDeps {
  readonly user: UserId
  readonly hash: Hasher
}

type Types<Name extends keyof EraseStatements> = NonNullable<EraseStatements[Name]['types']>

function* ask<Name extends keyof EraseStatements>(statement: Name, args: Types<Name>['args']): EraseSteps<readonly Types<Name>['row'][]> {
  return (yield { statement, args, changes: false }) as readonly Types<Name>['row'][]
}

function* change<Name extends keyof EraseStatements>(statement: Name, args: Types<Name>['args']): EraseSteps<void> {
  yield { statement, args, changes: true }
}

const anyHash = /[0-9a-f]{64}/g

export function* eraseBodies({ user, hash: hasher }: EraseDeps, seqs: readonly number[], reason: string): EraseSteps<Erased> {
  const going: { readonly record: JournalRecord; readonly bytes: Buffer }[] = []
  const kept: number[] = []
  for (const seq of seqs) {
    const [record] = yield* ask('recordAt', { user, seq })
    const bytes = record === undefined ? null : yield* bytesOf(user, record.body)
    if (record === undefined || bytes === null) continue
    const { call, turn } = record
    if ((yield* ask('underWay', { user, call, turn })).length > 0) kept.push(seq)
    else going.push({ record, bytes })
  }
  const named = new Set<string>()
  for (const { record, bytes } of going) {
    const hash = bodyHashOf(hasher, record.body)
    named.add(hash)
    for (const [blob] of bytes.toString('latin1').matchAll(anyHash)) named.add(blob)
    yield* change('setBody', { user, seq: record.seq, body: erasedBody(hash, bytes.length, reason) })
  }
  let blobs = 0
  for (const blob of named) if (yield* dropBlob(user, blob)) blobs++
  return { bodies: going.length, blobs, kept }
}

/** @returns the body's bytes; null when they are erased already. */
function* bytesOf(user: UserId, body: string): EraseSteps<Buffer | null> {
  if (parseErased(body) !== null) return null
  const reference = parseReference(body)
  return reference === null ? Buffer.from(body) : yield* blobOf(user, reference.blob)
}

function* blobOf(user: UserId, hash: string): EraseSteps<Buffer | null> {
  const bytes = (yield* ask('blobBytes', { user, hash }))[0]?.bytes
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** @returns whether there was a blob of this name that nothing holds any more. */
function* dropBlob(user: UserId, hash: string): EraseSteps<boolean> {
  const bytes = yield* blobOf(user, hash)
  if (bytes === null || (yield* ask('bodyIs', { user, body: blobReference(hash, bytes.length) })).length > 0) return false
  if (yield* isNamed(user, hash)) return false
  yield* change('dropBlob', { user, hash })
  return true
}

function* isNamed(user: UserId, blob: string): EraseSteps<boolean> {
  if ((yield* ask('bodyNames', { user, pattern: `%${blob}%` })).length > 0) return true
  for (const { body } of yield* ask('holders', { user })) {
    const reference = parseReference(body)
    if (reference !== null && (yield* blobOf(user, reference.blob))?.includes(blob) === true) return true
  }
  return false
}
