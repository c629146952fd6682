/** Events: what happens in the guest, newest first, as programs that follow it receive it. */
import { Radio } from 'lucide-react'
import { type ReactNode, useCallback, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { plainText } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { useCall, useEvents } from '../../data/calls.ts'
import { FormDialog, linesOf } from '../../shelf/form-dialog.tsx'
import { SayingPage, useSay } from '../../shelf/said.tsx'
import { whoText } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Switch, TextArea, TextField } from '../../ui/field.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import './events.css'

type GuestEvent = OutputOf<'events.next'>['events'][number]

const shownEvents = 200

export default function EventsPage({ place }: PageProps): ReactNode {
  const kind = place.search.get('kind') ?? ''
  const isFollowing = place.search.get('pause') !== '1'
  const [isPublishing, setPublishing] = useState(false)
  const change = (fields: Record<string, string>): void => {
    const search = new URLSearchParams(place.search)
    for (const [name, value] of Object.entries(fields)) {
      if (value === '') search.delete(name)
      else search.set(name, value)
    }
    const query = search.toString()
    navigate(query === '' ? '/events' : `/events?${query}`, { replace: true })
  }
  return (
    <SayingPage
      title="Events"
      intro="What happens in this guest, as it happens. Programs follow the same events over the HTTP API, with a cursor."
      actions={<Button onClick={() => setPublishing(true)}>Publish one…</Button>}
    >
      <div className="events-bar">
        <TextField
          label="Kinds"
          hint="turn_ended, or a family with a star: approval_*; several with spaces."
          value={kind}
          spellCheck={false}
          autoComplete="off"
          onChange={({ target }) => change({ kind: target.value })}
        />
        <Switch label="Follow" isOn={isFollowing} onChange={(isOn) => change({ pause: isOn ? '' : '1' })} />
      </div>
      <Events kinds={kindsOf(kind)} isFollowing={isFollowing} open={place.search.get('event')} onOpen={(seq) => change({ event: seq })} />
      <Publish isOpen={isPublishing} onClose={() => setPublishing(false)} />
    </SayingPage>
  )
}

/** What is half written is no kind yet. */
const kindForm = /^[a-z][a-z_]{0,60}\*?$/

function kindsOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((each) => kindForm.test(each))
}

interface EventsProps {
  readonly kinds: readonly string[]
  readonly isFollowing: boolean
  /** Sequence number of the event that is open. */
  readonly open: string | null
  readonly onOpen: (seq: string) => void
}

function Events({ kinds, isFollowing, open, onOpen }: EventsProps): ReactNode {
  const { data, failure, refresh } = useCall('events.next', { kinds: [...kinds], before: newest, limit: shownEvents })
  const onEvent = useCallback(() => refresh(), [refresh])
  useEvents(kinds, onEvent, !isFollowing)
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading label="Events" />
  const events = data.events.toReversed()
  const shown = events.find(({ seq }) => String(seq) === open)
  if (events.length === 0)
    return (
      <div className="card">
        <Empty title={kinds.length === 0 ? 'Nothing has happened yet.' : 'Nothing of these kinds has happened.'} icon={<Radio />}>
          Turns, calls, agents, approvals and schedules are events, and so is what programs publish.
        </Empty>
      </div>
    )
  return (
    <>
      <Table
        label="Events"
        rows={events}
        keyOf={({ seq }) => seq}
        onOpen={({ seq }) => onOpen(String(seq))}
        columns={[
          { title: 'Kind', cell: ({ kind }) => <code>{kind}</code> },
          { title: 'Time', cell: ({ at }) => <EventTime at={at} /> },
          { title: 'Who', isMinor: true, cell: ({ actor }) => whoText(actor) },
          { title: 'What', isMinor: true, cell: ({ fields }) => <span className="events-what">{plainText(JSON.stringify(fields))}</span> },
        ]}
      />
      <EventDialog event={shown} onClose={() => onOpen('')} />
    </>
  )
}

/** The newest events are those before the greatest number that a record can have. */
const newest = Number.MAX_SAFE_INTEGER

function EventTime({ at }: { readonly at: number }): ReactNode {
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()} className="events-time" data-volatile>
      {date.toLocaleTimeString('en-GB')}
    </time>
  )
}

function EventDialog({ event, onClose }: { readonly event: GuestEvent | undefined; readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title={event?.kind ?? ''} isOpen={event !== undefined} onClose={onClose} isWide>
      {event !== undefined && (
        <>
          <Facts
            facts={[
              [
                'Record',
                <span key="seq" data-volatile>
                  {event.seq}
                </span>,
              ],
              [
                'Time',
                <span key="at" data-volatile>
                  {new Date(event.at).toLocaleString()}
                </span>,
              ],
              ['Who', whoText(event.actor)],
              ...(event.session === ''
                ? []
                : ([
                    [
                      'Session',
                      <Link key="session" to={`/chat/${event.session}`}>
                        Open it
                      </Link>,
                    ],
                  ] as const)),
            ]}
          />
          <pre className="events-fields" tabIndex={0} aria-label="What it says">
            {plainText(JSON.stringify(event.fields, null, 2))}
          </pre>
        </>
      )}
    </Dialog>
  )
}

const ownKind = /^[a-z][a-z_]{0,50}$/

function Publish({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactNode {
  const [kind, setKind] = useState('')
  const [text, setText] = useState('{}')
  const say = useSay()
  const isKind = ownKind.test(kind)
  const data = jsonOf(text)
  return (
    <FormDialog
      title="Publish an event"
      verb="Publish"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isKind && data !== undefined}
      act={async (run) => {
        const published = await run('events.publish', { kind, data })
        if (published === undefined) return undefined
        say(`Published custom_${kind}.`)
        return published
      }}
    >
      <TextField
        label="Kind"
        hint="Subscribers receive it as custom_KIND."
        autoComplete="off"
        value={kind}
        problem={kind === '' || isKind ? '' : 'Lower-case letters and underscores.'}
        onChange={({ target }) => setKind(target.value)}
      />
      <TextArea
        label="Data"
        hint="JSON."
        spellCheck={false}
        value={text}
        problem={data === undefined ? 'This is not JSON.' : ''}
        onChange={({ target }) => setText(target.value)}
      />
    </FormDialog>
  )
}

function jsonOf(text: string) {
  if (linesOf(text).length === 0) return null
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
