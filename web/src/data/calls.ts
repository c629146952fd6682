/**
 * System calls as data of a component. `useCall` reads, and reads again when the connection returns, when the page is shown again, and
 * when an event of the guest says that something has changed. `useAction` does what a person has asked for, once.
 */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { Client, InputOf, OutputOf } from '../../../src/client/browser-client.ts'
import { type Failure, type SessionId, toError, toFailure, wrongInput } from '../../../src/base/index.ts'
import type { MadeCall } from '../../../src/protocol/index.ts'
import { useGuest } from './guest.tsx'

/** @throws OxbowError with the failure of the call, or of the connection */
export async function callOf<Name extends string>(
  client: Client,
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
  session?: string,
): Promise<OutputOf<Name>> {
  const outcome = await client.call<Name>(name, input, session as SessionId | undefined)
  if (outcome.status !== 'ok') throw toError(forPeople(outcome.failure))
  return outcome.output ?? ({ text: outcome.text } as OutputOf<Name>)
}

/** A refusal names the call, and gives an example, for models. A person has filled in fields. */
function forPeople(failure: Failure): Failure {
  const why = wrongInput(failure)
  return why === undefined ? failure : { ...failure, message: why.replaceAll('field `', '`'), hint: '' }
}

export interface CallState<Output> {
  /** Stays while it is read again. */
  readonly data: Output | undefined
  readonly failure: Failure | null
  readonly isLoading: boolean
  readonly refresh: () => void
}

interface CallOptions {
  readonly session?: string | undefined
  /** Kinds of events after which it is read again, e.g. `['turn_ended', 'memory_*']`. */
  readonly refreshOn?: readonly string[]
  /** For what no event announces. */
  readonly everyMs?: number
  /** Reads nothing. */
  readonly skip?: boolean
}

/** Outputs by call and input: a page that is opened again shows what it showed, until the new answer is there. */
const kept = new Map<string, unknown>()
const maxKept = 200

function keep(key: string, output: unknown): void {
  kept.delete(key)
  kept.set(key, output)
  const [oldest] = kept.keys()
  if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest)
}

export function useCall<Name extends string>(
  name: Name & MadeCall<Name>,
  input: InputOf<Name>,
  options: CallOptions = {},
): CallState<OutputOf<Name>> {
  type Output = OutputOf<Name>
  const { session, refreshOn = [], everyMs, skip = false } = options
  const { client, isConnected, connections } = useGuest()
  const key = JSON.stringify([name, input, session])
  const [result, setResult] = useState<{ readonly key: string; readonly data?: Output; readonly failure: Failure | null } | null>(null)
  const [tries, setTries] = useState(0)
  const refresh = useCallback(() => setTries((count) => count + 1), [])

  useEffect(() => {
    if (skip || !isConnected) return undefined
    let isCurrent = true
    callOf<Name>(client, name, JSON.parse(key)[1] as InputOf<Name>, session).then(
      (data) => {
        keep(key, data)
        if (isCurrent) setResult({ key, data: data, failure: null })
      },
      (error: unknown) => {
        const failure = toFailure(error, 'internal_failure', 'Try again.')
        // A lost connection says nothing about the call: it is read again when the connection returns.
        if (isCurrent && failure.code !== 'guest_unreachable') setResult({ key, failure })
      },
    )
    return () => void (isCurrent = false)
  }, [client, isConnected, connections, key, name, session, skip, tries])

  useEvents(refreshOn, refresh, skip || refreshOn.length === 0)
  useEffect(() => {
    if (everyMs === undefined || skip) return undefined
    const timer = setInterval(() => document.hidden || refresh(), everyMs)
    return () => clearInterval(timer)
  }, [everyMs, refresh, skip])
  useEffect(() => {
    const shown = (): void => void (document.hidden || refresh())
    document.addEventListener('visibilitychange', shown)
    return () => document.removeEventListener('visibilitychange', shown)
  }, [refresh])

  const isCurrent = result?.key === key
  const data = (isCurrent ? result.data : undefined) ?? (kept.get(key) as Output | undefined)
  const failure = isCurrent ? result.failure : null
  return { data, failure, isLoading: !skip && data === undefined && failure === null, refresh }
}

export interface Action {
  /** @returns the output, or undefined when it failed; the failure is shown */
  readonly run: <Name extends string>(
    name: Name & MadeCall<Name>,
    input: InputOf<Name>,
    session?: string,
  ) => Promise<OutputOf<Name> | undefined>
  readonly isBusy: boolean
  readonly failure: Failure | null
  readonly clear: () => void
}

export function useAction(): Action {
  const { client } = useGuest()
  const [busy, setBusy] = useState(0)
  const [failure, setFailure] = useState<Failure | null>(null)
  const run = useCallback(
    async <Name extends string>(
      name: Name & MadeCall<Name>,
      input: InputOf<Name>,
      session?: string,
    ): Promise<OutputOf<Name> | undefined> => {
      setBusy((count) => count + 1)
      setFailure(null)
      try {
        return await callOf<Name>(client, name, input, session)
      } catch (error) {
        setFailure(toFailure(error, 'internal_failure', 'Try again.'))
        return undefined
      } finally {
        setBusy((count) => count - 1)
      }
    },
    [client],
  )
  const clear = useCallback(() => setFailure(null), [])
  return { run: run, isBusy: busy > 0, failure, clear }
}

/** What happens in the guest. */
export type GuestEvent = OutputOf<'events.next'>['events'][number]

/** Seconds that one request for events waits. */
const waitS = 50
/** Between two requests after a failure, e.g. while the guest restarts. */
const pauseMs = 2_000

/** One loop for each client asks for events, as long as somebody listens. */
const loops = new WeakMap<Client, Set<(event: GuestEvent) => void>>()

async function pump(client: Client, listeners: ReadonlySet<(event: GuestEvent) => void>): Promise<void> {
  let after: number | undefined
  while (listeners.size > 0) {
    try {
      const input = { kinds: [], wait_s: after === undefined ? 0 : waitS, ...(after !== undefined && { after }) }
      const page = await callOf(client, 'events.next', input)
      after = page.cursor
      for (const event of page.events) for (const listener of listeners) listener(event)
    } catch (error) {
      const { code } = toFailure(error, 'internal_failure', '')
      if (code === 'cancelled' || code === 'denied' || code === 'unauthenticated') return
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
}

/** @param kinds `turn_ended`, or a family with a star: `agent_*`; empty: all */
export function useEvents(kinds: readonly string[], handler: (event: GuestEvent) => void, skip = false): void {
  const { client } = useGuest()
  const latest = useRef(handler)
  latest.current = handler
  const wanted = kinds.join(' ')
  useEffect(() => {
    if (skip) return undefined
    const patterns = wanted.split(' ').filter(Boolean)
    const listener = (event: GuestEvent): void => {
      if (patterns.length === 0 || patterns.some((kind) => matches(kind, event.kind))) latest.current(event)
    }
    let listeners = loops.get(client)
    if (listeners === undefined) loops.set(client, (listeners = new Set()))
    const isFirst = listeners.size === 0
    listeners.add(listener)
    if (isFirst) void pump(client, listeners)
    const current = listeners
    return () => void current.delete(listener)
  }, [client, wanted, skip])
}

function matches(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern
}
