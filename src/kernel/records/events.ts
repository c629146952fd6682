/**
 * The events that followers receive: committed records by cursor, and between them the running reply. Text is coalesced: a fast model
 * causes one event per turn of the event loop, not one per token.
 */
import type { Store } from '../../store/index.ts'
import type { CallId, JsonObject, SessionId, TurnId } from '../../base/index.ts'
import { isTurn, type PendingApproval, type Phase, type RecordView, type ServerPayloads } from '../../protocol/index.ts'
import type { Journal } from './journal.ts'
import type { OwnKind } from './event-kinds.ts'

/** Records sent at once to a follower that is catching up. */
export const followPage = 500

type Payload<Type extends keyof ServerPayloads> = { readonly type: Type } & Readonly<ServerPayloads[Type]>

/**
 * The events of a session, in order: every record after the follower's cursor, one `snapshot`, then live events. A `delta` is the
 * coalesced text of one turn of the event loop. All followers receive the same object, so that it is serialized once.
 */
export type KernelEvent =
  /** `body`: the record's body as JSON, where it is at hand. */
  | { readonly type: 'record'; readonly record: RecordView; readonly body?: string }
  | Omit<Payload<'snapshot'>, 'request_id'>
  | Payload<'delta'>
  | Payload<'reply_restarted'>
  | Payload<'progress'>
  | Payload<'approval'>

export interface Events {
  /** @param body the record's body as JSON; absent: it is encoded again when sent */
  publish(record: RecordView, body?: string): void
  /** Those who wait for a record of any session; called with each, after its commit. */
  readonly watchers: Set<(record: RecordView) => void>
  /** @param listener called with the outcome of each turn, after all followers of its session */
  onTurnEnd(listener: (outcome: RecordView) => void): void
  delta(session: SessionId, turn: TurnId, call: CallId, text: string): void
  restarted(event: ServerPayloads['reply_restarted']): void
  progress(event: ServerPayloads['progress']): void
  /** To those who follow the session at the top of the agent whose call waits. */
  approval(event: ServerPayloads['approval']): void
  /** See `Kernel.follow`. */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void, past?: PastDelivery): Promise<() => void>
}

/** How a follower receives the past. */
export interface PastDelivery {
  /** Aborts it; has no effect afterwards. */
  readonly leaving?: AbortSignal
  /** Runs `work`, which reads one page and delivers it, when the follower can take more. */
  readonly pace?: (work: () => Promise<boolean>) => Promise<boolean>
}

interface Topic {
  readonly listeners: Set<(event: KernelEvent) => void>
  /** The streaming generation. `text` was sent, `waiting` comes after it: a slice of the whole would copy it each time. */
  running: { readonly turn: TurnId; readonly call: CallId; text: string; waiting: string } | null
}

export function createEvents(store: Store, pending: (session: SessionId) => readonly PendingApproval[]): Events {
  const topics = new Map<SessionId, Topic>()
  const dirty = new Set<SessionId>()
  const watchers: Events['watchers'] = new Set()
  const turnEndListeners: ((outcome: RecordView) => void)[] = []
  let flushing = false

  const topicOf = (session: SessionId): Topic => {
    let topic = topics.get(session)
    if (topic === undefined) topics.set(session, (topic = { listeners: new Set(), running: null }))
    return topic
  }
  const release = (session: SessionId): void => {
    const topic = topics.get(session)
    if (topic !== undefined && topic.listeners.size === 0 && topic.running === null) topics.delete(session)
  }
  const flushAll = (): void => {
    flushing = false
    for (const session of dirty) flushText(topics.get(session), session)
    dirty.clear()
  }
  const publishTo = (session: SessionId, record: RecordView, body: string | undefined): void => {
    const topic = topics.get(session)
    if (topic === undefined) return
    flushText(topic, session)
    // The outcome of a generation contains its whole text, which replaces the streamed one.
    if (topic.running?.call === record.call && record.phase === 'outcome') topic.running = null
    emit(topic, { type: 'record', record, ...(body !== undefined && { body }) })
    release(session)
  }
  return {
    watchers,
    publish(record, body) {
      for (const watch of watchers) watch(record)
      if (record.session === '' || record.phase === 'exchange') return
      publishTo(record.session, record, body)
      if (isTurn(record) && record.phase === 'outcome') turnEndListeners.forEach((listener) => listener(record))
    },
    delta(session, turn, call, text) {
      const topic = topicOf(session)
      if (topic.running?.call !== call) topic.running = { turn, call, text: '', waiting: '' }
      topic.running.waiting += text
      dirty.add(session)
      if (!flushing) setImmediate(flushAll)
      flushing = true
    },
    onTurnEnd: (listener) => void turnEndListeners.push(listener),
    restarted(event) {
      const topic = topics.get(event.session)
      if (topic?.running?.call === event.call) topic.running = null
      emit(topic, { type: 'reply_restarted', ...event })
    },
    ...passing(topics),
    async follow(session, cursor, listener, past) {
      const inbox = createInbox(await clampToJournal(store, cursor), listener)
      const topic = topicOf(session)
      topic.listeners.add(inbox.receive)
      const stop = (): void => {
        topic.listeners.delete(inbox.receive)
        release(session)
      }
      await sendPast(store, session, inbox, past).catch((error: unknown) => {
        stop()
        throw error
      })
      inbox.goLive((seen) => snapshot(session, seen, topic.running, pending(session)))
      return stop
    },
  }
}

