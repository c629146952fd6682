/**
 * The port for stored memory: entries (one message, note, fact, document section or summary), the passages they are split into, the
 * vectors of passages, and the search over them. The memory module decides what an entry means; the store keeps, finds and erases it.
 * Everything belongs to the store's one user.
 *
 * Text is split into words by the memory module, not by a database: `terms` and `context` hold terms separated by single spaces, already
 * folded and stemmed, so that every store finds the same entries in the same order.
 */
import type { SessionId, UserId } from '../base/index.ts'
import type { Label } from '../protocol/index.ts'

/** Where an entry comes from. */
export type MemoryKind = 'message' | 'note' | 'fact' | 'document' | 'summary'

/** What an entry is about: sets its base importance and its decay. */
export type MemoryType =
  | 'user_profile'
  | 'preference'
  | 'decision'
  | 'knowledge'
  | 'skill'
  | 'fact'
  | 'episode'
  | 'session'
  | 'conversation'

/** How much a memory is used, as tidying finds it; hot facts are told with the first message about the person. */
export type MemoryTier = 'hot' | 'warm' | 'cold'

/** How much decay is held back: by 0, half, four fifths, nineteen twentieths, all of it. */
export type Protection = 'none' | 'low' | 'medium' | 'high' | 'permanent'

export interface MemoryEntry {
  /** Chosen by who writes: the same id again replaces the entry and its passages. */
  readonly id: string
  readonly kind: MemoryKind
  readonly type: MemoryType
  /** Empty: of no session, e.g. notes. */
  readonly session: SessionId | ''
  /** Entries of one stream are neighbours by `place`: a session by journal seq, a document by its sections. */
  readonly stream: string
  readonly place: number
  /** Who said or wrote it: `user`, `agent`, or the address of a document. */
  readonly author: string
  /** Trimmed, lower case, distinct, sorted. */
  readonly tags: readonly string[]
  readonly labels: readonly Label[]
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly updatedAt: number
  /** The time in which it holds; null: without end. */
  readonly validFrom: number
  readonly validTo: number | null
  /** Id of the entry that took its place; empty when none did. */
  readonly supersededBy: string
  /** Ids of entries that say otherwise, and of those that say the same; sorted. */
  readonly contradicts: readonly string[]
  readonly confirmedBy: readonly string[]
  /** 0 to 1. */
  readonly importance: number
  readonly tier: MemoryTier
  readonly protection: Protection
  readonly accesses: number
  readonly accessedAt: number
  /** Seq of the journal record that it was made from; 0 when none was. */
  readonly seq: number
  /** BLAKE3 of the whole text in lower-case hex: equal texts are duplicates. */
  readonly hash: string
  /** Whatever its maker wants to find again; JSON. */
  readonly extra: string
}

/** A piece of an entry's text, as it is found. */
export interface Passage {
  /** From 0, in order. */
  readonly part: number
  /** Where it begins in the entry's text, in UTF-16 units: passages overlap, and by this the whole can be put together. */
  readonly start: number
  readonly text: string
  readonly terms: string
  /** Terms of what stood before it (the turn before, the headings above); weighs less than `terms`. */
  readonly context: string
}

/** An entry with the passages that its text is cut into, in order. */
export interface MemoryItem {
  readonly entry: MemoryEntry
  readonly passages: readonly Passage[]
  /**
   * Where they are known already when it is put: they share its transaction. Left out where memory keeps none for this model, or another
   * size. What is read has none.
   */
  readonly vectors?: PassageVectors
}

/** Of all passages of an entry, in order. */
export interface PassageVectors {
  readonly model: string
  readonly vectors: readonly Float32Array<ArrayBuffer>[]
}

/** How far an indexer has read; commits with what it made. */
interface IndexCursor {
  readonly name: string
  readonly seq: number
}

