/** The versions of a file or folder: what each has changed, and a restore that first shows what it would do. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { GitCommitHorizontal, RotateCcw } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Select } from '../../ui/field.tsx'
import { Badge, Time, type Tone } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Empty, Loading, NoticeBar, Problem, ProblemLine } from '../../ui/states.tsx'
import { nameOf, root } from './workspace.ts'

type Commit = OutputOf<'version.log'>['commits'][number]

type Change = OutputOf<'version.diff'>['changes'][number]

type Restored = OutputOf<'version.restore'>

interface HistoryProps {
  readonly path: string
  readonly onRestored: () => void
}

const shownCommits = 100

export function History({ path, onRestored }: HistoryProps): ReactNode {
  const { data, failure, refresh } = useCall('version.log', { path, limit: shownCommits }, { refreshOn: ['turn_ended'] })
  const [chosen, setChosen] = useState('')
  const [restoring, setRestoring] = useState<Commit | null>(null)
  const [restored, setRestored] = useState<Restored | null>(null)
  if (data === undefined) return failure === null ? <Loading label="History" /> : <Problem failure={failure} onRetry={refresh} />
  const { commits } = data
  const [newest] = commits
  if (newest === undefined)
    return (
      <Empty title="No versions yet" icon={<GitCommitHorizontal />}>
        A version is kept after each turn that changes something.
      </Empty>
    )
  const current = commits.find(({ commit }) => commit === chosen) ?? newest
  const done = (result: Restored): void => {
    setRestoring(null)
    setRestored(result)
    refresh()
    onRestored()
  }
  return (
    <div className="history">
      {restored !== null && (
        <NoticeBar tone="info" role="status" onDismiss={() => setRestored(null)}>
          {plural(restored.total, 'file')} restored. What was there before is the version <code>{short(restored.before)}</code>.
        </NoticeBar>
      )}
      <div className="history-columns">
        <ol className="commits" aria-label="Versions">
          {commits.map((commit) => (
            <li key={commit.commit}>
              <button type="button" className="commit" aria-pressed={commit === current} onClick={() => setChosen(commit.commit)}>
                <span className="commit-subject">{commit.subject}</span>
                <span className="commit-facts">
                  <code>{short(commit.commit)}</code>
                  <Time at={commit.at} />
                  <span>{commit.author}</span>
                  {commit.tags.map((tag) => (
                    <Badge key={tag} tone="accent">
                      {tag}
                    </Badge>
                  ))}
                </span>
              </button>
            </li>
          ))}
        </ol>
        <Version key={current.commit} path={path} commits={commits} commit={current} onRestore={() => setRestoring(current)} />
      </div>
      <RestoreDialog path={path} commit={restoring} onClose={() => setRestoring(null)} onDone={done} />
    </div>
  )
}

const short = (commit: string): string => commit.slice(0, 8)

interface VersionProps {
  readonly path: string
  readonly commits: readonly Commit[]
  readonly commit: Commit
  readonly onRestore: () => void
}

function Version({ path, commits, commit, onRestore }: VersionProps): ReactNode {
  const [other, setOther] = useState('')
  // The older of the two comes first.
  const isOtherNewer = commits.findIndex((one) => one.commit === other) < commits.indexOf(commit)
  const ends = other === '' ? { to: commit.commit } : isOtherNewer ? { from: commit.commit, to: other } : { from: other, to: commit.commit }
  const { data, failure, refresh } = useCall('version.diff', { path, ...ends })
  const options = [
    { value: '', label: 'the version before' },
    ...commits
      .filter((one) => one !== commit)
      .map((one) => ({ value: one.commit, label: `${short(one.commit)} ${one.subject}`.slice(0, 60) })),
  ]
  return (
    <div className="version">
      <div className="version-bar">
        <Select label="Compared with" options={options} value={other} onChange={({ target }) => setOther(target.value)} />
        <Button icon={<RotateCcw />} onClick={onRestore}>
          Restore this version…
        </Button>
      </div>
      {data === undefined ? (
        failure === null ? (
          <Loading label="Changes" />
        ) : (
          <Problem failure={failure} onRetry={refresh} />
        )
      ) : data.total === 0 ? (
        <Empty title="Nothing differs" />
      ) : (
        <>
          <p className="soft small">{plural(data.total, 'file')} changed</p>
          <Diff text={data.text} />
        </>
      )}
    </div>
  )
}

interface RestoreDialogProps {
  readonly path: string
  /** Null: closed. */
  readonly commit: Commit | null
  readonly onClose: () => void
  readonly onDone: (result: Restored) => void
}

const verbs = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const
const tones: Readonly<Record<Change['change'], Tone>> = { added: 'good', changed: 'warn', deleted: 'bad' }

function RestoreDialog({ path, commit, onClose, onDone }: RestoreDialogProps): ReactNode {
  const at = commit?.commit ?? ''
  const preview = useCall('version.restore', { path, at, apply: false }, { skip: at === '' })
  const restore = useAction()
  const apply = async (): Promise<void> => {
    const result = await restore.run('version.restore', { path, at, apply: true })
    if (result !== undefined) onDone(result)
  }
  const total = preview.data?.total ?? 0
  const what = path === root ? 'the workspace' : nameOf(path)
  return (
    <Dialog
      title={`Restore ${what} to ${short(at)}`}
      isOpen={commit !== null}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={total === 0} isBusy={restore.isBusy} onClick={() => void apply()}>
            Restore
          </Button>
        </>
      }
    >
      {preview.data === undefined ? (
        preview.failure === null ? (
          <Loading label="What would change" />
        ) : (
          <Problem failure={preview.failure} onRetry={preview.refresh} />
        )
      ) : total === 0 ? (
        <p>Everything is already as in this version.</p>
      ) : (
        <>
          <p>This would change {plural(total, 'file')}. What is there now stays a version of its own, so it can be undone.</p>
          <ul className="restore-list" aria-label="What would change">
            {preview.data.changes.map(({ path: file, change }) => (
              <li key={file}>
                <Badge tone={tones[change]}>{verbs[change]}</Badge>
                <code>{file}</code>
              </li>
            ))}
          </ul>
          {total > preview.data.changes.length && <p className="soft small">and {total - preview.data.changes.length} more</p>}
        </>
      )}
      <ProblemLine failure={restore.failure} />
    </Dialog>
  )
}