/** Transient events. */
function passing(topics: ReadonlyMap<SessionId, Topic>): Pick<Events, 'progress' | 'approval'> {
  return {
    progress: (event) => emit(topics.get(event.session), { type: 'progress', ...event }),
    approval: (event) => emit(topics.get(event.session), { type: 'approval', ...event }),
  }
}

/** If the journal ends before the cursor, it was restored to an earlier state, and everything after its end is new. */
async function clampToJournal(store: Store, cursor: number): Promise<number> {
  return cursor === 0 ? 0 : Math.min(cursor, (await store.head()).seq)
}

/** Emits the text of the running reply that has not been shown. */
function flushText(topic: Topic | undefined, session: SessionId): void {
  const running = topic?.running
  if (!running || running.waiting === '') return
  const { turn, call, text, waiting } = running
  running.text += waiting
  running.waiting = ''
  emit(topic, { type: 'delta', session, turn, call, offset: text.length, text: waiting })
}

function emit(topic: Topic | undefined, event: KernelEvent): void {
  topic?.listeners.forEach((listener) => listener(event))
}

function snapshot(session: SessionId, cursor: number, running: Topic['running'], pending: readonly PendingApproval[]): KernelEvent {
  const { turn = null, call = null, text = '' } = running ?? {}
  return { type: 'snapshot', session, cursor, turn, call, text, pending }
}

type RecordEvent = Extract<KernelEvent, { type: 'record' }>

/** Buffers live events of one follower until the past is complete, and drops repeated records. */
interface Inbox {
  receive(event: KernelEvent): void
  /** Passes on a record from the journal. */
  deliver(event: RecordEvent): void
  seen(): number
  /** @returns whether records were dropped from the buffer since the last call, so that they must be read from the journal */
  takeMissed(): boolean
  /** Releases the buffered events and the snapshot; from then on events pass directly. */
  goLive(summary: (seen: number) => KernelEvent): void
}

function createInbox(cursor: number, listener: (event: KernelEvent) => void): Inbox {
  let held: RecordEvent[] | null = []
  let missed = false
  let seen = cursor
  const deliver = (event: RecordEvent): void => {
    if (event.record.seq <= seen) return
    seen = event.record.seq
    listener(event)
  }
  return {
    receive(event) {
      if (event.type !== 'record') {
        // Text that streams before is part of the snapshot.
        if (held === null) listener(event)
      } else if (held === null) deliver(event)
      else {
        missed ||= held.length === followPage
        if (held.length === followPage) held = []
        held.push(event)
      }
    },
    deliver,
    seen: () => seen,
    takeMissed() {
      const taken = missed
      missed = false
      return taken
    },
    goLive(summary) {
      held?.forEach(deliver)
      held = null
      listener(summary(seen))
    },
  }
}

/** All phases but `exchange`, whose bytes are for replay and audit only. */
export const followedPhases: readonly Phase[] = ['intent', 'parked', 'decided', 'started', 'outcome', 'refused', 'reconciled']

async function sendPast(store: Store, session: SessionId, inbox: Inbox, { leaving, pace = (work) => work() }: PastDelivery = {}) {
  /** @returns whether that was all. */
  const sendPage = async (): Promise<boolean> => {
    leaving?.throwIfAborted()
    const page = await store.records({
      session,
      after: inbox.seen(),
      phases: followedPhases,
      order: 'oldest_first',
      limit: followPage,
      hydrate: true,
    })
    for (const { previous: _, hash: __, body, ...record } of page)
      inbox.deliver({ type: 'record', record: { ...record, body: JSON.parse(body) }, body })
    return page.length < followPage && !inbox.takeMissed()
  }
  while (!(await pace(sendPage))) {}
}

/** Notes an event of a subsystem. @param fields ids, names and counts; never what people said */
export type NoteEvent = (kind: OwnKind, fields: JsonObject, session?: SessionId | '') => void

export function createNoteEvent(journal: Pick<Journal, 'note'>, newId: () => string): NoteEvent {
  return (kind, fields, session = '') =>
    journal.note([
      { caller: { actor: 'kernel', session, turn: '' }, call: newId() as CallId, name: `event.${kind}`, phase: 'exchange', body: fields },
    ])
}
