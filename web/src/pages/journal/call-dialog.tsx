/** One call with everything that the journal has of it: what was asked, who decided, what came out, what it cost and what it has read. */
import { type ReactNode, useMemo } from 'react'
import { isObject, type JsonObject, ownValue } from '../../../../src/base/index.ts'
import { Link } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Badge, bytesText, durationText, Facts, type Tone } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { bodyOf, type ShownRecord } from './records.ts'

interface CallDialogProps {
  /** Empty: none is open. */
  readonly call: string
  readonly onClose: () => void
  readonly onTurn: (turn: string) => void
}

const shownRecords = 100
const shownCharacters = 40_000

export function CallDialog({ call, onClose, onTurn }: CallDialogProps): ReactNode {
  const input = { call, limit: shownRecords, max_body: shownCharacters }
  const { data, failure, refresh } = useCall('audit.query', input, { skip: call === '' })
  const records = useMemo(() => data?.records.toReversed() ?? [], [data])
  const [first] = records
  const title = first?.name ?? 'Call'
  const turn = first?.turn ?? ''
  const actions = turn !== '' && <Button onClick={() => onTurn(turn)}>All records of this turn</Button>
  return (
    <Dialog title={title} isOpen={call !== ''} onClose={onClose} isWide actions={actions}>
      {data === undefined ? (
        failure === null ? (
          <Loading label="Call" />
        ) : (
          <Problem failure={failure} onRetry={refresh} />
        )
      ) : first === undefined ? (
        <Empty title="The journal has no such call" />
      ) : (
        <Recorded records={records} />
      )}
    </Dialog>
  )
}

const endings = new Set(['outcome', 'refused', 'reconciled'])
const statusTones: Readonly<Record<string, Tone>> = { ok: 'good', failed: 'bad', refused: 'bad', cancelled: 'warn', unknown: 'warn' }

function Recorded({ records }: { readonly records: readonly ShownRecord[] }): ReactNode {
  const first = records[0]!
  const intent = records.find(({ phase }) => phase === 'intent')
  const end = records.findLast(({ phase }) => endings.has(phase))
  const decided = records.find(({ phase }) => phase === 'decided')
  const parked = records.find(({ phase }) => phase === 'parked')
  const begin = intent === undefined ? null : bodyOf(intent)
  const ended = end === undefined ? null : bodyOf(end)
  const status =
    end?.phase === 'refused'
      ? 'refused'
      : textOf(ended, 'status') || (end === undefined ? (parked === undefined ? 'runs' : 'waits') : end.phase)
  const labels = [...new Set([...listOf(begin, 'labels'), ...listOf(ended, 'labels')])]
  const facts: (readonly [string, ReactNode])[] = [
    [
      'Status',
      <Badge key="status" tone={ownValue(statusTones, status) ?? 'accent'}>
        {status}
      </Badge>,
    ],
    ['Who', first.actor],
    ['When', new Date(first.at).toLocaleString()],
  ]
  const ms = ended?.['ms']
  if (typeof ms === 'number') facts.push(['Took', durationText(ms)])
  const cost = costOf(ended, 'spent')
  if (cost !== '') facts.push(['Cost', cost])
  const reserved = costOf(begin, 'reserved')
  if (reserved !== '') facts.push(['Reserved', reserved])
  if (labels.length > 0)
    facts.push([
      'Has read',
      labels.map((label) => (
        <Badge key={label} tone="warn">
          {label}
        </Badge>
      )),
    ])
  if (parked !== undefined) facts.push(['Asked because', textOf(bodyOf(parked), 'reason') || 'the policy wants it'])
  if (decided !== undefined) facts.push(['Decided', decisionText(decided)])
  const effect = textOf(begin, 'effect')
  if (effect !== '') facts.push(['Effect', ownValue(effects, effect) ?? effect])
  if (first.session !== '')
    facts.push([
      'Session',
      <Link key="session" to={`/chat/${first.session}`}>
        open in Chat
      </Link>,
    ])
  facts.push([
    'Id',
    <code key="id" className="call-id">
      {first.call}
    </code>,
  ])
  return (
    <div className="recorded">
      <Facts facts={facts} />
      <ol className="timeline">
        {records.map((record) => (
          <TimelineEntry key={record.seq} record={record} isOpen={record === intent || record === end} />
        ))}
      </ol>
    </div>
  )
}

const effects: Readonly<Record<string, string>> = {
  none: 'changes nothing',
  idempotent: 'may be repeated',
  once: 'happens at most once',
}

function TimelineEntry({ record, isOpen }: { readonly record: ShownRecord; readonly isOpen: boolean }): ReactNode {
  const { seq, at, phase, hash, body_bytes: bytes } = record
  const body = bodyOf(record)
  return (
    <li>
      <details open={isOpen}>
        <summary>
          <span className="timeline-phase">{phase}</span>
          <span className="soft small">
            record {seq} · <span data-volatile>{new Date(at).toLocaleTimeString('en-GB')}</span> ·{' '}
            <code title={hash}>{hash.slice(0, 12)}</code>
          </span>
        </summary>
        {body === null ? <pre className="record-body">{record.body}</pre> : <Fields body={body} />}
        {bytes !== undefined && (
          <p className="soft small">
            Cut: the whole body has {bytesText(bytes)}. <code>oxbow audit show --json --after {seq - 1} --limit 1</code> prints it.
          </p>
        )}
      </details>
    </li>
  )
}

/** Texts stand as they are, everything else as JSON. Nothing of it is ever markup. */
function Fields({ body }: { readonly body: JsonObject }): ReactNode {
  return (
    <dl className="record-fields">
      {Object.entries(body).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{isObject(value) && Object.keys(value).length > 0 ? <Fields body={value} /> : <pre>{valueText(value)}</pre>}</dd>
        </div>
      ))}
    </dl>
  )
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}

function decisionText(record: ShownRecord): string {
  const body = bodyOf(record)
  const by = textOf(body, 'by') || record.actor
  return `${body?.['allow'] === true ? 'approved' : 'denied'} by ${by}, ${new Date(record.at).toLocaleTimeString('en-GB')}`
}

function textOf(body: JsonObject | null, field: string): string {
  const value = ownValue(body, field)
  return typeof value === 'string' ? value : ''
}

function listOf(body: JsonObject | null, field: string): readonly string[] {
  const value = ownValue(body, field)
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

function costOf(body: JsonObject | null, field: string): string {
  const value = ownValue(body, field)
  if (!isObject(value)) return ''
  const { microDollars, tokens } = value
  if (typeof microDollars !== 'number' || typeof tokens !== 'number' || (microDollars === 0 && tokens === 0)) return ''
  return `${moneyText(microDollars)}, ${countText(tokens)} tokens`
}
