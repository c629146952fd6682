/**
 * The store port: one user's journal, its blobs, the small tables that are projections of it, and what memory keeps. SQLite and
 * Postgres implement it; no statement and no file crosses it. What happens is written by `append` alone, so that it and what
 * follows from it are one transaction.
 */
import type { CallId, OxbowError, SessionId, UserId } from '../base/index.ts'
import type { ChainHead, JournalRecord, NewRecord, Phase, Spend } from '../protocol/index.ts'
import type { FilesPlace } from './files/files-place.ts'
import type { MemoryChange, MemorySource, MemoryStore } from './memory.ts'

/** A change of a projection, committed with the records that cause it. */
export type Projection =
  | { readonly kind: 'session'; readonly session: SessionRow }
  /** The record at this index of the append carries conversation: `history` will find it. */
  | { readonly kind: 'message'; readonly record: number }
  /** Adds to what a budget scope has spent; both numbers may be 0, never negative. */
  | { readonly kind: 'spend'; readonly scope: string; readonly spend: Spend }
  /** Adds to what was used of a budget since its window began; a later window begins at nothing, an earlier one is not counted. */
  | { readonly kind: 'use'; readonly budget: string; readonly use: BudgetUse }
  /** The record at this index of the append sets a document, or deletes it where `body` is null. */
  | { readonly kind: 'document'; readonly category: string; readonly name: string; readonly body: string | null; readonly record: number }

/** A session in the store. Times are in Unix milliseconds. */
export interface SessionRow {
  readonly id: SessionId
  readonly title: string
  readonly createdAt: number
  readonly activeAt: number
  readonly turns: number
  /** Joined labels of all that the session's context has held, as a comma-separated sorted list. */
  readonly labels: string
  /** Where the data with these labels comes from, as JSON; see `src/kernel/records/sessions.ts`. Empty: nothing is known. */
  readonly origins: string
  /** Id of the call that changed the session's scratchpad last; empty when none has. */
  readonly scratchpad: string
  /** When it was archived, and when it was erased, unix milliseconds; 0: never. */
  readonly archived: number
  readonly deleted: number
  /** The session it was forked from, and the seq of that session's last record that belongs to its history. */
  readonly parent: SessionId | ''
  readonly forked: number
  /** Id of the call that made its newest summary; empty without one. */
  readonly summary: CallId | ''
}

/** What was used of a budget in one window; whole numbers, never negative. */
export interface BudgetUse extends Spend {
  /** When the window began, unix milliseconds. */
  readonly since: number
  readonly calls: number
  /** Wall time, milliseconds. */
  readonly ms: number
}

/** A named document of the state: what the record `seq` set last. */
export interface DocumentRow {
  readonly category: string
  readonly name: string
  /** JSON. */
  readonly body: string
  readonly seq: number
  /** Unix milliseconds of that record. */
  readonly at: number
}

/** Which documents of a category to read, in the order of their names. */
export interface DocumentQuery {
  readonly category: string
  /** Only names after this one. */
  readonly after?: string
  readonly limit: number
}

/** A new session. */
export const plainSession = {
  turns: 0,
  labels: '',
  origins: '',
  scratchpad: '',
  archived: 0,
  deleted: 0,
  parent: '',
  forked: 0,
  summary: '',
} as const

/** Wants more of a shared budget; below zero: gives back. */
export interface ShareAsk {
  readonly name: string
  readonly microDollars: number
  readonly tokens: number
}

/** A budget that several users share; null: no limit. */
export interface SharedBudget {
  readonly name: string
  readonly span: string
  readonly limit: { readonly microDollars: number | null; readonly tokens: number | null }
  /** By everybody, in this window. */
  readonly used: Spend
  /** What this user holds, and has not spent. */
  readonly held: Spend
}

