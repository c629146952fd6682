/** The rules of the journal and of its projections, the same in every dialect. An engine only reads and writes rows by them. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { hash as hashOf } from 'node:crypto'
import type { CallId, UserId } from '../../base/index.ts'
import type { ChainHead, JournalRecord, NewRecord, Phase, Spend } from '../../protocol/index.ts'
import {
  blobReference,
  bodyHashOf,
  erasedBody,
  type Hasher,
  looksLikeMark,
  parseErased,
  parseReference,
  recordHolds,
  recordText,
  storableRecord,
} from '../chain.ts'
import { maxInlineBodyBytes } from '../limits.ts'
import type { BudgetUse, DocumentRow, Erased, KeptBody, Projection, SessionRow } from '../store.ts'
import type { EraseStatements } from './statements.ts'
import type { Placed, Tables } from './template.ts'

/** Whether a record of this phase closes its call. */
export function closesCall(phase: Phase): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}

/** What a chain of hashes is made with. */
export interface ChainDeps {
  readonly user: UserId
  readonly hash: Hasher
}

interface ChainedRecord {
  readonly record: JournalRecord
  /** The body, where a reference stands in its place; null where it is in the record. */
  readonly blob: { readonly hash: string; readonly bytes: Uint8Array } | null
}

/** @returns the record as it is stored behind `head` */
export function chainRecord({ user, hash }: ChainDeps, head: ChainHead, appended: NewRecord): ChainedRecord {
  const record = storableRecord(appended)
  const bodyHash = hash(record.body)
  const blob = isInline(record.body) ? null : { hash: bodyHash, bytes: Buffer.from(record.body, 'utf8') }
  const body = blob === null ? record.body : blobReference(bodyHash, blob.bytes.length)
  const unhashed = { ...record, body, seq: head.seq + 1, previous: head.hash }
  return { record: { ...unhashed, hash: hash(recordText(user, unhashed, bodyHash)) }, blob }
}

function isInline(body: string): boolean {
  // Three bytes is the most that UTF-8 takes for a UTF-16 unit: short texts need no counting.
  const small =
    body.length * 3 <= maxInlineBodyBytes || (body.length <= maxInlineBodyBytes && Buffer.byteLength(body) <= maxInlineBodyBytes)
  return small && !looksLikeMark(body)
}

/** A call begins once and ends once; other phases may repeat: it may be parked, decided on, and exchange anything any number of times. */
export function beginsOrEnds(phase: Phase): boolean {
  return phase === 'intent' || closesCall(phase)
}

/**
 * A call that was refused has not begun, so that its sender may send it again; once it has begun, a refusal ends it like an outcome.
 * @param earlier records of the same call that begin or end it, oldest first
 * @returns the earlier record that this one would repeat; 0: none
 */
function repeatOf(phase: Phase, earlier: readonly Placed[]): number {
  const begun = earlier.find((record) => record.phase === 'intent')
  if (phase === 'intent') return begun?.seq ?? 0
  const ended = earlier.find(({ phase: of, seq }) => (of === 'refused' ? begun !== undefined && seq > begun.seq : closesCall(of)))
  return closesCall(phase) ? (ended?.seq ?? 0) : 0
}

/**
 * @param placesOf reads what the journal has of a call already
 * @returns the earlier record that some record of the append would repeat; 0: none
 */
export function repeatIn(records: readonly NewRecord[], firstSeq: number, placesOf: (call: CallId) => readonly Placed[]): number {
  for (let at = 0; at < records.length; at += 1) {
    const { call, phase } = records[at]!
    if (!beginsOrEnds(phase)) continue
    const places = [...placesOf(call)]
    for (let i = 0; i < at; i += 1) {
      const own = records[i]!
      if (own.call === call && beginsOrEnds(own.phase)) places.push({ seq: firstSeq + i, phase: own.phase })
    }
    const repeated = repeatOf(phase, places)
    if (repeated > 0) return repeated
  }
  return 0
}

/** @param at of the record within its append, whose first has `firstSeq` */
export function messageRow(records: readonly NewRecord[], at: number, firstSeq: number): Omit<Tables['message'], 'user'> {
  const record = records[at]
  assert(record !== undefined, 'a message projection names a record of its append')
  return { session: record.session, seq: firstSeq + at }
}

export function sessionColumns({ createdAt, activeAt, ...row }: SessionRow): Omit<Tables['session'], 'user'> {
  return { ...row, created_at: createdAt, active_at: activeAt }
}

/** The way back of `sessionColumns`. */
export function sessionRow({ user: _user, created_at: createdAt, active_at: activeAt, ...row }: Tables['session']): SessionRow {
  return { ...row, createdAt, activeAt }
}

export function spendColumns({ microDollars, tokens }: Spend): Pick<Tables['account'], 'micro_dollars' | 'tokens'> {
  assert(Number.isSafeInteger(microDollars) && microDollars >= 0, 'spent micro-dollars are a whole number, not negative')
  assert(Number.isSafeInteger(tokens) && tokens >= 0, 'spent tokens are a whole number, not negative')
  return { micro_dollars: microDollars, tokens }
}

export function useColumns({ since, calls, ms, ...spend }: BudgetUse): Omit<Tables['budget_use'], 'user' | 'budget'> {
  for (const [what, count] of Object.entries({ since, calls, ms }))
    assert(Number.isSafeInteger(count) && count >= 0, `${what} of a budget is a whole number, not negative`)
  return { since, ...spendColumns(spend), calls, ms }
}

type SpendColumns = ReturnType<typeof spendColumns>

