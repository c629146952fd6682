/** Branches of files: copies of the workspace on which agents work; what has changed in each, merged or dropped. */
import { GitBranch, GitMerge, Plus } from 'lucide-react'
import { type ReactNode, useRef, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { dropBranch, mergedText, mergeBranch } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { type Action, useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing, whoText } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Select, Switch, TextField } from '../../ui/field.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { Empty, Loading, NoticeBar, Problem } from '../../ui/states.tsx'

type Branch = OutputOf<'branch.list'>['branches'][number]
type Merged = OutputOf<'branch.merge'>

const listEveryMs = 15_000

export default function BranchesPage({ place }: PageProps): ReactNode {
  const withEnded = place.search.get('all') === '1'
  const page = withEnded ? '/branches?all=1' : '/branches'
  const branches = useCall('branch.list', { ended: withEnded }, { refreshOn: ['agent_*', 'turn_ended'], everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <SayingPage
      title="Branches"
      intro="Copies of the workspace on which agents work. Nothing of a branch is in your files before you merge it."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New branch
        </Button>
      }
    >
      <Switch
        label="Also those that were merged or dropped"
        isOn={withEnded}
        onChange={(isOn) => navigate(isOn ? '/branches?all=1' : '/branches')}
      />
      <Shelf
        place={place}
        page={page}
        label="Branches"
        noun="branch"
        call={branches}
        entries={branches.data?.branches.map(entryOf)}
        empty={
          <Empty title="There are no branches." icon={<GitBranch />}>
            An agent that is started on a branch works on a copy, and so do coding agents of others. You see here what they have changed.
          </Empty>
        }
      >
        {(id) => (
          <BranchThing
            branch={branches.data!.branches.find(({ name }) => name === id)!}
            onEnded={() => {
              navigate(page)
              branches.refresh()
            }}
          />
        )}
      </Shelf>
      <NewBranch isOpen={isAdding} onClose={() => setAdding(false)} onSaved={branches.refresh} />
    </SayingPage>
  )
}

const states: Readonly<Record<Branch['state'], Entry['state']>> = {
  making: ['being copied', 'accent'],
  open: ['open', 'accent'],
  merging: ['being merged', 'warn'],
  merged: ['merged', 'good'],
  dropped: ['dropped', 'neutral'],
}

function entryOf({ name, by, state }: Branch): Entry {
  return { id: name, title: name, note: `for ${whoText(by)}`, state: states[state] }
}

interface BranchThingProps {
  readonly branch: Branch
  readonly onEnded: () => void
}

function BranchThing({ branch, onEnded }: BranchThingProps): ReactNode {
  const { name, by, session, home, version, labels, state, created_at: made, ended_at: ended, merge } = branch
  const isOpen = state === 'open'
  const diff = useCall('branch.diff', { branch: name }, { skip: !isOpen, refreshOn: ['turn_ended'] })
  const conversation = session === '' ? home : session
  return (
    <Thing
      title={name}
      state={states[state]}
      why={state === 'making' ? 'Its copy is not finished, or was interrupted.' : ''}
      actions={
        ended === null && (
          <>
            {isOpen && <MergeButton name={name} onDone={onEnded} />}
            <DeedButton deed={dropBranch(name)} verb="Drop" act={(run) => run('branch.drop', { branch: name })} onDone={onEnded}>
              {diff.data !== undefined && diff.data.total > 0 && <Changes changes={diff.data.changes} total={diff.data.total} />}
            </DeedButton>
          </>
        )
      }
    >
      <Facts
        facts={[
          ['Made', <Made key="made" at={made} by={by} />],
          ['Copy of', <code key="version">{version.slice(0, 12)}</code>],
          ...(conversation === ''
            ? []
            : ([
                [
                  'Works here',
                  <Link key="chat" to={`/chat/${conversation}`}>
                    Conversation
                  </Link>,
                ],
              ] as const)),
          ['Who works on it has read', <Codes key="labels" of={labels} none="nothing private or untrusted" />],
          ...(ended === null ? [] : ([['Ended', <Time key="ended" at={ended} />]] as const)),
          ...(merge === null
            ? []
            : ([['To take it back', <code key="undo">{`oxbow restore / --to ${merge.before.slice(0, 12)}`}</code>]] as const)),
        ]}
      />
      {isOpen && (diff.failure !== null ? <Problem failure={diff.failure} onRetry={diff.refresh} /> : <Difference diff={diff.data} />)}
    </Thing>
  )
}

