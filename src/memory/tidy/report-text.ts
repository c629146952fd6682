/** A report of tidying, for a person. */
import type { MemoryPatch } from '../../store/index.ts'
import type { TidyChange, TidyKind, TidyStep } from './tidy-change.ts'
import { maxShownLines } from './tidy-limits.ts'

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
