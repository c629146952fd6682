/**
 * The session on the screen: its newest records, older ones as the person scrolls up, and everything that happens from then on. Changes
 * are shown once a frame, however fast an answer streams.
 */
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { Client } from '../../../../src/client/browser-client.ts'
import { type Failure, type SessionId, toFailure } from '../../../../src/base/index.ts'
import { isMessage, type RecordView } from '../../../../src/protocol/index.ts'
import { callOf } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { type OutgoingMessage, outboxOf } from './outbox.ts'
import { createTranscript, type Item, type PersonItem, type TranscriptFold } from './transcript.ts'

export interface Conversation {
  readonly items: readonly Item[]
  readonly turn: string | null
  readonly contextTokens: number
  readonly microDollars: number
  readonly model: string
  readonly isLoading: boolean
  readonly hasOlder: boolean
  readonly failure: Failure | null
}

interface Source {
  subscribe(listener: () => void): () => void
  current(): Conversation
  loadOlder(): void
  close(): void
}

/** The first page is there at once; whoever scrolls up gets larger ones, as many as the guest gives at once. */
const firstRecords = 400
const olderRecords = 1_000
const nothing: Conversation = {
  items: [],
  turn: null,
  contextTokens: 0,
  microDollars: 0,
  model: '',
  isLoading: true,
  hasOlder: false,
  failure: null,
}

/** The records that are there already, read from the newest to the oldest. */
interface Past {
  hasOlder(): boolean
  /** @returns the newest record's number, 0 for none */
  readNewest(): Promise<number>
  /** Does nothing while a page is being read, or when there is no older one. */
  readOlder(): Promise<void>
}

function createPast(client: Client, session: string, fold: TranscriptFold): Past {
  let older: number | null = null
  /** Records whose turn begins in the page before. */
  let held: readonly RecordView[] = []
  let isReading = false
  const readPage = async (before: number | null): Promise<readonly RecordView[]> => {
    const input = before === null ? { session, limit: firstRecords } : { session, limit: olderRecords, before }
    const page = await callOf(client, 'session.records', input)
    const records = [...page.records, ...held]
    const cut = page.next === null ? 0 : startOfTurn(records)
    older = page.next
    held = records.slice(0, cut)
    return records.slice(cut)
  }
  return {
    hasOlder: () => older !== null,
    async readNewest() {
      const records = await readPage(null)
      for (const record of records) fold.add({ type: 'record', record })
      return records.at(-1)?.seq ?? 0
    },
    async readOlder() {
      if (older === null || isReading) return
      isReading = true
      try {
        fold.prepend(await readPage(older))
      } finally {
        isReading = false
      }
    },
  }
}

function openConversation(client: Client, session: string): Source {
  const fold = createTranscript()
  const past = createPast(client, session, fold)
  const listeners = new Set<() => void>()
  let current = nothing
  let isLoading = true
  let failure: Failure | null = null
  let frame = 0
  let isClosed = false
  let stop = (): void => {}

  const show = (): void => {
    frame = 0
    const { turn, contextTokens, microDollars, model } = fold
    const items = [...fold.items.values()]
    current = { items, turn, contextTokens, microDollars, model, isLoading, hasOlder: past.hasOlder(), failure }
    listeners.forEach((listener) => listener())
  }
  const changed = (): void => {
    // A page in the background draws nothing, and its frames never come.
    if (document.hidden) show()
    else if (frame === 0) frame = requestAnimationFrame(show)
  }
  const failed = (error: unknown): void => {
    failure = toFailure(error, 'internal_failure', 'Reload the page.')
    isLoading = false
    changed()
  }
  const open = async (): Promise<void> => {
    const newest = await past.readNewest()
    isLoading = false
    changed()
    if (isClosed) return
    const following = await client.follow(session as SessionId, newest, (event) => {
      if (event.type === 'ended') failed(event.failure)
      else if (fold.add(event)) changed()
    })
    stop = () => following.stop()
    if (isClosed) stop()
  }
  open().catch(failed)
  return {
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    current: () => current,
    loadOlder: () => void past.readOlder().then(changed, failed),
    close() {
      isClosed = true
      cancelAnimationFrame(frame)
      stop()
    },
  }
}

/** @returns where the first whole turn begins; 0 where none does, so that a long turn is shown as far as it was read */
function startOfTurn(records: readonly RecordView[]): number {
  return Math.max(0, records.findIndex(isMessage))
}

const empty: Source = { subscribe: () => () => {}, current: () => ({ ...nothing }), loadOlder: () => {}, close: () => {} }
const noSession: Conversation = { ...nothing, isLoading: false }

/** @param session empty: a session that is made with its first message */
export function useConversation(session: string): Conversation & { readonly loadOlder: () => void } {
  const { client } = useGuest()
  const outbox = outboxOf(client)
  const outgoing = useSyncExternalStore(outbox.subscribe, outbox.messages)
  // Until its first message is delivered, a new session cannot be read.
  const isUnmade = session === '' || outgoing.some((message) => message.session === session && message.isNew)
  const [source, setSource] = useState<Source>(empty)
  useEffect(() => {
    if (isUnmade) {
      setSource(empty)
      return undefined
    }
    const opened = openConversation(client, session)
    setSource(opened)
    return () => opened.close()
  }, [client, session, isUnmade])
  const emptyState = useMemo(() => (isUnmade ? noSession : nothing), [isUnmade])
  const known = useSyncExternalStore(source.subscribe, () => (source === empty ? emptyState : source.current()))
  return useMemo(() => {
    const own = outgoing.filter((message) => message.session === session)
    const sending = own.filter(({ id }) => !known.items.some(({ key }) => key === id)).map(sendingItem)
    return { ...known, items: sending.length === 0 ? known.items : [...known.items, ...sending], loadOlder: source.loadOlder }
  }, [known, outgoing, session, source])
}

function sendingItem({ id, at, text, files }: OutgoingMessage): PersonItem {
  return { type: 'person', key: id, seq: 0, at, sender: '', text, files, state: 'sending' }
}
