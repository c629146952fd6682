/** The sessions, newest first, in groups by day; each can be renamed, archived, forked and deleted. */
import { Archive, ArchiveRestore, Ellipsis, GitFork, Pencil, Plus, Search, Trash2 } from 'lucide-react'
import { type FormEvent, type ReactNode, useDeferredValue, useMemo, useState } from 'react'
import type { InputOf } from '../../../../src/client/browser-client.ts'
import { isUsed } from '../../../../src/terminal/index.ts'
import type { SessionInfo } from '../../../../src/protocol/index.ts'
import { Link, navigate } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Confirm, Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { Time } from '../../ui/layout.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'

const maxListed = 300
/** Events after which the list may differ. */
export const sessionEvents = ['session_*', 'turn_started', 'turn_ended', 'message_received']

interface SessionListProps {
  readonly current: string
  /** Another session was chosen. */
  readonly onChoose: () => void
}

type Open = { readonly kind: 'rename' | 'delete'; readonly session: SessionInfo } | null

type Change = 'session.fork' | 'session.archive' | 'session.rename' | 'session.delete'

export function SessionList({ current, onChoose }: SessionListProps): ReactNode {
  const [search, setSearch] = useState('')
  const [isArchived, setArchived] = useState(false)
  const words = useDeferredValue(search.trim())
  const list = useCall('session.list', { limit: maxListed, search: words, archived: isArchived }, { refreshOn: sessionEvents })
  const waiting = useCall('approval.list', {}, { refreshOn: ['approval_*', 'turn_ended'] })
  const { run, failure } = useAction()
  const [open, setOpen] = useState<Open>(null)
  const groups = useMemo(
    () => groupsOf((list.data ?? []).filter((session) => isUsed(session) || session.id === current)),
    [list.data, current],
  )
  const asking = new Set(waiting.data?.map(({ session }) => session))

  const change = async <Name extends Change>(name: Name, input: InputOf<Name>): Promise<void> => {
    const done = await run<Change>(name, input)
    // A copy of a session is the one to go on with.
    if (done !== undefined && 'session' in done && done.session !== input.session) navigate(`/chat/${done.session}`)
    list.refresh()
  }
  const rowOf = (session: SessionInfo): ReactNode => (
    <SessionRow
      key={session.id}
      session={session}
      isCurrent={session.id === current}
      isAsking={asking.has(session.id)}
      onChoose={onChoose}
      onChange={(name, input) => void change(name, input)}
      onOpen={(kind) => setOpen({ kind, session })}
    />
  )
  return (
    <aside className="chat-sessions" aria-label="Sessions">
      <ListHead search={search} onSearch={setSearch} isArchived={isArchived} onArchived={setArchived} onNew={onChoose} />
      <ProblemLine failure={failure} />
      <nav className="chat-sessions-list" aria-label="Sessions">
        {list.failure !== null && <Problem failure={list.failure} onRetry={list.refresh} />}
        {list.isLoading && <Loading label="Loading sessions" />}
        {list.data?.length === 0 && <p className="chat-note">{words === '' ? 'No sessions yet.' : 'No title has these words.'}</p>}
        {groups.map(([title, sessions]) => (
          <section key={title} aria-label={title}>
            <h2>{title}</h2>
            <ul>{sessions.map(rowOf)}</ul>
          </section>
        ))}
      </nav>
      {open?.kind === 'rename' && <Rename session={open.session} onClose={() => setOpen(null)} onDone={list.refresh} />}
      {open?.kind === 'delete' && (
        <Delete session={open.session} isCurrent={open.session.id === current} onClose={() => setOpen(null)} onDone={list.refresh} />
      )}
    </aside>
  )
}

interface ListHeadProps {
  readonly search: string
  readonly onSearch: (text: string) => void
  readonly isArchived: boolean
  readonly onArchived: (isArchived: boolean) => void
  readonly onNew: () => void
}

function ListHead({ search, onSearch, isArchived, onArchived, onNew }: ListHeadProps): ReactNode {
  const begin = (): void => {
    navigate('/chat')
    onNew()
  }
  return (
    <div className="chat-sessions-head">
      <label className="chat-search">
        <Search aria-hidden="true" />
        <input
          type="search"
          aria-label="Search sessions"
          placeholder="Search"
          value={search}
          onChange={(event) => onSearch(event.target.value)}
        />
      </label>
      <IconButton
        icon={<Archive />}
        label={isArchived ? 'Hide archived sessions' : 'Show archived sessions'}
        aria-pressed={isArchived}
        onClick={() => onArchived(!isArchived)}
      />
      <IconButton icon={<Plus />} label="New session" variant="primary" onClick={begin} />
    </div>
  )
}

