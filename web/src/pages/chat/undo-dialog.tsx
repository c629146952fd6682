/** The files that a turn has changed, and the way back: the versions that the guest keeps of the workspace. */
import { Undo2 } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'

interface Change {
  readonly path: string
  readonly change: 'added' | 'changed' | 'deleted'
}

interface Difference {
  readonly changes: readonly Change[]
  readonly total: number
  readonly text: string
}

interface Restored {
  readonly changes: readonly Change[]
  readonly after: string
}

const verbs = { added: 'Bring back', changed: 'Replace', deleted: 'Delete' } as const

export function UndoDialog({ commit, onClose }: { readonly commit: string; readonly onClose: () => void }): ReactNode {
  const { data, failure, refresh } = useCall<Difference>('version.diff', { to: commit })
  const { run, isBusy, failure: refusal } = useAction<Restored>()
  const [preview, setPreview] = useState<readonly Change[] | null>(null)
  const [isDone, setDone] = useState(false)
  const paths = data?.changes.map(({ path }) => path) ?? []

  const restore = async (apply: boolean): Promise<void> => {
    const found: Change[] = []
    for (const path of paths) {
      const restored = await run('version.restore', { path, at: `${commit}~1`, apply })
      if (restored === undefined) return
      found.push(...restored.changes)
    }
    if (apply) setDone(true)
    else setPreview(found)
  }
  // What would change is asked only once the paths are known.
  const key = paths.join('\n')
  useEffect(() => {
    if (key !== '') void restore(false)
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [key])

  const actions = isDone ? (
    <Button variant="primary" onClick={onClose}>
      Close
    </Button>
  ) : (
    <>
      <Button onClick={onClose}>Keep them</Button>
      <Button
        variant="danger"
        icon={<Undo2 />}
        isBusy={isBusy}
        disabled={preview === null || preview.length === 0}
        onClick={() => void restore(true)}
      >
        Undo these changes
      </Button>
    </>
  )
  return (
    <Dialog title="Changed files" isOpen isWide onClose={onClose} actions={actions}>
      {failure !== null && <Problem failure={failure} onRetry={refresh} />}
      {failure === null && data === undefined && <Loading label="Loading changes" />}
      {data !== undefined && <Diff text={data.text} />}
      <ProblemLine failure={refusal} />
      {isDone && <p role="status">The files are as they were before this turn. The agent is not told; nothing else has changed.</p>}
      {!isDone && preview !== null && <Preview changes={preview} />}
    </Dialog>
  )
}

function Preview({ changes }: { readonly changes: readonly Change[] }): ReactNode {
  if (changes.length === 0) return <p className="chat-note">These files are already as they were before this turn.</p>
  return (
    <section aria-label="Undoing would">
      <h3>Undoing would</h3>
      <ul className="chat-preview">
        {changes.map(({ path, change }) => (
          <li key={path}>
            {verbs[change]} <code>{path}</code>
          </li>
        ))}
      </ul>
      <p className="chat-note">
        Later changes of the same files go too. What they are now is kept as a version, so this can be undone on the Files page.
      </p>
    </section>
  )
}
