/** What tidying does to memory, one change at a time, each with what was before, so that a person can read it in a report and take it back. */
import { z } from 'zod'
import type { MemoryChange, MemoryEntry, MemoryPatch } from '../../store/index.ts'
import { maxRelations } from '../keep/keep-limits.ts'
import { maxShownLines } from './tidy-limits.ts'

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

const headings: Readonly<Record<TidyKind, string>> = {
  learned: 'Learned',
  confirmed: 'Heard again',
  merged: 'Said the same as another one, and became one with it',
  superseded: 'No longer holds: something later says otherwise',
  flagged: 'Contradicts another one',
  dropped: 'Gone: found by tidying, wanted by nobody, and over the bound',
  settled: 'Moved: more or less important, better or less well kept',
}

/** @returns lines of at most about 200 characters, a section for each kind of change. */
export function reportText(steps: readonly TidyStep[]): string {
  const changes = steps.flatMap((step) => step.changes)
  const asks = steps.flatMap((step) => step.asks)
  if (changes.length === 0 && asks.length === 0) return 'Nothing was changed.'
  const sections = (Object.keys(headings) as TidyKind[]).flatMap((kind) => {
    const some = changes.filter((change) => change.kind === kind)
    return some.length === 0 ? [] : [section(headings[kind], some.map(changeLine))]
  })
  return [
    ...sections,
    ...(asks.length === 0
      ? []
      : [
          section(
            'For you to decide',
            asks.map((ask) => `  ${ask}`),
          ),
        ]),
  ].join('\n\n')
}

function section(heading: string, lines: readonly string[]): string {
  const more = lines.length > maxShownLines ? [`  … and ${lines.length - maxShownLines} more`] : []
  return [`${heading} (${lines.length})`, ...lines.slice(0, maxShownLines), ...more].join('\n')
}

function changeLine({ kind, id, text, other, before, after }: TidyChange): string {
  const said = text.replace(/\s+/gu, ' ')
  const how = kind === 'settled' ? ` ${moves(before, after)}` : other === '' || kind === 'learned' ? '' : ` → ${other}`
  return `  ${id}  ${said}${how}`
}

function moves(before: MemoryPatch, after: MemoryPatch): string {
  const shown = (value: unknown): string => (typeof value === 'number' ? value.toFixed(2) : String(value))
  return Object.entries(after)
    .map(([key, value]) => `[${key} ${shown(before[key as keyof MemoryPatch])} → ${shown(value)}]`)
    .join(' ')
}
