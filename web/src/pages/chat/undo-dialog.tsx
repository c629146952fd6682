/** What a turn has changed, and the way back: the same preview and the same answers as the terminals have. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { Undo2 } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { compensationCommand, type UndoAnswer, type UndoInput, undoQuestion } from '../../../../src/terminal/index.ts'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'

type Undone = OutputOf<'version.undo'>

const verbs = { added: 'Bring back', changed: 'Restore', deleted: 'Remove' } as const

export function UndoDialog({ turn, onClose }: { readonly turn: string; readonly onClose: () => void }): ReactNode {
  const [asked, setAsked] = useState<UndoInput>({ turn })
  const { data, failure, refresh } = useCall('version.undo', { ...asked, apply: false })
  const { run, isBusy, failure: refusal, clear } = useAction()
  const [done, setDone] = useState<Undone | null>(null)
  const answer = async ({ input }: UndoAnswer): Promise<void> => {
    if (input.apply !== true) return setAsked(input)
    const undone = await run('version.undo', input)
    if (undone !== undefined) setDone(undone)
    // What was seen is not what is there now.
    else refresh()
  }
  /** Shows what bringing it back would change. */
  const bringBack = (undo: string): void => {
    clear()
    setDone(null)
    setAsked({ turn: undo, redo: true })
  }

  const isRedo = asked.redo === true
  const answers = data === undefined ? [] : undoQuestion(asked, data).answers
  const actions =
    done !== null ? (
      <>
        <Button onClick={() => bringBack(done.undo)}>{isRedo ? 'Undo it again' : 'Bring it back'}</Button>
        <Button variant="primary" onClick={onClose}>
          Close
        </Button>
      </>
    ) : (
      <>
        <Button onClick={onClose}>Change nothing</Button>
        {answers.map((one) => (
          <Button
            key={one.word}
            variant={one.word === 'keep' ? 'primary' : 'danger'}
            icon={<Undo2 />}
            isBusy={isBusy}
            onClick={() => void answer(one)}
          >
            {one.label}
          </Button>
        ))}
      </>
    )
  return (
    <Dialog title={isRedo ? 'Undone changes' : 'Changed by this turn'} isOpen isWide onClose={onClose} actions={actions}>
      {failure !== null && <Problem failure={failure} onRetry={refresh} />}
      {failure === null && data === undefined && <Loading label="Loading changes" />}
      {data !== undefined && done === null && <Diff text={data.diff} />}
      <ProblemLine failure={refusal} />
      {done !== null && <Done undone={done} isRedo={isRedo} />}
      {done === null && data !== undefined && <Preview undone={data} asked={asked} />}
    </Dialog>
  )
}

function Done({ undone, isRedo }: { readonly undone: Undone; readonly isRedo: boolean }): ReactNode {
  const { conflicts } = undone
  const said = isRedo ? 'All is as it was before it was undone' : 'All is as it was before this turn'
  return (
    <section role="status">
      <p>{conflicts.length === 0 ? `${said}. The agent is not told.` : `The agent is not told. ${said}, except for this:`}</p>
      <ul className="chat-preview">
        {conflicts.map(({ path, why }) => (
          <li key={path}>
            Left <code>{path}</code> as it is: {why}
          </li>
        ))}
      </ul>
      <NotTakenBack undone={undone} />
    </section>
  )
}

function Preview({ undone, asked }: { readonly undone: Undone; readonly asked: UndoInput }): ReactNode {
  const { changes, total, conflicts } = undone
  const isOpen = (asked.conflicts ?? 'stop') === 'stop'
  return (
    <section aria-label="Undoing would">
      {total > 0 && <h3>{asked.redo === true ? 'Bringing it back would' : 'Undoing would'}</h3>}
      <ul className="chat-preview">
        {changes.map(({ path, change }) => (
          <li key={path}>
            {verbs[change]} <code>{path}</code>
          </li>
        ))}
        {total > changes.length && <li>… and {total - changes.length} more</li>}
      </ul>
      {conflicts.length > 0 && <h3>{isOpen ? 'Changed since' : 'Left as it is'}</h3>}
      <ul className="chat-preview">
        {conflicts.map(({ path, why }) => (
          <li key={path}>
            <code>{path}</code>: {why}
          </li>
        ))}
      </ul>
      <NotTakenBack undone={undone} />
      {!isOpen || conflicts.length === 0 ? (
        <p className="chat-note">
          {asked.conflicts === 'overwrite' ? 'What was changed since is replaced.' : 'What others changed stays.'} This can be undone, too.
        </p>
      ) : null}
    </section>
  )
}

function NotTakenBack({ undone: { others, outside } }: { readonly undone: Undone }): ReactNode {
  if (others.length === 0) return null
  return (
    <>
      <h3>Not taken back</h3>
      <ul className="chat-preview">
        {others.map((other) => (
          <li key={other}>{other}</li>
        ))}
        {outside.map(
          (call) =>
            call.compensation !== null && (
              <li key={call.id}>
                <code>{compensationCommand(call.compensation)}</code> makes up for {call.call}
              </li>
            ),
        )}
      </ul>
    </>
  )
}
