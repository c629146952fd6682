/** The log of the guest: what went wrong inside. It has no message and no secret. */
import { ScrollText } from 'lucide-react'
import type { ReactNode } from 'react'
import { plainText } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type LogLevel, logLevels, type LogRole, logRoles } from '../../../../src/base/index.ts'
import { useCall } from '../../data/calls.ts'
import { CopyButton } from '../../ui/code-block.tsx'
import { Select, Switch, TextField } from '../../ui/field.tsx'
import { Badge, Page, type Tone } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import './logs.css'

const readLines = 2_000
const shownLines = 500
const followMs = 2_000

type LogLine = OutputOf<'machine.log'>['lines'][number]

interface Filter {
  readonly level: LogLevel
  readonly role: LogRole | undefined
  readonly turn: string
  readonly text: string
}

export default function LogsPage({ place: { search } }: PageProps): ReactNode {
  const of = (name: string): string => search.get(name) ?? ''
  const filter: Filter = {
    level: logLevels.find((level) => level === of('level')) ?? 'info',
    role: logRoles.find((role) => role === of('role')),
    turn: of('turn'),
    text: of('text'),
  }
  const isFollowing = of('pause') === ''
  const log = useCall(
    'machine.log',
    { lines: readLines, level: filter.level, role: filter.role === undefined ? [] : [filter.role], turn: filter.turn },
    isFollowing ? { everyMs: followMs } : {},
  )
  const change = (name: string, value: string): void => {
    const next = new URLSearchParams(search)
    if (value === '') next.delete(name)
    else next.set(name, value)
    navigate(next.size === 0 ? '/logs' : `/logs?${next.toString()}`, { replace: true })
  }
  const all = log.data?.lines ?? []
  const found = all.filter((line) => fits(line, filter.text)).toReversed()
  return (
    <Page
      title="Logs"
      intro={
        <>
          What went on inside, newest first, for whoever has to mend it: the lines of <code>oxbow logs</code>. Messages and secrets are not
          in it.
        </>
      }
    >
      <div className="logs-bar">
        <TextField label="Text" type="search" value={filter.text} onChange={({ target }) => change('text', target.value)} />
        <Select
          label="From level"
          value={filter.level}
          options={logLevels.map((level) => ({ value: level, label: level }))}
          onChange={({ target }) => change('level', target.value)}
        />
        <Select
          label="Role"
          value={filter.role ?? ''}
          options={[{ value: '', label: 'All' }, ...logRoles.map((role) => ({ value: role, label: role }))]}
          onChange={({ target }) => change('role', target.value)}
        />
        <Switch label="Follow" isOn={isFollowing} onChange={(isOn) => change('pause', isOn ? '' : '1')} />
      </div>
      {log.failure !== null ? (
        <Problem failure={log.failure} onRetry={log.refresh} />
      ) : log.data === undefined ? (
        <Loading label="Log" />
      ) : (
        <Lines found={found} isEmpty={all.length === 0} onTurn={(turn) => change('turn', turn)} filter={filter} />
      )}
      {log.data !== undefined && (
        <p className="soft small logs-file">
          The files are in <code>{log.data.folder}</code> <CopyButton text={log.data.folder} label="Copy the path" />
        </p>
      )}
    </Page>
  )
}

function fits({ msg, more }: LogLine, text: string): boolean {
  return text === '' || `${msg} ${JSON.stringify(more)}`.toLowerCase().includes(text.toLowerCase())
}

const tones: Readonly<Record<LogLevel, Tone>> = {
  trace: 'neutral',
  debug: 'neutral',
  info: 'neutral',
  warn: 'warn',
  error: 'bad',
  fatal: 'bad',
}

interface LinesProps {
  readonly found: readonly LogLine[]
  readonly isEmpty: boolean
  readonly filter: Filter
  readonly onTurn: (turn: string) => void
}

function Lines({ found, isEmpty, filter, onTurn }: LinesProps): ReactNode {
  if (found.length === 0)
    return (
      <div className="card">
        <Empty title={isEmpty ? 'The log is empty.' : 'No line fits.'} icon={<ScrollText />}>
          {isEmpty ? 'A guest that has no trouble writes little or nothing.' : 'Loosen the filter.'} What happens is under{' '}
          <Link to="/events">Events</Link>.
        </Empty>
      </div>
    )
  return (
    <>
      {filter.turn !== '' && (
        <p>
          Only the turn <code>{filter.turn}</code>.{' '}
          <button type="button" className="row-button" onClick={() => onTurn('')}>
            Show all
          </button>
        </p>
      )}
      <ol className="log-lines" aria-label="Lines of the log">
        {found.slice(0, shownLines).map((line, index) => (
          <Line key={found.length - index} line={line} onTurn={onTurn} />
        ))}
      </ol>
      {found.length > shownLines && <p className="soft small">{plural(found.length - shownLines, 'older line')} not shown.</p>}
    </>
  )
}

function Line({
  line: { level, time, role, turn = '', call = '', msg, more },
  onTurn,
}: {
  readonly line: LogLine
  readonly onTurn: LinesProps['onTurn']
}): ReactNode {
  const rest = Object.keys(more).length === 0 ? '' : plainText(JSON.stringify(more, null, 1))
  return (
    <li className="log-line">
      <div className="log-head">
        <Badge tone={tones[level]}>{level}</Badge>
        <time dateTime={time} data-volatile>
          {new Date(time).toLocaleString('en-GB')}
        </time>
        <span>{role}</span>
        {turn !== '' && (
          <button type="button" className="row-button" onClick={() => onTurn(turn)}>
            turn {turn.slice(0, 8)}
          </button>
        )}
        {call !== '' && <Link to={`/journal?call=${encodeURIComponent(call)}`}>call {call.slice(0, 8)}</Link>}
      </div>
      <pre tabIndex={0} aria-label="What it says">
        {plainText(msg)}
      </pre>
      {rest !== '' && (
        <details>
          <summary>More</summary>
          <pre tabIndex={0} aria-label="More of it">
            {rest}
          </pre>
        </details>
      )}
    </li>
  )
}
