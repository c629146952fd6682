/** Records of the journal as the page reads them: filters that stand in the address, pages by cursor, and what a body says in one line. */
import { isGeneration } from '../../../../src/protocol/index.ts'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { useCallback, useEffect, useRef, useState } from 'react'
import { type Failure, isObject, type JsonObject, toFailure } from '../../../../src/base/index.ts'
import { callOf, useEvents } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { bytesText } from '../../ui/layout.tsx'

export type ShownRecord = OutputOf<'audit.query'>['records'][number]

export const phases = ['intent', 'parked', 'decided', 'started', 'exchange', 'outcome', 'refused', 'reconciled'] as const

/** Fields of the filter, as the address names them; empty: any. */
export const filterFields = ['text', 'name', 'phase', 'actor', 'session', 'turn', 'from', 'to', 'reads'] as const
export type Filter = Readonly<Record<(typeof filterFields)[number], string>>

export function filterOf(search: URLSearchParams): Filter {
  return Object.fromEntries(filterFields.map((field) => [field, search.get(field) ?? ''])) as Filter
}

export function searchOf(filter: Filter, call = ''): string {
  const search = new URLSearchParams()
  for (const field of filterFields) if (filter[field] !== '') search.set(field, filter[field])
  if (call !== '') search.set('call', call)
  const text = search.toString()
  return text === '' ? '/journal' : `/journal?${text}`
}

const pageRecords = 50
const previewCharacters = 1_500

/** @returns the input of `audit.query` @param before only records before this one */
function queryOf(filter: Filter, before?: number): JsonObject {
  const { text, name, phase, actor, session, turn, from, to } = filter
  const isNamed = name !== '' || turn !== ''
  return {
    text,
    name,
    phase,
    actor,
    session,
    turn,
    ...(from !== '' && { from: new Date(from).toISOString() }),
    ...(to !== '' && { to: new Date(to).toISOString() }),
    // What pages and terminals read to show it would hide what happens.
    reads: filter.reads !== '' || isNamed,
    limit: pageRecords,
    max_body: previewCharacters,
    ...(before !== undefined && { before }),
  }
}

export interface RecordList {
  readonly records: readonly ShownRecord[]
  readonly failure: Failure | null
  readonly isLoading: boolean
  /** Older ones may be there; the search ends after many records, and goes on from there. */
  readonly hasMore: boolean
  /** Something happened since it was read. */
  readonly isStale: boolean
  readonly loadMore: () => void
  readonly reload: () => void
}

interface Loaded {
  readonly key: string
  readonly records: readonly ShownRecord[]
  readonly next: number | null
}

export function useRecords(filter: Filter): RecordList {
  const { client, isConnected, connections } = useGuest()
  const key = JSON.stringify(filter)
  const [loaded, setLoaded] = useState<Loaded | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const [isLoading, setLoading] = useState(true)
  const [isStale, setStale] = useState(false)
  const [tries, setTries] = useState(0)
  const newest = useRef('')
  newest.current = key

  const read = useCallback(
    async (before: number | undefined, kept: readonly ShownRecord[]): Promise<void> => {
      setLoading(true)
      try {
        const page = await callOf(client, 'audit.query', queryOf(JSON.parse(key) as Filter, before))
        if (newest.current !== key) return
        setLoaded({ key, records: [...kept, ...page.records], next: page.next })
        setFailure(null)
      } catch (error) {
        if (newest.current === key) setFailure(toFailure(error, 'internal_failure', 'Try again.'))
      }
      setLoading(false)
    },
    [client, key],
  )
  useEffect(() => {
    if (!isConnected) return
    setStale(false)
    void read(undefined, [])
  }, [read, isConnected, connections, tries])
  useEvents([], () => setStale(true))

  const current = loaded?.key === key ? loaded : null
  return {
    records: current?.records ?? [],
    failure,
    isLoading,
    hasMore: current !== null && current.next !== null,
    isStale,
    loadMore: () => void (current?.next != null && !isLoading && read(current.next, current.records)),
    reload: () => setTries((count) => count + 1),
  }
}

/** @returns the body of a record; null when it is no JSON, because it was cut */
export function bodyOf({ body }: ShownRecord): JsonObject | null {
  try {
    const parsed: unknown = JSON.parse(body)
    return isObject(parsed) ? parsed : null
  } catch {
    return null
  }
}

/** What a record says, in one line. */
export function summaryOf(record: ShownRecord): string {
  const body = bodyOf(record)
  const { name, phase, body_bytes: bytes = record.body.length } = record
  if (phase === 'exchange' && isGeneration({ name })) return `request and answer, ${bytesText(bytes)}`
  if (phase === 'exchange' && name === 'budget.reserve') return 'more was reserved'
  if (body === null) return record.body
  const { input, text, reply, message, status, failure, allow } = body
  if (typeof message === 'string') return message
  if (isObject(failure) && typeof failure['message'] === 'string') return failure['message']
  if (record.phase === 'decided') return allow === true ? 'approved' : 'denied'
  if (typeof reply === 'string' && reply !== '') return reply
  if (typeof text === 'string' && text !== '') return text
  if (isObject(input)) return inputText(input)
  if (typeof status === 'string') return status
  return record.body
}

function inputText(input: JsonObject): string {
  return Object.entries(input)
    .filter(([, value]) => value !== '' && value !== null)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' · ')
}
