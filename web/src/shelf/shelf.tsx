/**
 * A page of things of one kind: a list, and next to it the one that is open, whose address says which. On a phone either of them is shown.
 * It has the states of every place: empty, waiting, failed, and a thing that is gone.
 */
import { ArrowLeft } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Link, type Place } from '../app/router.tsx'
import type { CallState } from '../data/calls.ts'
import { TextField } from '../ui/field.tsx'
import { Badge, type Tone } from '../ui/layout.tsx'
import { Empty, Loading, Problem, WithCode } from '../ui/states.tsx'
import './shelf.css'

/** A line of the list. */
export interface Entry {
  readonly id: string
  readonly title: string
  /** What it is, in a line. */
  readonly note: string
  readonly state: readonly [text: string, tone: Tone]
  /** Heading under which it stands; entries of one group follow each other. */
  readonly group?: string
}

/** @returns the address of an open thing. It is in the query: ids may be paths, and a page has none with a dot in its own */
export function openAt(page: string, id: string): string {
  return `${page}${page.includes('?') ? '&' : '?'}open=${encodeURIComponent(id)}`
}

interface ShelfProps {
  readonly place: Place
  /** Its address, e.g. `/keys`, with the query of a tab. */
  readonly page: string
  /** Of the list, e.g. `Keys`. */
  readonly label: string
  /** What one is called: `key`. */
  readonly noun: string
  readonly call: Pick<CallState<unknown>, 'data' | 'failure' | 'refresh'>
  /** Absent while they are read. */
  readonly entries: readonly Entry[] | undefined
  /** Shown where there is nothing yet: what it is for, and how to get one. */
  readonly empty: ReactNode
  /** @param id of the entry that is open */
  readonly children: (id: string) => ReactNode
}

/** A shorter list is seen at one glance. */
const minFiltered = 8

export function Shelf({ place, page, label, noun, call, entries, empty, children }: ShelfProps): ReactNode {
  const [filter, setFilter] = useState('')
  if (entries === undefined)
    return call.failure === null ? <Loading label={label} /> : <Problem failure={call.failure} onRetry={call.refresh} />
  const open = place.search.get('open')
  if (entries.length === 0 && open === null) return <div className="card">{empty}</div>
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const found = entries.filter(({ title, note, state }) =>
    words.every((word) => `${title} ${note} ${state[0]}`.toLowerCase().includes(word)),
  )
  const current = entries.find(({ id }) => id === open)
  return (
    <div className="shelf" data-open={open !== null || undefined}>
      <div className="shelf-list">
        {entries.length >= minFiltered && (
          <TextField
            label={`Find in ${label}`}
            isLabelHidden
            type="search"
            placeholder={`Find in ${entries.length}`}
            value={filter}
            onChange={({ target }) => setFilter(target.value)}
          />
        )}
        <Entries label={label} page={page} entries={found} open={open} />
        {found.length === 0 && <p className="soft small">Nothing fits “{filter}”.</p>}
      </div>
      {open !== null && (
        <div className="shelf-open">
          <Link className="shelf-back" to={page}>
            <ArrowLeft aria-hidden="true" />
            All {label.toLowerCase()}
          </Link>
          {current === undefined ? (
            <div className="card">
              <Empty title={`This ${noun} is not here any more.`}>It was removed, or has another name now.</Empty>
            </div>
          ) : (
            <div key={current.id} className="shelf-thing">
              {children(current.id)}
            </div>
          )}
        </div>
      )}
    </div>
  )
}

interface EntriesProps extends Pick<ShelfProps, 'label' | 'page'> {
  readonly entries: readonly Entry[]
  readonly open: string | null
}

function Entries({ label, page, entries, open }: EntriesProps): ReactNode {
  const groups = [...new Set(entries.map(({ group = '' }) => group))]
  return groups.map((group) => (
    <section key={group} className="shelf-group" aria-label={group === '' ? label : group}>
      {group !== '' && <h2 className="shelf-heading">{group}</h2>}
      <ul>
        {entries
          .filter((entry) => (entry.group ?? '') === group)
          .map(({ id, title, note, state: [text, tone] }) => (
            <li key={id}>
              <Link className="shelf-entry" to={openAt(page, id)} aria-current={id === open ? 'true' : undefined}>
                <span className="shelf-title">{title}</span>
                <Badge tone={tone}>{text}</Badge>
                {note !== '' && (
                  <span className="shelf-note">
                    <WithCode text={note} />
                  </span>
                )}
              </Link>
            </li>
          ))}
      </ul>
    </section>
  ))
}
