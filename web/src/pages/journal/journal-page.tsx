/** The journal: everything that was asked, decided and done, newest first; each call with all that is recorded of it. */
import { ListRestart, ScrollText, SlidersHorizontal } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { type Option, Select, Switch, TextField } from '../../ui/field.tsx'
import { Badge, Page, type Tone } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { type Column, Table } from '../../ui/table.tsx'
import { CallDialog } from './call-dialog.tsx'
import { type Filter, filterFields, filterOf, phases, searchOf, type ShownRecord, summaryOf, useRecords } from './records.ts'
import { VerifyCard } from './verify-card.tsx'
import { ownValue } from '../../../../src/base/index.ts'
import './journal.css'

export default function JournalPage({ place }: PageProps): ReactNode {
  const filter = filterOf(place.search)
  const call = place.search.get('call') ?? ''
  const list = useRecords(filter)
  const change = (fields: Partial<Filter>): void => navigate(searchOf({ ...filter, ...fields }), { replace: true })
  return (
    <Page title="Journal" intro="Everything that was asked, decided and done. Records are chained: none can be changed unnoticed.">
      <VerifyCard />
      <FilterBar filter={filter} onChange={change} />
      <div className="journal-bar">
        <span className="soft small" role="status">
          {list.records.length > 0 && `${plural(list.records.length, 'record')}${list.hasMore ? ', and older ones' : ''}`}
        </span>
        {list.isStale && (
          <Button size="s" icon={<ListRestart />} onClick={list.reload}>
            Show newer records
          </Button>
        )}
      </div>
      <Records list={list} onOpen={({ call: id }) => navigate(searchOf(filter, id))} />
      <CallDialog call={call} onClose={() => navigate(searchOf(filter))} onTurn={(turn) => navigate(searchOf({ ...noFilter, turn }))} />
    </Page>
  )
}

const noFilter = filterOf(new URLSearchParams())

const tones: Readonly<Record<string, Tone>> = {
  done: 'good',
  failed: 'bad',
  refused: 'bad',
  denied: 'bad',
  cancelled: 'warn',
  unknown: 'warn',
  parked: 'warn',
  reconciled: 'warn',
  decided: 'accent',
}

