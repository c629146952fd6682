/** The files that a turn has changed, and the way back: the versions that the guest keeps of the workspace. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { Undo2 } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'

type Undone = OutputOf<'version.undo'>

const verbs = { added: 'Bring back', changed: 'Restore', deleted: 'Remove' } as const

export function UndoDialog({ turn, onClose }: { readonly turn: string; readonly onClose: () => void }): ReactNode {
  const { data, failure, refresh } = useCall('version.undo', { turn, apply: false })
  const { run, isBusy, failure: refusal } = useAction()
  const [done, setDone] = useState<Undone | null>(null)
  const undo = async (): Promise<void> => {
    const undone = await run('version.undo', { turn, apply: true })
    if (undone !== undefined) setDone(undone)
  }

  const actions =
    done !== null ? (
      <Button variant="primary" onClick={onClose}>
        Close
      </Button>
    ) : (
      <>
        <Button onClick={onClose}>Keep them</Button>
        <Button variant="danger" icon={<Undo2 />} isBusy={isBusy} disabled={data === undefined} onClick={() => void undo()}>
          Undo these changes
        </Button>
      </>
    )
  return (
    <Dialog title="Changed files" isOpen isWide onClose={onClose} actions={actions}>
      {failure !== null && <Problem failure={failure} onRetry={refresh} />}
      {failure === null && data === undefined && <Loading label="Loading changes" />}
      {data !== undefined && <Diff text={data.diff} />}
      <ProblemLine failure={refusal} />
      {done !== null && <Done undone={done} />}
      {done === null && data !== undefined && <Preview undone={data} />}
    </Dialog>
  )
}

function Done({ undone: { conflicts } }: { readonly undone: Undone }): ReactNode {
  return (
    <section role="status">
      <p>
        {conflicts.length === 0
          ? 'The files are as they were before this turn. The agent is not told.'
          : 'The agent is not told. The files are as they were before this turn, except for these:'}
      </p>
      <ul className="chat-preview">
        {conflicts.map(({ path, why }) => (
          <li key={path}>
            Left <code>{path}</code> as it is: {why}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Preview({ undone: { changes, conflicts, others } }: { readonly undone: Undone }): ReactNode {
  return (
    <section aria-label="Undoing would">
      <h3>Undoing would</h3>
      <ul className="chat-preview">
        {changes.map(({ path, change }) => (
          <li key={path}>
            {verbs[change]} <code>{path}</code>
          </li>
        ))}
        {conflicts.map(({ path, why }) => (
          <li key={path}>
            Leave <code>{path}</code> as it is: {why}
          </li>
        ))}
      </ul>
      {others.length > 0 && <p className="chat-note">Not taken back: {others.join(', ')}.</p>}
      <p className="chat-note">What others changed stays. The undo is a version too, so it can be undone: oxbow redo, or the Files page.</p>
    </section>
  )
}
