/** Memory: what Oxbow knows, why it recalls it, and the person's right to change or remove any of it. */
import { Brain, Plus, Search } from 'lucide-react'
import { type FormEvent, type ReactNode, useEffect, useMemo, useState } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { callOf, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { Button } from '../../ui/button.tsx'
import { Switch, TextField } from '../../ui/field.tsx'
import { Badge, Card, Page, Time } from '../../ui/layout.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { type Failure, toFailure } from '../../../../src/base/index.ts'
import { MemoryDialog, NewNote } from './memory-dialog.tsx'
import { kindTexts, type MemoryRow, rowOfHit, rowOfLine } from './memory-kinds.ts'
import { MemoryMap } from './memory-map.tsx'
import { MemoryStatistics } from './memory-statistics.tsx'
import './memory.css'

const tabs = [
  { name: 'notes', title: 'Memories' },
  { name: 'map', title: 'Map' },
  { name: 'numbers', title: 'Numbers' },
] as const
type TabName = (typeof tabs)[number]['name']

export default function MemoryPage({ place }: PageProps): ReactNode {
  const tab: TabName = tabs.find(({ name }) => name === place.segments[1])?.name ?? 'notes'
  const open = place.search.get('open')
  const [isAdding, setAdding] = useState(false)
  const pathOf = (name: TabName): string => (name === 'notes' ? '/memory' : `/memory/${name}`)
  const openOne = (id: string | null): void => navigate(id === null ? pathOf(tab) : `${pathOf(tab)}?open=${encodeURIComponent(id)}`)
  return (
    <Page
      title="Memory"
      intro="What Oxbow keeps across sessions. It recalls what fits a message, and you can change or remove all of it."
      actions={
        <Button icon={<Plus />} onClick={() => setAdding(true)}>
          New note
        </Button>
      }
    >
      <Tabs label="Memory as" tabs={tabs} current={tab} onChange={(name) => navigate(pathOf(name))}>
        {tab === 'notes' && <Memories onOpen={openOne} />}
        {tab === 'map' && <MemoryMap onOpen={openOne} />}
        {tab === 'numbers' && <MemoryStatistics />}
      </Tabs>
      <MemoryDialog id={open} onClose={() => openOne(null)} onOpen={openOne} />
      <NewNote isOpen={isAdding} onClose={() => setAdding(false)} />
    </Page>
  )
}

function Memories({ onOpen }: { readonly onOpen: (id: string) => void }): ReactNode {
  const [typed, setTyped] = useState('')
  const [query, setQuery] = useState('')
  const [withMessages, setWithMessages] = useState(false)
  const search = (event: FormEvent): void => {
    event.preventDefault()
    setQuery(typed.trim())
  }
  const clear = (text: string): void => {
    setTyped(text)
    if (text === '') setQuery('')
  }
  return (
    <>
      <form className="memory-search" role="search" onSubmit={search}>
        <TextField
          label="Search memory"
          isLabelHidden
          type="search"
          placeholder="Search by words or by meaning"
          value={typed}
          onChange={(event) => clear(event.target.value)}
        />
        <Button type="submit" icon={<Search />}>
          Search
        </Button>
        <Switch label="Messages too" isOn={withMessages} onChange={setWithMessages} />
      </form>
      {query === '' ? <AllMemories withMessages={withMessages} onOpen={onOpen} /> : <Found {...{ query, withMessages, onOpen }} />}
    </>
  )
}

interface FoundProps {
  readonly query: string
  readonly withMessages: boolean
  readonly onOpen: (id: string) => void
}

function Found({ query, withMessages, onOpen }: FoundProps): ReactNode {
  const input = { query, top_k: 20, include_conversation: withMessages }
  const { data, failure, refresh } = useCall('memory.search', input, { refreshOn: ['memory_*'] })
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading label="Searching" />
  if (data.length === 0) {
    return (
      <Empty title="Nothing is near to this." icon={<Search />}>
        {withMessages ? 'Try other words.' : 'Try other words, or search the messages of all sessions too.'}
      </Empty>
    )
  }
  return <MemoryList rows={data.map(rowOfHit)} onOpen={onOpen} />
}

/** Newest first, page by page. */
function AllMemories({ withMessages, onOpen }: Omit<FoundProps, 'query'>): ReactNode {
  const { client } = useGuest()
  const first = useCall('memory.export', {}, { refreshOn: ['memory_*', 'turn_ended'] })
  const [more, setMore] = useState<{ readonly lines: readonly string[]; readonly next: string | null } | null>(null)
  const [problem, setProblem] = useState<Failure | null>(null)
  useEffect(() => setMore(null), [first.data])
  const lines = useMemo(() => [...(first.data?.lines ?? []), ...(more?.lines ?? [])].map(rowOfLine), [first.data, more])
  const next = more === null ? (first.data?.next ?? null) : more.next
  const failure = first.failure ?? problem
  if (failure !== null) return <Problem failure={failure} onRetry={first.refresh} />
  if (first.data === undefined) return <Loading />
  const readOn = async (): Promise<void> => {
    try {
      const page = await callOf(client, 'memory.export', { after: next ?? '' })
      setMore({ lines: [...(more?.lines ?? []), ...page.lines], next: page.next })
    } catch (error) {
      setProblem(toFailure(error, 'internal_failure', 'Try again.'))
    }
  }
  const rows = lines.filter(({ kind }) => withMessages || kind !== 'message')
  if (rows.length === 0 && next === null) {
    return (
      <Empty title="Nothing is kept yet." icon={<Brain />}>
        Tell Oxbow to remember something, or write a note yourself.
      </Empty>
    )
  }
  return (
    <>
      <MemoryList rows={rows} onOpen={onOpen} />
      {next !== null && (
        <div className="memory-more">
          <Button onClick={() => void readOn()}>Show older ones</Button>
        </div>
      )}
    </>
  )
}

function MemoryList({ rows, onOpen }: { readonly rows: readonly MemoryRow[]; readonly onOpen: (id: string) => void }): ReactNode {
  return (
    <Card>
      <ul className="memory-list">
        {rows.map((row) => (
          <li key={row.id} data-holds={row.holds}>
            <button type="button" className="memory-open" onClick={() => onOpen(row.id)}>
              {row.text}
            </button>
            <div className="memory-about">
              <Badge tone={row.kind === 'note' || row.kind === 'fact' ? 'accent' : 'neutral'}>{kindTexts[row.kind]}</Badge>
              {row.isPinned && <Badge tone="good">pinned</Badge>}
              {!row.holds && <Badge>no longer holds</Badge>}
              {row.isUntrusted && <Badge tone="warn">untrusted</Badge>}
              {row.tags.map((tag) => (
                <span key={tag} className="memory-tag">
                  #{tag}
                </span>
              ))}
              <Time at={row.created_at} />
              {row.found !== '' && <span>{row.found}</span>}
            </div>
          </li>
        ))}
      </ul>
    </Card>
  )
}