/** What may change without new text. */
export type MemoryPatch = Partial<
  Pick<
    MemoryEntry,
    | 'type'
    | 'tags'
    | 'labels'
    | 'updatedAt'
    | 'validFrom'
    | 'validTo'
    | 'supersededBy'
    | 'contradicts'
    | 'confirmedBy'
    | 'importance'
    | 'tier'
    | 'protection'
    | 'accesses'
    | 'accessedAt'
    | 'extra'
  >
>

/** One change of memory. Changes of one list are committed together, in order. */
export type MemoryChange =
  | { readonly change: 'put'; readonly item: MemoryItem }
  | { readonly change: 'patch'; readonly id: string; readonly patch: MemoryPatch }
  /** Removes entry, passages, terms and vectors so that their bytes are gone too, from the file and its log. */
  | { readonly change: 'erase'; readonly id: string }
  | { readonly change: 'cursor'; readonly cursor: IndexCursor }
  /** Vectors of one model; a passage that is gone meanwhile is passed over. */
  | { readonly change: 'vectors'; readonly model: string; readonly vectors: readonly PassageVector[] }
  /** `building`: vectors are collected while the active model stays in use. `active`: search uses it. `dropped`: its vectors go. */
  | { readonly change: 'model'; readonly model: string; readonly dims: number; readonly state: 'building' | 'active' | 'dropped' }

/** The vector of a passage, of the length that its model has. */
export interface PassageVector {
  readonly passage: number
  readonly vector: Float32Array<ArrayBuffer>
}

/** How the author of a memory begins that only one persona recalls: its key follows. */
export const personaPrefix = 'persona:'

/** All that is given must hold. It is part of the search, never a sieve after it. */
export interface MemoryFilter {
  readonly kinds?: readonly MemoryKind[]
  readonly types?: readonly MemoryType[]
  readonly tiers?: readonly MemoryTier[]
  readonly sessions?: readonly SessionId[]
  readonly notSession?: SessionId
  /** Every one of them. */
  readonly tags?: readonly string[]
  readonly createdAfter?: number
  readonly createdBefore?: number
  /** Only what holds at this time (unix milliseconds). Absent: also what no longer holds. */
  readonly validAt?: number
  /** Leaves out what carries one of these. */
  readonly withoutLabels?: readonly Label[]
  /** Of what personas keep for themselves, only what this one does: an author; empty: nothing. Absent: all of it. */
  readonly persona?: string
  /** Entries of a stream at places beyond this are left out, e.g. what stands in the model's window anyway. */
  readonly before?: { readonly stream: string; readonly place: number }
}

export interface MemorySearch {
  readonly filter: MemoryFilter
  /** Ranks by BM25 as FTS5 has it (k1 1.2, b 0.75, idf ln((N - n + 0.5) / (n + 0.5)), at least 1e-6); any term may match. */
  readonly text?: {
    readonly terms: readonly string[]
    readonly contextWeight: number
    readonly limit: number
    /** Finds nothing, in neither list, where each of these terms is common, and says so. */
    readonly onlyRare?: readonly string[]
  }
  /** Ranks by cosine. @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
  readonly vector?: { readonly model: string; readonly vector: Float32Array<ArrayBuffer>; readonly limit: number }
  /** Tells which entries of the hits are of one stream and at most so many entries apart. */
  readonly apart?: number
}

export interface Hit {
  readonly passage: number
  /** BM25: above 0, higher is better. Cosine: -1 to 1. */
  readonly score: number
}

/** A passage with its entry. */
export interface FoundPassage extends Passage {
  readonly id: number
  readonly entry: MemoryEntry
}

export interface MemoryFound {
  /** Best first; equal scores: the newer entry first. */
  readonly text: readonly Hit[]
  readonly vector: readonly Hit[]
  /** The passages of both, each once. */
  readonly passages: readonly FoundPassage[]
  /** Where it was asked for. */
  readonly apart?: readonly Apart[]
  /** Nothing was searched, because every term is common. */
  readonly common?: true
}

