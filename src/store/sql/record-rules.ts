/** The rules of the journal and of what follows from it, the same in every dialect. An engine only reads and writes rows by them. */
import { Buffer } from 'node:buffer'
import assert from 'node:assert/strict'
import type { ChainHead, JournalRecord, NewRecord, Phase, Spend, UserId } from '../../types/index.ts'
import { blobReference, type Hasher, looksLikeMark, recordText, storableRecord } from '../chain.ts'
import { maxInlineBodyBytes } from '../limits.ts'
import type { SessionRow } from '../store.ts'
import type { Tables } from './tables.ts'

/** After a record of such a phase the call is no longer open. */
export function closesCall(phase: Phase): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}

export interface ChainDeps {
  readonly user: UserId
  readonly hash: Hasher
}

export interface ChainedRecord {
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

/** @returns the call that a unique append begins */
export function uniqueCall([first]: readonly NewRecord[]): NewRecord['call'] {
  assert(first?.phase === 'intent', 'a unique append begins with an intent')
  return first.call
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

type Lane = Omit<Tables['lane'], 'user' | 'session'>

/** @returns the lane as its new owner has it; null while another one's lease lasts. @param now unix milliseconds */
export function claimedLane(lane: Lane | undefined, owner: string, leaseMs: number, now: number): Lane | null {
  if (lane !== undefined && lane.owner !== owner && lane.lease_until > now) return null
  return { owner, epoch: (lane?.epoch ?? 0) + 1, lease_until: now + leaseMs }
}
