/** A unified diff, as git writes it, file by file with line numbers. */
import { type ReactNode, useMemo } from 'react'
import { type DiffFile, parseDiff } from './unified-diff.ts'
import './code.css'

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
