/**
 * Messages between the client and an engine. Records travel as one flat array of their fields: cloning that between threads costs a
 * quarter of cloning objects, on both sides.
 */
import type { CallId, Failure, SessionId, TurnId } from '../base/index.ts'
import type { ChainHead, JournalRecord, NewRecord, Phase, Spend } from '../protocol/index.ts'
import type { MemoryChange, MemorySource } from './memory.ts'
import type { MemoryRead } from './memory/memory-client.ts'
import type {
  Append,
  BudgetUse,
  DocumentQuery,
  DocumentRow,
  HistoryRow,
  IndexTable,
  KeptBody,
  Projection,
  RecordQuery,
  ScanQuery,
  SessionRow,
  ShareAsk,
} from './store.ts'

export type Flat = (string | number)[]

/** One write of a batch. An append's records stand in the batch's `fields`, in order. */
export type Write =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'blob'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'claim'; readonly session: SessionId; readonly owner: string; readonly leaseMs: number }
  | { readonly kind: 'erase'; readonly seqs: readonly number[]; readonly reason: string; readonly isKept?: true }
  | { readonly kind: 'restore'; readonly bodies: readonly KeptBody[] }
  | { readonly kind: 'memory'; readonly changes: readonly MemoryChange[] }
  | { readonly kind: 'share'; readonly asks: readonly ShareAsk[] }

/** The rare parts of a write, by its place in the batch. */
export type Extra =
  | {
      readonly at: number
      readonly kind: 'projections'
      readonly projections: readonly Projection[]
      readonly memory: readonly MemoryChange[]
    }
  | { readonly at: number; readonly kind: 'blob'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly at: number; readonly kind: 'claim'; readonly session: SessionId; readonly owner: string; readonly leaseMs: number }
  | { readonly at: number; readonly kind: 'erase'; readonly seqs: readonly number[]; readonly reason: string; readonly isKept?: true }
  | { readonly at: number; readonly kind: 'restore'; readonly bodies: readonly KeptBody[] }
  | { readonly at: number; readonly kind: 'memory'; readonly changes: readonly MemoryChange[] }
  | { readonly at: number; readonly kind: 'share'; readonly asks: readonly ShareAsk[] }

/**
 * A batch as it travels. For each write `fields` holds a header (number of records, session and epoch of its fence, empty
 * and 0 without one) and then eight fields for each record.
 */
export interface WriteBatch {
  readonly count: number
  readonly fields: Flat
  readonly extras: readonly Extra[]
  /** Some write of the batch must survive power loss. */
  readonly sync: boolean
}

/**
 * The result of one write. Append: its first seq, the negative seq of the earlier record for a duplicate, 0 for a stale
 * epoch. Blob: its hash. Claim: the epoch or null. Erase: JSON of `Erased`. Restore: how many. A write that cannot be stored: why.
 */
export type WriteResult = number | string | null | Failure

/** A read of the journal, as it goes to the thread of the store. */
export type Read =
  | { readonly kind: 'records'; readonly query: RecordQuery }
  | { readonly kind: 'scan'; readonly query: ScanQuery }
  | { readonly kind: 'history'; readonly session: SessionId; readonly before: number | null; readonly limit: number }
  | { readonly kind: 'open_intents' }
  | { readonly kind: 'head' }
  | { readonly kind: 'index_rows'; readonly table: IndexTable; readonly after: readonly [string, number]; readonly limit: number }
  | { readonly kind: 'structure' }
  | { readonly kind: 'blob'; readonly hash: string }
  | { readonly kind: 'session'; readonly id: SessionId }
  | { readonly kind: 'sessions'; readonly limit: number }
  | { readonly kind: 'spent'; readonly scope: string }
  | { readonly kind: 'used'; readonly budget: string }
  | { readonly kind: 'document'; readonly category: string; readonly name: string }
  | { readonly kind: 'document_categories' }
  | { readonly kind: 'documents'; readonly query: DocumentQuery }
  | { readonly kind: 'memory'; readonly read: MemoryRead }

/** As it travels: the fields of records, with bodies as they are hashed. */
export interface ScanAnswer {
  readonly fields: Flat
  /** Every record up to this seq was looked at; `before - 1` at the end. */
  readonly upto: number
}

/** The answer to each read. */
export interface ReadResults {
  records: Flat
  scan: ScanAnswer
  history: Flat
  open_intents: Flat
  head: ChainHead
  index_rows: readonly (readonly [string, number])[]
  structure: readonly string[]
  blob: Uint8Array | null
  session: SessionRow | null
  sessions: readonly SessionRow[]
  spent: Spend
  used: BudgetUse | null
  document: DocumentRow | null
  documents: readonly DocumentRow[]
  document_categories: readonly string[]
  /** As in `MemoryAnswers`. */
  memory: unknown
}

