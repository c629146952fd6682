/** What tidying does to memory, one change at a time, each with what was before, so that a person can read it and take it back. */
import { z } from 'zod'
import type { MemoryChange, MemoryEntry, MemoryPatch } from '../../store/index.ts'
import { maxRelations } from '../keep/keep-limits.ts'

export type TidyKind = 'learned' | 'confirmed' | 'merged' | 'superseded' | 'flagged' | 'settled' | 'dropped'

export interface TidyChange {
  readonly kind: TidyKind
  readonly id: string
  /** Beginning of what the entry says, for a person. */
  readonly text: string
  /** The other entry of a pair; empty when there is none. */
  readonly other: string
  /** Values of the same fields before and after. Of what was learned, only when it was written; of what was dropped, all of the entry. */
  readonly before: MemoryPatch
  readonly after: MemoryPatch
}

/** One step of a run, as the journal has it: recorded before it is done. */
export interface TidyStep {
  readonly phase: string
  readonly changes: readonly TidyChange[]
  /** What only a person can decide. */
  readonly asks: readonly string[]
}

/** @returns the change that gives an entry these values. */
export function changeOf(kind: TidyKind, entry: MemoryEntry, text: string, after: MemoryPatch, other = ''): TidyChange {
  const before = Object.fromEntries(Object.keys(after).map((key) => [key, entry[key as keyof MemoryEntry]])) as MemoryPatch
  return { kind, id: entry.id, text: text.slice(0, shownCharacters), other, before, after }
}

/** @param text all of it: with it the entry is made again when the change is taken back */
export function dropOf(entry: MemoryEntry, text: string): TidyChange {
  return { kind: 'dropped', id: entry.id, text, other: '', before: entry, after: {} }
}

const shownCharacters = 160

/** @returns the ids of related entries with one more, in the order in which they are kept; of too many the first goes. */
export function withRelated(ids: readonly string[], id: string): readonly string[] {
  return [...new Set([...ids, id])].slice(-maxRelations).sort()
}

export function patchOf({ id, after }: TidyChange): MemoryChange {
  return { change: 'patch', id, patch: after }
}

/**
 * @param entry as it is now; undefined: it is gone
 * @returns what takes the change back; null when the entry was changed since, or is gone: a person's later word stands
 */
export function undoOf(change: TidyChange, entry: MemoryEntry | undefined): MemoryChange | null {
  if (entry === undefined || change.kind === 'dropped') return null
  if (!hasValues(entry, change.after)) return null
  if (change.kind === 'learned') return entry.supersededBy === '' ? { change: 'erase', id: change.id } : null
  return { change: 'patch', id: change.id, patch: change.before }
}

/** @param there the entries that are there now. @returns false for what was forgotten or changed since the change was made up */
export function stillFits(change: TidyChange, there: ReadonlyMap<string, MemoryEntry>): boolean {
  if (change.other !== '' && !there.has(change.other)) return false
  if (change.kind === 'learned') return true
  const entry = there.get(change.id)
  return entry !== undefined && hasValues(entry, change.before)
}

function hasValues(entry: MemoryEntry, values: MemoryPatch): boolean {
  return Object.entries(values).every(([key, value]) => JSON.stringify(entry[key as keyof MemoryEntry]) === JSON.stringify(value))
}

const patch = z.record(z.string(), z.unknown()).transform((value) => value as MemoryPatch)

/** Steps as they are read back. */
export const tidyStepSchema: z.ZodType<TidyStep> = z.object({
  phase: z.string(),
  changes: z.array(
    z.object({
      kind: z.enum(['learned', 'confirmed', 'merged', 'superseded', 'flagged', 'settled', 'dropped']),
      id: z.string(),
      text: z.string(),
      other: z.string(),
      before: patch,
      after: patch,
    }),
  ),
  asks: z.array(z.string()),
})
