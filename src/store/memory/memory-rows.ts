/** Rows of memory as every database has them. */
import type { EntryRow } from './entry-row.ts'

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

export type KeyedEntryRow = EntryRow & { readonly key: number }

export interface PassageRow {
  readonly id: number
  readonly part: number
  readonly start: number
  readonly body: Uint8Array
}

/** A passage with its entry. */
export type FoundRow = EntryRow & { readonly passage: number; readonly part: number; readonly start: number; readonly body: Uint8Array }

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