/** The client's connection to an engine, in process or in a worker. All failures are OxbowErrors. */
export interface EngineLink {
  /** One at a time. Resolves with all results in order; when it rejects, nothing of the batch was written. */
  write(batch: WriteBatch): Promise<readonly WriteResult[]>
  read<Kind extends Read['kind']>(read: Read & { kind: Kind }): Promise<ReadResults[Kind]>
  /** Where writing can recover from a failure: calls the listener when it works again. Without it a fault is permanent. */
  onMended?(listener: () => void): void
  /** See `Store.share`. */
  readonly shares?: boolean
  /** See `Store.memorySource`. */
  memorySource?(): Promise<MemorySource>
  close(): Promise<void>
}

/** Flattens writes for a message to the thread; `decodeBatch` reverses it. */
export function encodeBatch(writes: readonly Write[]): WriteBatch {
  const fields: Flat = []
  const extras: Extra[] = []
  let sync = false
  writes.forEach((write, at) => {
    if (write.kind !== 'append') {
      fields.push(0, '', 0)
      extras.push({ at, ...write })
      return
    }
    const { records, projections = [], memory = [], fence } = write.append
    fields.push(records.length, fence?.session ?? '', fence?.epoch ?? 0)
    for (const r of records) fields.push(r.at, r.actor, r.session, r.turn, r.call, r.name, r.phase, r.body)
    if (projections.length + memory.length > 0) extras.push({ at, kind: 'projections', projections, memory })
    if (write.append.sync === true) sync = true
  })
  return { count: writes.length, fields, extras, sync }
}

/** A write, decoded from a batch. */
export interface DecodedWrite {
  readonly records: readonly NewRecord[]
  readonly fence: { readonly session: SessionId; readonly epoch: number } | null
  readonly extra: Extra | null
}

/** Fields of a write's header, and of a record. */
export const headerFields = 3
export const recordFields = 8

/** @returns the writes of `encodeBatch`, in the same order */
export function decodeBatch(batch: WriteBatch): readonly DecodedWrite[] {
  const { fields, extras } = batch
  const writes: DecodedWrite[] = []
  let next = 0
  let nextExtra = 0
  for (let at = 0; at < batch.count; at++) {
    const count = fields[next] as number
    const session = fields[next + 1] as SessionId
    const fence = session === '' ? null : { session, epoch: fields[next + 2] as number }
    next += headerFields
    const records: NewRecord[] = []
    for (let i = 0; i < count; i++, next += recordFields) records.push(decodeNew(fields, next))
    const extra = extras[nextExtra]?.at === at ? (extras[nextExtra++] as Extra) : null
    writes.push({ records, fence, extra })
  }
  return writes
}

function decodeNew(fields: Flat, i: number): NewRecord {
  return {
    at: fields[i] as number,
    actor: fields[i + 1] as string,
    session: fields[i + 2] as SessionId,
    turn: fields[i + 3] as TurnId,
    call: fields[i + 4] as CallId,
    name: fields[i + 5] as string,
    phase: fields[i + 6] as Phase,
    body: fields[i + 7] as string,
  }
}

/** Columns of a record as it is read, in the order in which they travel. */
export const recordColumns = ['seq', 'at', 'actor', 'session', 'turn', 'call', 'name', 'phase', 'body', 'previous', 'hash'] as const
export const recordBodyColumn = 8

export function decodeRecords(flat: Flat): readonly JournalRecord[] {
  const records: JournalRecord[] = []
  for (let i = 0; i < flat.length; i += recordColumns.length) {
    records.push({
      seq: flat[i] as number,
      ...decodeNew(flat, i + 1),
      previous: flat[i + 9] as string,
      hash: flat[i + 10] as string,
    })
  }
  return records
}

/** Columns of a row of history, in the order in which they travel. */
export const historyColumns = ['seq', 'call', 'name', 'phase', 'body'] as const
export const historyBodyColumn = 4

export function decodeHistory(flat: Flat): readonly HistoryRow[] {
  const rows: HistoryRow[] = []
  for (let i = 0; i < flat.length; i += historyColumns.length) {
    rows.push({
      seq: flat[i] as number,
      call: flat[i + 1] as CallId,
      name: flat[i + 2] as string,
      phase: flat[i + 3] as Phase,
      body: flat[i + 4] as string,
    })
  }
  return rows
}