/** Two entries of one stream, by one passage of each that was found, and how many entries on the later one stands: 1 for neighbours. */
export type Apart = readonly [earlier: number, later: number, entries: number]

/** What stands next to passages, by their ids. */
export type Beside = ReadonlyMap<number, readonly FoundPassage[]>

/** An embedder whose vectors are stored; a search uses an `active` one. */
export interface MemoryModel {
  readonly model: string
  readonly dims: number
  readonly state: 'building' | 'active'
  readonly vectors: number
}

export interface MemoryStats {
  readonly entries: number
  readonly passages: number
  readonly byKind: Readonly<Partial<Record<MemoryKind, number>>>
  readonly models: readonly MemoryModel[]
  /** Bytes that memory takes, as far as the store can tell. */
  readonly bytes: number
}

/** A memory, and what the journal's marks of it must be: see `memory/memory-marks.ts`. */
export interface StoredMark extends Pick<MemoryEntry, 'id' | 'kind' | 'seq'> {
  readonly key: number
  /** Of its id. */
  readonly mark: string
  readonly entry: string
  readonly text: string
}

/** What another thread of the process needs to read this memory by itself. May hold a password or keys, and never leaves the process. */
export type MemorySource =
  | {
      readonly kind: 'sqlite'
      readonly user: UserId
      readonly path: string
      readonly cipher?: { readonly masters: readonly string[]; readonly required: boolean }
    }
  | {
      readonly kind: 'postgres'
      readonly user: UserId
      readonly rowRole: string
      readonly url: string
      readonly shown: string
      readonly snapshot?: SnapshotChoice
    }

/** Where a database on a server has the snapshot of what a search holds: on this machine. */
export interface SnapshotChoice {
  /** Where a file of the database would be; the snapshot stands next to it. */
  readonly path: string
  /** Keys that seal it, the one in use first; null: it is not sealed. */
  readonly masters: readonly string[] | null
}

/** Reads see every change that was acknowledged before. Errors as of the store. */
export interface MemoryStore {
  /** All of them or none, in order. Text is found at once. @throws OxbowError `bad_input`, also for a vector of the wrong size */
  change(changes: readonly MemoryChange[]): Promise<void>
  search(search: MemorySearch): Promise<MemoryFound>
  /** Several searches at once, which cost less than one after the other. @returns the answer to each, in order; @throws when any of them fails */
  searchAll(searches: readonly MemorySearch[]): Promise<readonly MemoryFound[]>
  /** Passages of the entries next to each of these in its stream, in order: so many entries before and after. */
  beside(passages: readonly number[], before: number, after: number): Promise<Beside>
  /** In the order of `ids`; unknown ones are left out. */
  items(ids: readonly string[]): Promise<readonly MemoryItem[]>
  /** Newest first (`createdAt`, then `id`), from `after` on; at most 1 000 at once. */
  list(filter: MemoryFilter, limit: number, after?: { readonly createdAt: number; readonly id: string }): Promise<readonly MemoryEntry[]>
  /** Passages of the entries next to `place` in a stream, nearest first in each direction, then put in order. */
  around(stream: string, place: number, before: number, after: number): Promise<readonly FoundPassage[]>
  /** Ids of entries with this text. */
  withHash(hash: string): Promise<readonly string[]>
  /** Passages that have no vector of this model yet, oldest first. */
  withoutVector(model: string, limit: number): Promise<readonly { readonly id: number; readonly text: string; readonly context: string }[]>
  cursor(name: string): Promise<number>
  /** What vectors there are, by the name of their model. Costs nothing, unlike `stats`, which looks at everything. */
  models(): Promise<readonly MemoryModel[]>
  stats(): Promise<MemoryStats>
  /** For an audit: what the marks of memories must be, in the order in which they were written, behind `after`; at most 1 000 at once. */
  marks(after: number, limit: number): Promise<readonly StoredMark[]>
}
