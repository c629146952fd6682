/** What changed between two texts, line by line. */
import { diffLines } from 'diff'
import { type ReactNode, useMemo } from 'react'

interface Line {
  readonly kind: 'same' | 'added' | 'removed' | 'place'
  readonly text: string
}

const signs = { same: ' ', added: '+', removed: '−', place: '' } as const
/** Unchanged lines shown round a change. */
const contextLines = 3
const maxLines = 2_000

/** @param before null: the text is new */
export function TextDiff({ before, after }: { readonly before: string; readonly after: string }): ReactNode {
  const lines = useMemo(() => linesOfTexts(before, after), [before, after])
  return <DiffLines lines={lines} />
}

function DiffLines({ lines }: { readonly lines: readonly Line[] }): ReactNode {
  return (
    <div className="text-diff" role="region" aria-label="Changes" tabIndex={0}>
      {lines.slice(0, maxLines).map(({ kind, text }, index) => (
        <div key={index} className="text-diff-line" data-kind={kind}>
          <span aria-hidden="true">{signs[kind]}</span>
          {kind === 'added' && <span className="visually-hidden">Added: </span>}
          {kind === 'removed' && <span className="visually-hidden">Removed: </span>}
          <span>{text}</span>
        </div>
      ))}
      {lines.length > maxLines && <div className="text-diff-line" data-kind="place">{`… ${lines.length - maxLines} more lines`}</div>}
    </div>
  )
}

function linesOfTexts(before: string, after: string): readonly Line[] {
  const lines = diffLines(before, after).flatMap(({ value, added, removed }): readonly Line[] =>
    value
      .replace(/\n$/, '')
      .split('\n')
      .map((text) => ({ kind: added ? 'added' : removed ? 'removed' : 'same', text })),
  )
  const isNear = lines.map((_, at) =>
    lines.slice(Math.max(0, at - contextLines), at + contextLines + 1).some(({ kind }) => kind !== 'same'),
  )
  return lines.flatMap((line, at): readonly Line[] => {
    if (isNear[at]) return [line]
    return isNear[at - 1] === true || at === 0 ? [{ kind: 'place', text: '⋯' }] : []
  })
}