interface SessionRowProps {
  readonly session: SessionInfo
  readonly isCurrent: boolean
  readonly isAsking: boolean
  readonly onChoose: () => void
  readonly onChange: <Name extends Change>(name: Name, input: InputOf<Name>) => void
  readonly onOpen: (kind: 'rename' | 'delete') => void
}

function SessionRow({ session, isCurrent, isAsking, onChoose, onChange, onOpen }: SessionRowProps): ReactNode {
  const { id } = session
  const title = session.title || 'New session'
  const isAway = session.archived_at !== undefined
  const items = [
    { title: 'Rename…', icon: <Pencil />, onChoose: () => onOpen('rename') },
    { title: 'Fork', icon: <GitFork />, onChoose: () => onChange('session.fork', { session: id }) },
    {
      title: isAway ? 'Unarchive' : 'Archive',
      icon: isAway ? <ArchiveRestore /> : <Archive />,
      onChoose: () => onChange('session.archive', { session: id, archived: !isAway }),
    },
    { title: 'Delete…', icon: <Trash2 />, isDangerous: true, onChoose: () => onOpen('delete') },
  ]
  return (
    <li data-current={isCurrent || undefined}>
      <Link to={`/chat/${id}`} aria-current={isCurrent ? 'page' : undefined} onClick={onChoose}>
        <span className="chat-session-title">{title}</span>
        <SessionState session={session} isAsking={isAsking} />
      </Link>
      <Menu label={`Actions for ${title}`} icon={<Ellipsis />} items={items} />
    </li>
  )
}

function SessionState({ session, isAsking }: { readonly session: SessionInfo; readonly isAsking: boolean }): ReactNode {
  if (isAsking) return <span className="chat-dot" data-tone="warn" role="img" aria-label="waits for you" title="Waits for you" />
  if (session.busy) return <span className="chat-dot" data-tone="busy" role="img" aria-label="runs" title="Runs" />
  return <Time at={session.active_at} />
}

interface SessionDialogProps {
  readonly session: SessionInfo
  readonly onClose: () => void
  readonly onDone: () => void
}

function Rename({ session, onClose, onDone }: SessionDialogProps): ReactNode {
  const [title, setTitle] = useState(session.title)
  const { run, isBusy, failure } = useAction()
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    if ((await run('session.rename', { session: session.id, title: title.trim() })) === undefined) return
    onDone()
    onClose()
  }
  return (
    <Dialog title="Rename session" isOpen onClose={onClose}>
      <form className="chat-form" onSubmit={(event) => void submit(event)}>
        <TextField label="Title" value={title} autoFocus required maxLength={200} onChange={(event) => setTitle(event.target.value)} />
        <ProblemLine failure={failure} />
        <div className="chat-form-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" isBusy={isBusy} disabled={title.trim() === ''}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Delete({ session, isCurrent, onClose, onDone }: SessionDialogProps & { readonly isCurrent: boolean }): ReactNode {
  const { run, isBusy, failure } = useAction()
  const remove = async (): Promise<void> => {
    if ((await run('session.delete', { session: session.id })) === undefined) return
    onDone()
    onClose()
    if (isCurrent) navigate('/chat', { replace: true })
  }
  return (
    <Confirm
      title="Delete session"
      verb="Delete"
      isOpen
      onClose={onClose}
      onConfirm={() => void remove()}
      isBusy={isBusy}
      failure={failure}
    >
      <p>
        “{session.title || 'New session'}” is deleted with all its messages and what was remembered of them. The journal keeps only hashes.
        Files of the workspace stay. This cannot be undone.
      </p>
    </Confirm>
  )
}

const dayMs = 86_400_000

function groupsOf(sessions: readonly SessionInfo[]): readonly (readonly [title: string, sessions: readonly SessionInfo[]])[] {
  const today = new Date().setHours(0, 0, 0, 0)
  const titleOf = ({ active_at: at, archived_at: archived }: SessionInfo): string => {
    if (archived !== undefined) return 'Archived'
    if (at >= today) return 'Today'
    if (at >= today - dayMs) return 'Yesterday'
    return at >= today - 7 * dayMs ? 'Last seven days' : 'Older'
  }
  const groups = Map.groupBy(sessions, titleOf)
  return ['Today', 'Yesterday', 'Last seven days', 'Older', 'Archived'].flatMap((title) => {
    const found = groups.get(title)
    return found === undefined ? [] : [[title, found] as const]
  })
}