/** The phase; of an outcome, how the call ended. */
function PhaseBadge({ record }: { readonly record: ShownRecord }): ReactNode {
  const status = record.phase === 'outcome' ? /^\{"status":"(\w+)"/.exec(record.body)?.[1] : undefined
  const text = status === 'ok' ? 'done' : (status ?? record.phase)
  return <Badge tone={ownValue(tones, text) ?? 'neutral'}>{text}</Badge>
}

const columns: readonly Column<ShownRecord>[] = [
  { title: 'Record', cell: ({ seq }) => <span className="record-seq">{seq}</span> },
  { title: 'Time', cell: ({ at }) => <RecordTime at={at} />, isMinor: true },
  {
    title: 'Call',
    cell: (record) => (
      <span className="record-call">
        <code>{record.name}</code>
        <PhaseBadge record={record} />
      </span>
    ),
  },
  { title: 'Who', cell: ({ actor }) => actor, isMinor: true },
  { title: 'What', cell: (record) => <span className="record-what">{summaryOf(record)}</span> },
]

const dayMs = 86_400_000

function RecordTime({ at }: { readonly at: number }): ReactNode {
  const date = new Date(at)
  const isToday = Date.now() - at < dayMs && date.getDate() === new Date().getDate()
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()} className="record-time" data-volatile>
      {isToday
        ? date.toLocaleTimeString('en-GB')
        : date.toLocaleString('en-GB', { day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit' })}
    </time>
  )
}

function Records({
  list,
  onOpen,
}: {
  readonly list: ReturnType<typeof useRecords>
  readonly onOpen: (record: ShownRecord) => void
}): ReactNode {
  const { records, failure, isLoading, hasMore, loadMore, reload } = list
  if (records.length === 0) {
    if (failure !== null) return <Problem failure={failure} onRetry={reload} />
    if (isLoading) return <Loading label="Records" />
  }
  return (
    <>
      {records.length > 0 ? (
        <Table label="Records" columns={columns} rows={records} keyOf={({ seq }) => seq} onOpen={onOpen} />
      ) : (
        <Empty title={hasMore ? 'Nothing found so far' : 'No record fits'} icon={<ScrollText />}>
          {hasMore ? 'The newest 50 000 records were searched.' : 'Loosen the filter, or ask for something in Chat.'}
        </Empty>
      )}
      <ProblemLine failure={records.length > 0 ? failure : null} />
      {hasMore && (
        <div className="journal-more">
          <Button onClick={loadMore} isBusy={isLoading}>
            {records.length > 0 ? 'Load older records' : 'Search older records'}
          </Button>
        </div>
      )}
    </>
  )
}

const phaseOptions: readonly Option[] = [{ value: '', label: 'Any phase' }, ...phases.map((phase) => ({ value: phase, label: phase }))]

interface FilterBarProps {
  readonly filter: Filter
  readonly onChange: (fields: Partial<Filter>) => void
}

function FilterBar({ filter, onChange }: FilterBarProps): ReactNode {
  const sessions = useCall('session.list', { limit: 200 }, { refreshOn: ['session_*'] })
  const hasDetails = ['actor', 'from', 'to', 'reads'].some((field) => ownValue(filter, field as keyof Filter) !== '')
  const [isOpen, setOpen] = useState(hasDetails)
  const isFiltered = filterFields.some((field) => filter[field] !== '')
  const options = [
    { value: '', label: 'Any session' },
    ...(sessions.data ?? []).map(({ id, title }) => ({ value: id, label: title || 'Untitled session' })),
  ]
  // A session that is no longer listed stays chosen.
  if (filter.session !== '' && !options.some(({ value }) => value === filter.session))
    options.push({ value: filter.session, label: filter.session })
  return (
    <form className="journal-filter" role="search" onSubmit={(event) => event.preventDefault()}>
      <div className="filter-row">
        <TypedField label="Text" placeholder="Text in a record" type="search" value={filter.text} onCommit={(text) => onChange({ text })} />
        <TypedField label="Call" placeholder="file. or shell.exec" value={filter.name} onCommit={(name) => onChange({ name })} />
        <Select label="Phase" options={phaseOptions} value={filter.phase} onChange={({ target }) => onChange({ phase: target.value })} />
        <Select label="Session" options={options} value={filter.session} onChange={({ target }) => onChange({ session: target.value })} />
        <div className="filter-buttons">
          <Button icon={<SlidersHorizontal />} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            More
          </Button>
          {isFiltered && (
            <Button variant="quiet" onClick={() => navigate('/journal', { replace: true })}>
              Clear
            </Button>
          )}
        </div>
      </div>
      {isOpen && (
        <div className="filter-row">
          <TypedField label="Who" placeholder="agent: or user:" value={filter.actor} onCommit={(actor) => onChange({ actor })} />
          <TypedField label="From" type="datetime-local" value={filter.from} onCommit={(from) => onChange({ from })} />
          <TypedField label="To" type="datetime-local" value={filter.to} onCommit={(to) => onChange({ to })} />
          <Switch label="What pages read, too" isOn={filter.reads !== ''} onChange={(isOn) => onChange({ reads: isOn ? '1' : '' })} />
        </div>
      )}
      {filter.turn !== '' && (
        <p className="filter-turn">
          Only the turn <code>{filter.turn}</code>
          <Button size="s" variant="quiet" onClick={() => onChange({ turn: '' })}>
            Show all turns
          </Button>
        </p>
      )}
    </form>
  )
}

interface TypedFieldProps {
  readonly label: string
  readonly value: string
  readonly onCommit: (value: string) => void
  readonly placeholder?: string
  readonly type?: string
}

const typingMs = 350

/** Searches when the person stops typing. */
function TypedField({ value, onCommit, placeholder = '', type = 'text', label }: TypedFieldProps): ReactNode {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  useEffect(() => {
    if (text === value) return undefined
    const timer = setTimeout(() => onCommit(text.trim()), typingMs)
    return () => clearTimeout(timer)
    // The handler is new at each render, and means the same.
  }, [text])
  return <TextField label={label} type={type} placeholder={placeholder} value={text} onChange={({ target }) => setText(target.value)} />
}
