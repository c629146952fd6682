/** What a change does, before it is saved: the keys that get another value, the lines of the file, and what it takes to come into force. */
import { type ReactNode, useEffect, useState } from 'react'
import type { InputOf } from '../../../../src/client/browser-client.ts'
import type { Failure, Json } from '../../../../src/base/index.ts'
import type { ConfigProposal } from '../../../../src/config/index.ts'
import { useAction } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Loading, NoticeBar, ProblemLine } from '../../ui/states.tsx'

interface ReviewDialogProps {
  readonly title: string
  /** Null: closed. */
  readonly draft: InputOf<'config.save'>['draft'] | null
  readonly onClose: () => void
  readonly onSave: (draft: InputOf<'config.save'>['draft'], isRestarting: boolean) => void
  readonly isBusy: boolean
  readonly failure: Failure | null
}

export function ReviewDialog({ title, draft, onClose, onSave, isBusy, failure }: ReviewDialogProps): ReactNode {
  const { run, failure: refusal } = useAction()
  const [proposal, setProposal] = useState<ConfigProposal | null>(null)
  useEffect(() => {
    setProposal(null)
    if (draft !== null) void run('config.check', { draft }).then((found) => setProposal(found ?? null))
  }, [draft, run])
  const isSame = proposal !== null && proposal.text === proposal.before
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button disabled={proposal === null || isSame} isBusy={isBusy} onClick={() => draft !== null && onSave(draft, false)}>
        Save only
      </Button>
      <Button
        variant="primary"
        disabled={proposal === null || isSame}
        isBusy={isBusy}
        onClick={() => draft !== null && onSave(draft, true)}
      >
        Save and restart
      </Button>
    </>
  )
  return (
    <Dialog title={title} isOpen={draft !== null} onClose={onClose} actions={actions} isWide>
      {refusal !== null ? <ProblemLine failure={refusal} /> : proposal === null ? <Loading /> : <Proposed proposal={proposal} />}
      <ProblemLine failure={failure} />
    </Dialog>
  )
}

function Proposed({ proposal: { changes, before, text, needs_new_process: needs } }: { readonly proposal: ConfigProposal }): ReactNode {
  return (
    <>
      {changes.length === 0 ? (
        <p>{text === before ? 'Nothing changes.' : 'The text of the file changes, and no value does.'}</p>
      ) : (
        <ul className="review-changes">
          {changes.map(({ key, before: old, after }) => (
            <li key={key}>
              <code className="review-key">{key}</code>
              <span className="review-values">
                <del>{valueText(old)}</del>
                <span aria-hidden="true">→</span>
                <ins>{valueText(after)}</ins>
              </span>
            </li>
          ))}
        </ul>
      )}
      {needs.length > 0 && (
        <NoticeBar tone="warn">
          {needs.join(', ')} {needs.length === 1 ? 'needs' : 'need'} a new process: run <code>oxbow restart</code> in a terminal.
        </NoticeBar>
      )}
      <FileDiff before={before} after={text} />
      <p className="field-hint">
        Saved changes take effect when the guest restarts. That takes a second; answers that are being written continue afterwards.
      </p>
    </>
  )
}

function valueText(value: Json): string {
  if (value === null) return 'unset'
  if (value === '') return 'empty'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Lines of the file, the changed ones with a few around them. */
function FileDiff({ before, after }: { readonly before: string; readonly after: string }): ReactNode {
  const lines = diffLines(before.split('\n'), after.split('\n'))
  if (lines.every(({ sign }) => sign === ' ')) return null
  const near = (index: number): boolean => lines.slice(Math.max(0, index - 2), index + 3).some(({ sign }) => sign !== ' ')
  return (
    <pre className="review-diff" aria-label="Changed lines of the file" tabIndex={0}>
      {lines.map(({ sign, line }, index) =>
        near(index) ? (
          <span key={`${index}${sign}`} data-sign={sign}>
            {`${sign} ${line}\n`}
          </span>
        ) : null,
      )}
    </pre>
  )
}

interface DiffLine {
  readonly sign: ' ' | '-' | '+'
  readonly line: string
}

/** The longest common subsequence of lines. A configuration has some hundred lines at most; longer ones are shown whole. */
function diffLines(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const maxCells = 4_000_000
  if (a.length * b.length > maxCells) {
    return [...a.map((line): DiffLine => ({ sign: '-', line })), ...b.map((line): DiffLine => ({ sign: '+', line }))]
  }
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i]![j] = a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const lines: DiffLine[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ sign: ' ', line: a[i]! })
      i += 1
      j += 1
    } else if (i < a.length && (j === b.length || common[i + 1]![j]! >= common[i]![j + 1]!)) lines.push({ sign: '-', line: a[i++]! })
    else lines.push({ sign: '+', line: b[j++]! })
  }
  return lines
}
