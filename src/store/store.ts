/**
 * The store port: one user's journal, its blobs, and the small tables that are projections of it. SQLite implements it
 * here, Postgres will; no statement and no file crosses it. Every write goes through `append`, so that what happened and
 * what follows from it are one transaction.
 */
import type { CallId, ChainHead, JournalRecord, NewRecord, Phase, SessionId, Spend } from '../types/index.ts'

/** A change of a projection that commits with the records that cause it. */
export type Projection =
  | { readonly kind: 'session'; readonly session: SessionRow }
  /** The record at this index of the append carries conversation: `history` will find it. */
  | { readonly kind: 'message'; readonly record: number }
  /** Adds to what a budget scope has spent; both numbers may be 0, never negative. */
  | { readonly kind: 'spend'; readonly scope: string; readonly spend: Spend }

export interface SessionRow {
  readonly id: SessionId
  readonly title: string
  readonly createdAt: number
  readonly activeAt: number
  readonly turns: number
  /** Joined labels of all that the session's context has held, as a comma-separated sorted list. */
  readonly labels: string
}

export interface Append {
  readonly records: readonly NewRecord[]
  readonly projections?: readonly Projection[]
  /** Refuses the whole append with `stale_epoch` when the lane has moved on. */
  readonly fence?: { readonly session: SessionId; readonly epoch: number }
  /** The first record is an intent that may have been sent before: then nothing is written and `duplicate` is true. */
  readonly unique?: boolean
  /** Survives power loss before this resolves, whatever the durability setting. */
  readonly sync?: boolean
}

export interface Appended {
  /** Seq of the first record (of the earlier intent when `duplicate`). The others follow without gaps. */
  readonly firstSeq: number
  readonly duplicate: boolean
}

export interface RecordQuery {
  /** Bounds of seq, both exclusive. */
  readonly after?: number
  readonly before?: number
  readonly session?: SessionId
  readonly call?: CallId
  readonly phases?: readonly Phase[]
  readonly order: 'oldest_first' | 'newest_first'
  readonly limit: number
  /** Puts blob bodies in place of their references. Without it bodies are as hashed. */
  readonly hydrate: boolean
}

/** What a conversation is made of, newest first; see `Store.history`. */
export interface HistoryRow {
  readonly seq: number
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  /** Hydrated body. For a `started` message, the body of its intent. */
  readonly body: string
}

export interface Store {
  /**
   * Appends in order and commits; all appends that wait at that moment share one transaction, and one that is refused does
   * not harm its neighbours. Resolves when durable.
   * @throws OxbowError `stale_epoch`, or `store_full`, `store_corrupt`, `store_failed`: after these three nothing of the
   * append was written and the store only reads.
   */
  append(append: Append): Promise<Appended>
  records(query: RecordQuery): Promise<readonly JournalRecord[]>
  /**
   * The rows of a session that carry conversation, newest first: `turn.send` `started`, and `outcome`, `refused` and
   * `reconciled` of every call whose body has a `message`. Reads only `limit` such rows.
   */
  history(session: SessionId, before: number | null, limit: number): Promise<readonly HistoryRow[]>
  /** Intents that have neither `outcome`, `refused` nor `reconciled`, oldest first, hydrated. */
  openIntents(): Promise<readonly JournalRecord[]>
  head(): Promise<ChainHead>
  /** @returns the hash under which the bytes can be read, now durable. */
  putBlob(bytes: Uint8Array): Promise<string>
  blob(hash: string): Promise<Uint8Array | null>
  session(id: SessionId): Promise<SessionRow | null>
  /** Newest activity first. */
  sessions(limit: number): Promise<readonly SessionRow[]>
  spent(scope: string): Promise<Spend>
  /** Takes the lane when it is free, its lease is over, or `owner` holds it. @returns the new epoch, or null. */
  claimLane(session: SessionId, owner: string, leaseMs: number): Promise<number | null>
  close(): Promise<void>
}
