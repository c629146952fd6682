/** Rows of memory, the same in every dialect. Lists of an entry are stored as one text, with separators around each item so that it can be searched for. */
import type { SessionId } from '../../base/index.ts'
import type { Label } from '../../protocol/index.ts'
import type { MemoryEntry, MemoryKind, MemoryTier, MemoryType, Protection } from '../memory.ts'
import { listSeparator } from './memory-input.ts'

/** Columns of an entry besides `user`, `key` (its number within the user) and `version` (of the user's memory when it changed last). */
export const entryColumns = [
  'id',
  'kind',
  'type',
  'session',
  'stream',
  'place',
  'author',
  'tags',
  'labels',
  'created_at',
  'updated_at',
  'valid_from',
  'valid_to',
  'superseded_by',
  'contradicts',
  'confirmed_by',
  'importance',
  'tier',
  'protection',
  'accesses',
  'accessed_at',
  'seq',
  'hash',
  'stream_key',
  'hash_key',
  'extra',
] as const

/** A row of the entries. */
export interface EntryRow {
  readonly id: string
  readonly kind: string
  readonly type: string
  readonly session: string
  readonly stream: string
  readonly place: number
  readonly author: string
  readonly tags: string
  readonly labels: string
  readonly created_at: number
  readonly updated_at: number
  readonly valid_from: number
  readonly valid_to: number | null
  readonly superseded_by: string
  readonly contradicts: string
  readonly confirmed_by: string
  readonly importance: number
  readonly tier: string
  readonly protection: string
  readonly accesses: number
  readonly accessed_at: number
  readonly seq: number
  readonly hash: string
  /** What indexes have in place of the texts: a tenth of their size. */
  readonly stream_key: number
  readonly hash_key: number
  readonly extra: string
}

/** The row of an entry. */
export function entryRow(entry: MemoryEntry): EntryRow {
  const { id, kind, type, session, stream, place, author, importance, tier, protection, accesses, seq, hash, extra } = entry
  return {
    id,
    kind,
    type,
    session,
    stream,
    place,
    author,
    importance,
    tier,
    protection,
    accesses,
    seq,
    hash,
    extra,
    stream_key: textKey(stream),
    hash_key: textKey(hash),
    tags: listText(entry.tags),
    labels: listText(entry.labels),
    created_at: entry.createdAt,
    updated_at: entry.updatedAt,
    valid_from: entry.validFrom,
    valid_to: entry.validTo,
    superseded_by: entry.supersededBy,
    contradicts: listText(entry.contradicts),
    confirmed_by: listText(entry.confirmedBy),
    accessed_at: entry.accessedAt,
  }
}

/** The entry of a row. The columns are trusted: only the store writes them. */
export function rowEntry(row: EntryRow): MemoryEntry {
  const { id, stream, place, author, importance, accesses, seq, hash, extra } = row
  return {
    id,
    stream,
    place,
    author,
    importance,
    accesses,
    seq,
    hash,
    extra,
    kind: row.kind as MemoryKind,
    type: row.type as MemoryType,
    tier: row.tier as MemoryTier,
    protection: row.protection as Protection,
    session: row.session as SessionId,
    tags: textList(row.tags),
    labels: textList(row.labels) as Label[],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    validFrom: row.valid_from,
    validTo: row.valid_to,
    supersededBy: row.superseded_by,
    contradicts: textList(row.contradicts),
    confirmedBy: textList(row.confirmed_by),
    accessedAt: row.accessed_at,
  }
}

/** `␟one␟two␟`, so that `␟one␟` is found in it exactly when it holds `one`. */
function listText(list: readonly string[]): string {
  return list.length === 0 ? '' : `${listSeparator}${list.join(listSeparator)}${listSeparator}`
}

export function textList(text: string): string[] {
  return text === '' ? [] : text.slice(1, -1).split(listSeparator)
}

/** @returns a number of 32 bits for a text (FNV-1a over UTF-16), so that an index need not hold it; texts of the same number are told apart by themselves */
export function textKey(text: string): number {
  let key = 0x811c9dc5
  for (let i = 0; i < text.length; i++) key = Math.imul(key ^ text.charCodeAt(i), 0x01000193)
  return key >>> 0
}

/** How far a user's memory has come. */
export interface StateRow {
  readonly user: string
  /** Grows by one with each call of changes; what changed carries it. */
  readonly version: number
  /** Removals up to this version are forgotten. */
  readonly trimmed: number
  readonly next_entry: number
  readonly next_passage: number
  /** Removals that are remembered. */
  readonly removals: number
}

export const noState = { version: 0, trimmed: 0, next_entry: 1, next_passage: 1, removals: 0 }

/** A row of the entries with its number in the database. */
export type KeyedEntryRow = EntryRow & { readonly key: number }

/** A row of the passages. `body` is packed, see `passage-body.ts`; `start` is its offset in the entry's text. */
export interface PassageRow {
  readonly id: number
  readonly part: number
  readonly start: number
  readonly body: Uint8Array
}

/** A passage with its entry. */
export type FoundRow = EntryRow & { readonly passage: number; readonly part: number; readonly start: number; readonly body: Uint8Array }

/** A row of the embedders. */
export interface ModelRow {
  readonly model: string
  readonly dims: number
  readonly state: 'building' | 'active'
  /** Version in which it began: the same name with another version is another collection of vectors. */
  readonly began: number
  readonly vectors: number
}

export interface BlockRow {
  readonly block: number
  readonly mask: number
  readonly bytes: Uint8Array
}