export interface Append {
  readonly records: readonly NewRecord[]
  readonly projections?: readonly Projection[]
  /** Changes of memory that are committed with the records, or not at all. */
  readonly memory?: readonly MemoryChange[]
  /** Refuses the whole append with `stale_epoch` when the lane has moved on. */
  readonly fence?: { readonly session: SessionId; readonly epoch: number }
  /** Survives power loss before this resolves, whatever the durability setting. */
  readonly sync?: boolean
  /** The caller does not wait for it: it may be held a few milliseconds so that others share its transaction. */
  readonly lazy?: boolean
}

export interface Appended {
  /** Seq of the first record. The others follow without gaps. */
  readonly firstSeq: number
  /**
   * A record would have begun or ended a call that has begun or ended before: nothing was written, and `firstSeq` is the earlier record's.
   * `repeatOf` in `sql/journal-rules.ts` says which phases may repeat.
   */
  readonly duplicate: boolean
}

/** The result of an erasure. */
export interface Erased {
  /** Bodies erased. */
  readonly bodies: number
  /** Blobs deleted because only these bodies referred to them. */
  readonly blobs: number
  /** Records of open calls and of running turns, whose bodies stay until these have ended. */
  readonly kept: readonly number[]
}

/** The body of a record as it was appended. */
export interface KeptBody {
  readonly seq: number
  readonly body: string
}

/** Which records to read. */
export interface RecordQuery {
  /** Bounds of seq, both exclusive. */
  readonly after?: number
  readonly before?: number
  readonly session?: SessionId
  readonly call?: CallId
  readonly phases?: readonly Phase[]
  readonly order: 'oldest_first' | 'newest_first'
  /** At most 10 000 rows are returned, whatever the limit: continue from the last seq. */
  readonly limit: number
  /** Replaces references by the bodies in blobs. Without it bodies are as hashed. */
  readonly hydrate: boolean
}

/** Tables by which records, or the state of a session, are found. */
export type IndexTable = 'message' | 'open_call' | 'lane' | 'again'

/** What `Store.scan` looks for. */
export interface ScanQuery {
  /** Bounds of seq, both exclusive. */
  readonly after: number
  readonly before: number
  /** Only of this session. */
  readonly session?: SessionId
  /** Folded as `foldPhrase` does; a body that says one of them fits. */
  readonly phrases: readonly string[]
}

/** A record of a conversation; see `Store.history`. */
export interface HistoryRow {
  readonly seq: number
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  /** Hydrated. */
  readonly body: string
}

/**
 * Any method may throw OxbowError `store_corrupt` or `store_failed`. A read sees every append that was acknowledged before it was
 * requested, and perhaps later ones.
 */
