/** Changes that tidying makes, each with the previous values, so that a person can review them in a report and undo them. */
import { z } from 'zod'
import type { MemoryChange, MemoryEntry, MemoryPatch } from '../../store/index.ts'
import { maxRelations } from '../keep/keep-limits.ts'
import { maxShownLines } from './tidy-limits.ts'
import { ownValue } from '../../base/index.ts'

const patch = z.record(z.string(), z.unknown()).transform((value) => value as MemoryPatch)

const tidyChange = z.object({
  kind: z.enum(['learned', 'confirmed', 'merged', 'superseded', 'flagged', 'settled', 'dropped']),
  id: z.string(),
  text: z.string().describe('Beginning of the text of the entry, for the report.'),
  other: z.string().describe('The other entry of a pair; empty for a single entry.'),
  // Previous and new values of the same fields. For `learned` only `updatedAt`; for `dropped`, `before` is the whole entry.
  before: patch,
  after: patch,
})
export type TidyChange = z.infer<typeof tidyChange>
export type TidyKind = TidyChange['kind']

/** One step of a run as journaled: recorded before it is applied. */
export const tidyStepSchema = z.object({
  phase: z.string(),
  changes: z.array(tidyChange).readonly(),
  asks: z.array(z.string()).describe('Questions for a person.'),
})
export type TidyStep = z.infer<typeof tidyStepSchema>

/** @returns the change that gives an entry these values. */
export function changeOf(kind: TidyKind, entry: MemoryEntry, text: string, after: MemoryPatch, other = ''): TidyChange {
  const before = Object.fromEntries(Object.keys(after).map((key) => [key, ownValue(entry, key as keyof MemoryEntry)])) as MemoryPatch
  return { kind, id: entry.id, text: text.slice(0, shownCharacters), other, before, after }
}

/** @param text the whole text, from which undo recreates the entry */
export function dropOf(entry: MemoryEntry, text: string): TidyChange {
  return { kind: 'dropped', id: entry.id, text, other: '', before: entry, after: {} }
}

const shownCharacters = 160

/** @returns the ids with one added, sorted; over the limit the oldest is removed. */
export function withRelated(ids: readonly string[], id: string): readonly string[] {
  return [...new Set([...ids, id])].slice(-maxRelations).sort()
}

export function patchOf({ id, after }: TidyChange): MemoryChange {
  return { change: 'patch', id, patch: after }
}

/**
 * @param entry current state; undefined: erased
 * @returns the change that undoes this one; null if the entry was changed since or erased
 */
export function undoOf(change: TidyChange, entry: MemoryEntry | undefined): MemoryChange | null {
  if (entry === undefined || change.kind === 'dropped') return null
  if (!hasValues(entry, change.after)) return null
  if (change.kind === 'learned') return entry.supersededBy === '' ? { change: 'erase', id: change.id } : null
  return { change: 'patch', id: change.id, patch: change.before }
}

/** @param there current entries. @returns false if the entry was forgotten or changed since the change was planned */
export function stillFits(change: TidyChange, there: ReadonlyMap<string, MemoryEntry>): boolean {
  if (change.other !== '' && !there.has(change.other)) return false
  if (change.kind === 'learned') return true
  const entry = there.get(change.id)
  return entry !== undefined && hasValues(entry, change.before)
}

function hasValues(entry: MemoryEntry, values: MemoryPatch): boolean {
  return Object.entries(values).every(([key, value]) => JSON.stringify(ownValue(entry, key as keyof MemoryEntry)) === JSON.stringify(value))
}

/** What a run has done. */
export const tidiedSchema = z.strictObject({
  learned: z.int(),
  merged: z.int(),
  superseded: z.int(),
  flagged: z.int(),
  settled: z.int(),
  dropped: z.int(),
  asks: z.array(z.string()).readonly(),
  report: z.int().describe('Seq of its first step; 0 when there was nothing to do.'),
})

export type Tidied = z.infer<typeof tidiedSchema>

const headings: Readonly<Record<TidyKind, string>> = {
  learned: 'Learned',
  confirmed: 'Confirmed: said again',
  merged: 'Merged into another memory that says the same',
  superseded: 'Superseded by a later statement',
  flagged: 'Contradicts another memory',
  dropped: 'Removed: extracted facts beyond the limit, the lowest-scored first',
  settled: 'Changed importance, protection or tier',
}

/** @returns a section for each kind of change, with lines of about 200 characters at most. */
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
    .map(([key, value]) => `[${key} ${shown(ownValue(before, key as keyof MemoryPatch))} → ${shown(value)}]`)
    .join(' ')
}
