/**
 * What a batch of writes comes to, worked out before anything is sent: the results of its writes, and the rows that change. A
 * batch then takes a handful of statements however many records it has. The rules are those of the SQLite engine; what they need
 * to know of the database (head, lanes, earlier intents) is read before, under the lock of the chain.
 */
import { Buffer } from 'node:buffer'
import assert from 'node:assert/strict'
import type { ChainHead, JournalRecord, NewRecord, UserId } from '../../../types/index.ts'
import { blobReference, type Hasher, looksLikeMark, recordText, storableRecord } from '../../chain.ts'
import { maxInlineBodyBytes } from '../../limits.ts'
import { closesCall } from '../../sql/record-rules.ts'
import type { Tables } from '../../sql/tables.ts'
import type { DecodedWrite, Extra, WriteResult } from '../../store-message.ts'
import type { Projection } from '../../store.ts'

type Lane = Omit<Tables['lane'], 'user'>

/** What the database holds that a batch asks about. */
export interface Known {
  readonly head: ChainHead
  readonly lanes: ReadonlyMap<string, Lane>
  /** Seq of the first intent of calls that may have been sent before. */
  readonly intents: ReadonlyMap<string, number>
  /** The database's clock, unix milliseconds: one for all workers. */
  readonly now: number
}

/** What a batch must know before it can be worked out. */
export interface Wanted {
  readonly lanes: readonly string[]
  readonly intents: readonly string[]
}

export function wantedBy(writes: readonly DecodedWrite[]): Wanted {
  const lanes = new Set<string>()
  const intents = new Set<string>()
  for (const { fence, unique, records, extra } of writes) {
    if (fence !== null) lanes.add(fence.session)
    if (extra?.kind === 'claim') lanes.add(extra.session)
    if (unique && records[0] !== undefined) intents.add(records[0].call)
  }
  return { lanes: [...lanes], intents: [...intents] }
}

/** Rows to write. Whoever sends them empties it. */
export interface Effects {
  head: ChainHead
  readonly now: number
  readonly records: JournalRecord[]
  readonly blobs: Map<string, Uint8Array>
  /** Calls whose row goes, before those in `opened` come. */
  readonly closed: Set<string>
  readonly opened: Map<string, number>
  readonly messages: Omit<Tables['message'], 'user'>[]
  readonly sessions: Map<string, Omit<Tables['session'], 'user'>>
  readonly spent: Map<string, Omit<Tables['account'], 'user'>>
  readonly lanes: Map<string, Lane>
  readonly knownLanes: Map<string, Lane>
  readonly knownIntents: Map<string, number>
}

export function noEffects(known: Known): Effects {
  return {
    head: known.head,
    now: known.now,
    records: [],
    blobs: new Map(),
    closed: new Set(),
    opened: new Map(),
    messages: [],
    sessions: new Map(),
    spent: new Map(),
    lanes: new Map(),
    knownLanes: new Map(known.lanes),
    knownIntents: new Map(known.intents),
  }
}

export interface EffectDeps {
  readonly user: UserId
  readonly hash: Hasher
}

/** @throws for a write that cannot be stored; then `effects` must not be used any more. */
export function addWrite(deps: EffectDeps, effects: Effects, write: DecodedWrite): WriteResult {
  const { extra } = write
  if (extra?.kind === 'blob') return putBlob(deps, effects, extra.bytes)
  if (extra?.kind === 'claim') return claimLane(effects, extra)
  return append(deps, effects, write, extra?.kind === 'projections' ? extra.projections : [])
}

function append(deps: EffectDeps, effects: Effects, write: DecodedWrite, projections: readonly Projection[]): number {
  const { fence, records } = write
  if (fence !== null && effects.knownLanes.get(fence.session)?.epoch !== fence.epoch) return 0
  if (write.unique) {
    const first = records[0]
    assert(first?.phase === 'intent', 'a unique append begins with an intent')
    const earlier = effects.knownIntents.get(first.call)
    if (earlier !== undefined) return -earlier
  }
  const firstSeq = effects.head.seq + 1
  for (const record of records) appendRecord(deps, effects, record)
  for (const projection of projections) project(effects, projection, records, firstSeq)
  return firstSeq
}

function appendRecord(deps: EffectDeps, effects: Effects, appended: NewRecord): void {
  const { head } = effects
  const seq = head.seq + 1
  const record = storableRecord(appended)
  const bodyHash = deps.hash(record.body)
  const unhashed = { ...record, body: storedBody(effects, record.body, bodyHash), seq, previous: head.hash }
  const stored: JournalRecord = { ...unhashed, hash: deps.hash(recordText(deps.user, unhashed, bodyHash)) }
  effects.records.push(stored)
  if (record.phase === 'intent') {
    // The row of an intent that is open stays; so does the first intent of a call.
    if (!effects.opened.has(record.call)) effects.opened.set(record.call, seq)
    if (!effects.knownIntents.has(record.call)) effects.knownIntents.set(record.call, seq)
  } else if (closesCall(record.phase)) {
    effects.closed.add(record.call)
    effects.opened.delete(record.call)
  }
  effects.head = stored
}

/** @returns the body itself, or the reference in its place where the body goes to the blob table. */
function storedBody(effects: Effects, body: string, hash: string): string {
  const small =
    body.length * 3 <= maxInlineBodyBytes || (body.length <= maxInlineBodyBytes && Buffer.byteLength(body) <= maxInlineBodyBytes)
  if (small && !looksLikeMark(body)) return body
  const bytes = Buffer.from(body, 'utf8')
  effects.blobs.set(hash, bytes)
  return blobReference(hash, bytes.length)
}

function putBlob({ hash }: EffectDeps, effects: Effects, bytes: Uint8Array): string {
  const name = hash(bytes)
  effects.blobs.set(name, bytes)
  return name
}

function project(effects: Effects, projection: Projection, records: readonly NewRecord[], firstSeq: number): void {
  if (projection.kind === 'message') {
    const record = records[projection.record]
    assert(record !== undefined, 'a message projection names a record of its append')
    effects.messages.push({ session: record.session, seq: firstSeq + projection.record })
    return
  }
  if (projection.kind === 'session') {
    const { createdAt, activeAt, ...row } = projection.session
    effects.sessions.set(row.id, { ...row, created_at: createdAt, active_at: activeAt })
    return
  }
  const { microDollars, tokens } = projection.spend
  assert(Number.isSafeInteger(microDollars) && microDollars >= 0, 'spent micro-dollars are a whole number, not negative')
  assert(Number.isSafeInteger(tokens) && tokens >= 0, 'spent tokens are a whole number, not negative')
  const { scope } = projection
  const before = effects.spent.get(scope)
  effects.spent.set(scope, {
    scope,
    micro_dollars: (before?.micro_dollars ?? 0) + microDollars,
    tokens: (before?.tokens ?? 0) + tokens,
  })
}

function claimLane(effects: Effects, claim: Extra & { kind: 'claim' }): number | null {
  const { session, owner, leaseMs } = claim
  const lane = effects.knownLanes.get(session)
  if (lane !== undefined && lane.owner !== owner && lane.lease_until > effects.now) return null
  const next: Lane = { session, owner, epoch: (lane?.epoch ?? 0) + 1, lease_until: effects.now + leaseMs }
  effects.knownLanes.set(session, next)
  effects.lanes.set(session, next)
  return next.epoch
}