export interface Store {
  readonly user: UserId
  /** Where a guest of a cluster keeps its files; absent: they stay on this machine. */
  readonly files?: FilesPlace
  /** Why the store is read-only, null while it is not; every append is refused with this error. */
  fault(): OxbowError | null
  /**
   * Appends in order and commits; all appends that wait at that moment share one transaction, and a refused one does not affect the
   * others. Resolves when durable.
   * @throws OxbowError `stale_epoch`, `bad_input` (a value that cannot be stored) or `limit_reached` (too many wait): nothing
   * was written. Or `store_full`, `store_corrupt`, `store_failed`: after these three the store is read-only, and nothing of
   * the append was written, except that a writer that died may have committed what it could not acknowledge.
   */
  append(append: Append): Promise<Appended>
  /**
   * Erases the bodies of these records: each becomes `{"erased":"<its hash>","bytes":n,"reason":"…"}` (`parseErased`), also in
   * every hydrated read, and the chain still holds. A blob is deleted with the last record that refers to it. The bytes are gone
   * from the file and its log when this resolves. Who erased and why is not recorded here: the caller journals it. Seqs that do not
   * exist or are erased already are ignored.
   * @param reason for people; truncated to 200 characters
   * @throws OxbowError as `append`; `limit_reached` for more than 1 000 seqs.
   */
  erase(seqs: readonly number[], reason: string): Promise<Erased>
  /**
   * As `erase`, for bodies that are kept elsewhere and may come back. A blob goes only where it is the body itself: what bodies name, such as
   * the pieces of files, stays. Documents stay, too: the caller leaves records out that set some.
   */
  archive(seqs: readonly number[], reason: string): Promise<Erased>
  /**
   * Puts bodies back that were erased or archived. One that is not what was there, by its hash, is passed over, and so is a record that has its body.
   * @returns how many are there again @throws OxbowError as `append`; `limit_reached` for more than 1 000
   */
  restoreBodies(bodies: readonly KeptBody[]): Promise<number>
  records(query: RecordQuery): Promise<readonly JournalRecord[]>
  /**
   * The records whose bodies contain one of the phrases, oldest first, bodies as hashed; erased bodies never match. A slice: it ends
   * after some milliseconds, and `upto` is the last seq that was looked at.
   */
  scan(query: ScanQuery): Promise<{ readonly records: readonly JournalRecord[]; readonly upto: number }>
  /** The records of a session that were appended with a `message` projection, newest first; reads only `limit` of them. */
  history(session: SessionId, before: number | null, limit: number): Promise<readonly HistoryRow[]>
  /** Intents that have neither `outcome`, `refused` nor `reconciled`, oldest first, hydrated. */
  openIntents(): Promise<readonly JournalRecord[]>
  head(): Promise<ChainHead>
  /**
   * Rows of an index of the journal, for audits: the session and the record of a message, the call and the record of an open intent, the
   * session and the epoch of a lane, the call and a record that begins or ends it once more (`again`, of older versions only); in the order
   * of these two, after `after`.
   */
  indexRows(table: IndexTable, after: readonly [string, number], limit: number): Promise<readonly (readonly [string, number])[]>
  /**
   * @returns in words, what the database contains that Oxbow never creates there (triggers, views, in a file also tables), and which
   * indexes are not as Oxbow makes them
   */
  structure(): Promise<readonly string[]>
  /** @returns the hash under which the bytes can be read, now durable. @throws `limit_reached` over 64 MiB. */
  putBlob(bytes: Uint8Array): Promise<string>
  blob(hash: string): Promise<Uint8Array | null>
  session(id: SessionId): Promise<SessionRow | null>
  /** Newest activity first. */
  sessions(limit: number): Promise<readonly SessionRow[]>
  spent(scope: string): Promise<Spend>
  /** The newest window of a budget; null where nothing was used of it. */
  used(budget: string): Promise<BudgetUse | null>
  document(category: string, name: string): Promise<DocumentRow | null>
  documents(query: DocumentQuery): Promise<readonly DocumentRow[]>
  /** Every category that has documents. */
  documentCategories(): Promise<readonly string[]>
  /**
   * Takes the lane when it is free, when its lease has expired, or when `owner` holds it; by the store's clock, which all workers share.
   * @returns the new epoch, or null.
   */
  claimLane(session: SessionId, owner: string, leaseMs: number): Promise<number | null>
  /**
   * Takes or gives back parts of the budgets that this user shares with others. Absent: the user is in no cluster.
   * @returns all of them as they are then, with every append that was sent before
   */
  readonly share?: (asks: readonly ShareAsk[]) => Promise<readonly SharedBudget[]>
  /** The memory of the same user. */
  readonly memory: MemoryStore
  /** For `attachMemory` in another thread, once this store is open. Absent: the store is in the memory of this thread alone. */
  readonly memorySource?: () => Promise<MemorySource>
  /** Commits what is waiting, then closes. Later requests are refused. */
  close(): Promise<void>
}

/** A store that is returned before it is open, so that other things can start meanwhile. */
export interface OpeningStore extends Store {
  /**
   * Resolves when the workspace is locked and the store is usable.
   * @throws OxbowError `workspace_busy`, `not_found`, `store_full`, `store_corrupt` or `store_failed`. Reads may still
   * work, except after `workspace_busy`; the store must still be closed.
   */
  opened(): Promise<void>
  /** A warning for a person about a store that is open and works; else empty. */
  readonly warning?: () => string
}
