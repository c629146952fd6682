/** A unified diff, as git writes it, file by file with line numbers. */
import { type ReactNode, useMemo } from 'react'
import './code.css'

interface DiffLine {
  readonly kind: 'added' | 'removed' | 'same' | 'gap'
  readonly text: string
  /** Null where the line is not in that version. */
  readonly before: number | null
  readonly after: number | null
}

interface DiffFile {
  readonly path: string
  readonly change: 'added' | 'deleted' | 'changed'
  readonly lines: readonly DiffLine[]
  /** What stands outside of the lines, e.g. that the file is binary. */
  readonly notes: readonly string[]
}

interface MutableFile {
  path: string
  change: DiffFile['change']
  readonly lines: DiffLine[]
  readonly notes: string[]
}

/** Never fails: lines that belong to no file are notes of one without a name. */
export function parseDiff(text: string): readonly DiffFile[] {
  const files: MutableFile[] = []
  let file: MutableFile | null = null
  let [before, after] = [0, 0]
  // Lines that the head of the hunk has announced: inside of it, `---` is a removed line.
  let [leftBefore, leftAfter] = [0, 0]
  const begin = (path: string): MutableFile => {
    const next: MutableFile = { path, change: 'changed', lines: [], notes: [] }
    files.push(next)
    return next
  }
  for (const line of text.split('\n')) {
    if (leftBefore <= 0 && leftAfter <= 0) {
      const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@(.*)$/.exec(line)
      if (hunk !== null && file !== null) {
        before = Number(hunk[1])
        after = Number(hunk[3])
        leftBefore = Number(hunk[2] ?? 1)
        leftAfter = Number(hunk[4] ?? 1)
        if (file.lines.length > 0) file.lines.push({ kind: 'gap', text: '⋯', before: null, after: null })
      } else if (line.startsWith('--- ')) {
        file = begin(line.slice(4).replace(/\t.*$/, '').replace(/^a\//, ''))
        if (file.path === '/dev/null') file.change = 'added'
      } else if (line.startsWith('+++ ') && file !== null) {
        const path = line.slice(4).replace(/\t.*$/, '').replace(/^b\//, '')
        if (path === '/dev/null') file.change = 'deleted'
        else file.path = path
      } else if (line.trim() !== '' && !/^(?:diff |index |=+$|Index: |\\ )/.test(line))
        (line.startsWith('Binary ') || file === null ? (file = begin('')) : file).notes.push(line)
      continue
    }
    const sign = line.charAt(0)
    if (sign === '\\' || file === null) continue
    const content = line.slice(1)
    if (sign === '+') {
      file.lines.push({ kind: 'added', text: content, before: null, after: after++ })
      leftAfter -= 1
    } else if (sign === '-') {
      file.lines.push({ kind: 'removed', text: content, before: before++, after: null })
      leftBefore -= 1
    } else {
      file.lines.push({ kind: 'same', text: content, before: before++, after: after++ })
      leftBefore -= 1
      leftAfter -= 1
    }
  }
  return files
}

/** More lines would make the page slow; the rest is one download away. */
const maxLines = 4_000

export function Diff({ text }: { readonly text: string }): ReactNode {
  const files = useMemo(() => parseDiff(text), [text])
  return (
    <div className="diff">
      {files.map((file, index) => (
        <DiffFileView key={`${file.path} ${index}`} file={file} />
      ))}
    </div>
  )
}

function DiffFileView({ file }: { readonly file: DiffFile }): ReactNode {
  const { path, change, lines, notes } = file
  const added = lines.filter(({ kind }) => kind === 'added').length
  const removed = lines.filter(({ kind }) => kind === 'removed').length
  return (
    <section className="diff-file" aria-label={path === '' ? 'Changes' : `Changes of ${path}`}>
      <div className="diff-head">
        {path !== '' && <code>{path}</code>}
        <span className="soft">{change === 'changed' ? notes.join(' ') : change}</span>
        <span className="diff-count">
          <span className="diff-added-count">+{added}</span> <span className="diff-removed-count">−{removed}</span>
        </span>
      </div>
      {lines.length > 0 && (
        <div className="diff-lines" role="region" aria-label={`Lines of ${path}`} tabIndex={0}>
          <table className="diff-table">
            <tbody>
              {lines.slice(0, maxLines).map((line, index) => (
                <tr key={index} className="diff-row" data-kind={line.kind}>
                  <td className="diff-number">{line.before}</td>
                  <td className="diff-number">{line.after}</td>
                  <td>
                    <span aria-hidden="true">{signs[line.kind]}</span>
                    {line.kind === 'added' && <span className="visually-hidden">added: </span>}
                    {line.kind === 'removed' && <span className="visually-hidden">removed: </span>}
                    {line.text}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {lines.length > maxLines && <p className="diff-head">{lines.length - maxLines} more lines are not shown.</p>}
    </section>
  )
}

const signs = { added: '+ ', removed: '− ', same: '  ', gap: '' } as const