export function sumOfSpend(before: SpendColumns | undefined, more: SpendColumns): SpendColumns {
  if (before === undefined) return more
  return { micro_dollars: before.micro_dollars + more.micro_dollars, tokens: before.tokens + more.tokens }
}

type UseColumns = ReturnType<typeof useColumns>

/** What two uses of a budget are together, as the statement adds them: a later window begins anew, an earlier one is over. */
export function sumOfUse(before: UseColumns | undefined, more: UseColumns): UseColumns {
  if (before === undefined || before.since < more.since) return more
  if (before.since > more.since) return before
  return { ...sumOfSpend(before, more), since: before.since, calls: before.calls + more.calls, ms: before.ms + more.ms }
}

/** The way back of `useColumns`. */
export function useRow({
  since,
  micro_dollars: microDollars,
  tokens,
  calls,
  ms,
}: Omit<Tables['budget_use'], 'user' | 'budget'>): BudgetUse {
  return { since, microDollars, tokens, calls, ms }
}

export function documentRow({ user: _user, ...row }: Tables['document']): DocumentRow {
  return row
}

/** @returns the row that a projection sets; `body` is null where the document is deleted */
export function documentChange(
  { category, name, body, record: at }: Projection & { kind: 'document' },
  records: readonly NewRecord[],
  firstSeq: number,
): Omit<DocumentRow, 'body'> & { readonly body: string | null } {
  const record = records[at]
  assert(record !== undefined, 'a document projection names a record of its append')
  return { category, name, body, seq: firstSeq + at, at: record.at }
}

type Lane = Omit<Tables['lane'], 'user' | 'session'>

/** @returns the lane as its new owner has it; null while another one's lease lasts. @param now unix milliseconds */
export function claimedLane(lane: Lane | undefined, owner: string, leaseMs: number, now: number): Lane | null {
  if (lane !== undefined && lane.owner !== owner && lane.lease_until > now) return null
  return { owner, epoch: (lane?.epoch ?? 0) + 1, lease_until: now + leaseMs }
}

interface EraseStep {
  readonly statement: keyof EraseStatements
  readonly args: object
  /** It changes rows, and has none to give. */
  readonly changes: boolean
}

export type EraseSteps<Result> = Generator<EraseStep, Result, readonly object[]>

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

/**
 * Erases bodies: each becomes its hash, wherever it is stored, and blobs that nothing refers to any more are deleted. A generator: it
 * yields the statements to run in the open transaction and is resumed with their rows. SQLite runs them at once, Postgres with a trip
 * to its server each.
 */
export function* eraseBodies(
  { user, hash: hasher }: EraseDeps,
  { seqs, reason, isKept = false }: { readonly seqs: readonly number[]; readonly reason: string; readonly isKept?: boolean },
): EraseSteps<Erased> {
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
    if (!isKept) yield* change('dropDocuments', { user, seq: record.seq })
    const hash = bodyHashOf(hasher, record.body)
    named.add(hash)
    if (!isKept) for (const [blob] of bytes.toString('latin1').matchAll(anyHash)) named.add(blob)
    yield* change('setBody', { user, seq: record.seq, body: erasedBody(hash, bytes.length, reason) })
  }
  let blobs = 0
  for (const blob of named) if (yield* dropBlob(user, blob, isKept)) blobs++
  return { bodies: going.length, blobs, kept }
}

/** Puts bodies back, each where it was: in its record, or in a blob. @returns how many; what is not what was there is passed over */
export function* restoreBodies({ user, hash: hasher }: EraseDeps, bodies: readonly KeptBody[]): EraseSteps<number> {
  let restored = 0
  for (const { seq, body } of bodies) {
    const [record] = yield* ask('recordAt', { user, seq })
    const hash = hasher(body)
    if (record === undefined || parseErased(record.body)?.erased !== hash) continue
    const bytes = Buffer.from(body, 'utf8')
    // A record of the first format holds only with the body where it was.
    const reference = blobReference(hash, bytes.length)
    const isReference = !isInline(body) || recordHolds(hasher, user, { ...record, body }) === false
    if (isReference) yield* change('putBlob', { user, hash, bytes })
    yield* change('setBody', { user, seq, body: isReference ? reference : body })
    restored += 1
  }
  return restored
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
function* dropBlob(user: UserId, hash: string, isBody: boolean): EraseSteps<boolean> {
  const bytes = yield* blobOf(user, hash)
  if (bytes === null || (yield* ask('bodyIs', { user, body: blobReference(hash, bytes.length) })).length > 0) return false
  // The text of a body is no file's: to look through all records for each would take hours.
  if (!isBody && (yield* isNamed(user, hash))) return false
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

// The row of a session is committed with the record that changed it, and that record says which row it left: so an audit finds every
// column that was changed without the journal. It need not know what a column means.

/** Columns at their defaults are left out, so that a column which is added later changes no older mark. */
export function rowMark(row: SessionRow): string {
  const columns = Object.entries(row).filter(([, value]) => value !== '' && value !== 0)
  const sorted = columns.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return hashOf('sha256', JSON.stringify(sorted)).slice(0, markLength)
}

const markLength = 32

/** A session's id and the mark of its row, which the journal puts last in a body. */
const atEnd = /"session_row":\["([^"\\]+)","([0-9a-f]{32})"\]\}$/

/** @returns which session's row a record left, and its mark */
export function rowIn(body: string): { readonly id: string; readonly mark: string } | null {
  if (!body.endsWith('"]}')) return null
  const [, id, mark] = atEnd.exec(body.slice(-maxTailChars)) ?? []
  return id === undefined || mark === undefined ? null : { id, mark }
}

/** Longest text of an id and its mark. */
const maxTailChars = 300