function Made({ at, by }: { readonly at: number; readonly by: string }): ReactNode {
  return (
    <>
      <Time at={at} /> for {whoText(by)}
    </>
  )
}

function Difference({ diff }: { readonly diff: OutputOf<'branch.diff'> | undefined }): ReactNode {
  if (diff === undefined) return <Loading label="Changes" />
  if (diff.total === 0) return <p className="soft">Nothing has changed in it.</p>
  return (
    <>
      <Changes changes={diff.changes} total={diff.total} />
      {diff.text !== '' && <Diff text={diff.text} />}
    </>
  )
}

function Changes({ changes, total }: Pick<OutputOf<'branch.diff'>, 'changes' | 'total'>): ReactNode {
  return (
    <ul className="shelf-bullets" aria-label="Changed files">
      {changes.map(({ path, change }) => (
        <li key={path}>
          {change} <code>{path}</code>
        </li>
      ))}
      {total > changes.length && <li>and {total - changes.length} more</li>}
    </ul>
  )
}

const sides = [
  { value: 'none', label: 'Merge nothing where both have changed the same part' },
  { value: 'branch', label: 'Take the branch’s file there' },
  { value: 'workspace', label: 'Keep the workspace’s file there' },
]

/** Tries the merge first, so that a person sees what would come and what is in the way. */
function MergeButton({ name, onDone }: { readonly name: string; readonly onDone: () => void }): ReactNode {
  const [side, setSide] = useState<'none' | 'workspace' | 'branch'>('none')
  const isMerged = useRef(false)
  const merge = (run: Action['run'], conflicts: typeof side, isDry: boolean): Promise<Merged | undefined> =>
    run('branch.merge', { branch: name, conflicts, dry_run: isDry })
  return (
    <ReviewButton<Merged>
      label="Merge…"
      icon={<GitMerge />}
      agreement={mergeBranch(name)}
      verb="Merge"
      look={(run) => merge(run, 'none', true)}
      agree={async (_, run) => {
        const merged = await merge(run, side, false)
        isMerged.current = merged !== undefined && merged.before !== ''
        return merged && mergedText(merged)
      }}
      onDone={() => isMerged.current && onDone()}
    >
      {({ changes, total, conflicts }) => (
        <>
          {total === 0 && conflicts.length === 0 && <p>There is nothing to merge; the branch is dropped.</p>}
          {total > 0 && <Changes changes={changes} total={total} />}
          {conflicts.length > 0 && (
            <>
              <NoticeBar tone="warn">Both sides have changed the same places.</NoticeBar>
              <ul className="shelf-bullets" aria-label="Conflicts">
                {conflicts.map(({ path, why }) => (
                  <li key={path}>
                    <code>{path}</code>: {why}
                  </li>
                ))}
              </ul>
              <Select
                label="Where both have changed"
                options={sides}
                value={side}
                onChange={({ target }) => setSide(target.value as typeof side)}
              />
            </>
          )}
        </>
      )}
    </ReviewButton>
  )
}

interface NewBranchProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

function NewBranch({ isOpen, onClose, onSaved }: NewBranchProps): ReactNode {
  const [name, setName] = useState('')
  const [at, setAt] = useState('')
  return (
    <FormDialog
      title="New branch"
      verb="Copy the workspace"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={name.trim() !== ''}
      act={async (run) => {
        const made = await run('branch.create', { name: name.trim(), ...(at.trim() !== '' && { at: at.trim() }) })
        if (made === undefined) return undefined
        setName('')
        onSaved()
        navigate(openAt('/branches', made.name))
        return made
      }}
    >
      <TextField label="Name" autoComplete="off" placeholder="try-1" value={name} onChange={({ target }) => setName(target.value)} />
      <TextField
        label="Version"
        hint="Empty: as the workspace is now. Or the beginning of a version, or its tag."
        value={at}
        onChange={({ target }) => setAt(target.value)}
      />
    </FormDialog>
  )
}
