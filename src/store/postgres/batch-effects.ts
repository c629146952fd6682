/**
 * Computes the effects of a batch of writes before anything is sent: their results, and the rows that change. So a batch takes a handful
 * of statements however many records it has. What the rules of the journal need from the database (head, lanes, earlier intents) is read
 * first, under the lock of the chain.
 */
import type { ChainHead, JournalRecord, NewRecord } from '../../protocol/index.ts'
import {
  type ChainDeps,
  chainRecord,
  beginsOrEnds,
  claimedLane,
  closesCall,
  documentChange,
  messageRow,
  repeatIn,
  sessionColumns,
  spendColumns,
  sumOfSpend,
  sumOfUse,
  useColumns,
} from '../sql/journal-rules.ts'
import type { Placed, Tables } from '../sql/template.ts'
import type { DecodedWrite, Extra, WriteResult } from '../store-message.ts'
import type { Projection } from '../store.ts'

type Lane = Omit<Tables['lane'], 'user'>

/** The state of the database that a batch depends on. */
export interface Known {
  readonly head: ChainHead
  readonly lanes: ReadonlyMap<string, Lane>
  /** Of the calls of the batch, the records that begin or end them, oldest first. */
  readonly places: ReadonlyMap<string, readonly Placed[]>
  /** The database's clock, unix milliseconds: one for all workers. */
  readonly now: number
}

/** What to read before a batch can be computed: lanes, and the calls that the batch begins or ends. */
export interface Wanted {
  readonly lanes: readonly string[]
  readonly calls: readonly string[]
}

export function wantedBy(writes: readonly DecodedWrite[]): Wanted {
  const lanes = new Set<string>()
  const calls = new Set<string>()
  for (const { fence, records, extra } of writes) {
    if (fence !== null) lanes.add(fence.session)
    if (extra?.kind === 'claim') lanes.add(extra.session)
    for (const { call, phase } of records) if (beginsOrEnds(phase)) calls.add(call)
  }
  return { lanes: [...lanes], calls: [...calls] }
}

/** Rows to write. The sender empties it. */
export interface Effects {
  head: ChainHead
  readonly now: number
  readonly records: JournalRecord[]
  readonly blobs: Map<string, Uint8Array>
  /** Calls whose rows are deleted, before those in `opened` are inserted. */
  readonly closed: Set<string>
  readonly opened: Map<string, number>
  readonly messages: Omit<Tables['message'], 'user'>[]
  readonly sessions: Map<string, Omit<Tables['session'], 'user'>>
  readonly spent: Map<string, ReturnType<typeof spendColumns>>
  readonly used: Map<string, Omit<Tables['budget_use'], 'user'>>
  /** By category and name; a body of null deletes. */
  readonly documents: Map<string, ReturnType<typeof documentChange>>
  readonly lanes: Map<string, Lane>
  readonly knownLanes: Map<string, Lane>
  readonly knownPlaces: Map<string, readonly Placed[]>
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
    used: new Map(),
    documents: new Map(),
    lanes: new Map(),
    knownLanes: new Map(known.lanes),
    knownPlaces: new Map(known.places),
  }
}

/** @throws for a write that cannot be stored; then `effects` must not be used again. */
export function addWrite(deps: ChainDeps, effects: Effects, write: DecodedWrite): WriteResult {
  const { extra } = write
  if (extra?.kind === 'blob') return putBlob(deps, effects, extra.bytes)
  if (extra?.kind === 'claim') return claimLane(effects, extra)
  return append(deps, effects, write, extra?.kind === 'projections' ? extra.projections : [])
}

function append(deps: ChainDeps, effects: Effects, write: DecodedWrite, projections: readonly Projection[]): number {
  const { fence, records } = write
  if (fence !== null && effects.knownLanes.get(fence.session)?.epoch !== fence.epoch) return 0
  const firstSeq = effects.head.seq + 1
  const repeated = repeatIn(records, firstSeq, (call) => effects.knownPlaces.get(call) ?? [])
  if (repeated > 0) return -repeated
  for (const record of records) appendRecord(deps, effects, record)
  for (const projection of projections) project(effects, projection, records, firstSeq)
  return firstSeq
}

function appendRecord(deps: ChainDeps, effects: Effects, appended: NewRecord): void {
  const { record, blob } = chainRecord(deps, effects.head, appended)
  if (blob !== null) effects.blobs.set(blob.hash, blob.bytes)
  effects.records.push(record)
  if (beginsOrEnds(record.phase)) {
    const { call, seq, phase } = record
    effects.knownPlaces.set(call, [...(effects.knownPlaces.get(call) ?? []), { seq, phase }])
  }
  if (record.phase === 'intent') {
    effects.opened.set(record.call, record.seq)
  } else if (closesCall(record.phase)) {
    effects.closed.add(record.call)
    effects.opened.delete(record.call)
  }
  effects.head = record
}

function putBlob({ hash }: ChainDeps, effects: Effects, bytes: Uint8Array): string {
  const name = hash(bytes)
  effects.blobs.set(name, bytes)
  return name
}

function project(effects: Effects, projection: Projection, records: readonly NewRecord[], firstSeq: number): void {
  if (projection.kind === 'message') effects.messages.push(messageRow(records, projection.record, firstSeq))
  else if (projection.kind === 'session') effects.sessions.set(projection.session.id, sessionColumns(projection.session))
  else if (projection.kind === 'document')
    effects.documents.set(JSON.stringify([projection.category, projection.name]), documentChange(projection, records, firstSeq))
  else if (projection.kind === 'use') addUse(effects, projection)
  else {
    const { scope, spend } = projection
    effects.spent.set(scope, sumOfSpend(effects.spent.get(scope), spendColumns(spend)))
  }
}

function addUse({ used }: Effects, { budget, use }: Projection & { kind: 'use' }): void {
  used.set(budget, { budget, ...sumOfUse(used.get(budget), useColumns(use)) })
}

function claimLane(effects: Effects, { session, owner, leaseMs }: Extra & { kind: 'claim' }): number | null {
  const claimed = claimedLane(effects.knownLanes.get(session), owner, leaseMs, effects.now)
  if (claimed === null) return null
  const lane: Lane = { session, ...claimed }
  effects.knownLanes.set(session, lane)
  effects.lanes.set(session, lane)
  return lane.epoch
}
