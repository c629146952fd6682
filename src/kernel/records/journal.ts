/**
 * The journal: the only history. It turns entries into records, commits the rows that they change in the same transaction, and notifies
 * followers after the commit, in order.
 *
 * When the store fails, the journal fails permanently: every later append is refused with the same failure, so the guest becomes
 * read-only and nothing happens unrecorded.
 */
import { type Append, type Erased, type KeptBody, type Projection, rowMark, type SessionRow, type Store } from '../../store/index.ts'
import {
  type CallId,
  type Clock,
  createRecentMap,
  type Failure,
  isOxbowError,
  type JsonObject,
  type SessionId,
  toError,
  toFailure,
} from '../../base/index.ts'
import {
  declassifyCall,
  revokeCall,
  summarizeCall,
  type Call,
  type Caller,
  type Charged,
  isTaken,
  type NewRecord,
  noSpend,
  type Phase,
  type RecordView,
  type Spend,
} from '../../protocol/index.ts'
import type { Sessions } from './sessions.ts'
import { type DocumentChange, documentChanges, documentProjections } from '../state/documents.ts'

/** Lanes that are held, about 100 bytes each; a lane that was evicted is claimed again by its next turn. */
const maxHeldEpochs = 10_000

/** Calls whose intents a takeover refused, until their outcomes arrive too: at most one for each call that runs at the same time. */
const maxLostIntents = 10_000

/** Records that may wait for the store before their producers wait too: a tenth of what the store refuses. */
const maxRecordsBehind = 10_000

/** Bodies named by one record of an erasure: with more, its body would not fit into the journal itself, where an audit reads it directly. */
const maxErasedAtOnce = 200

export interface Entry {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  readonly body: JsonObject
  /** Of an outcome; see `Call.projection`. */
  readonly projection?: Call['projection']
}

interface AppendOptions {
  /** Its intent may have been sent before; it is then not observed. */
  readonly unique?: boolean
  readonly sync?: boolean
  /** Nothing waits for it: it may be delayed to be committed with others. */
  readonly lazy?: boolean
  /** Replaces the epoch of the session's lane. */
  readonly fence?: NonNullable<Append['fence']>
  /** Committed with the entries. */
  readonly memory?: NonNullable<Append['memory']>
}

export interface Journal {
  readonly store: Store
  attach(listener: JournalListener): void
  /** Set once the store has failed, in an append or in a read that found damage. */
  fault(): Failure | null
  /** Makes the journal refuse everything from now on, because of a failure outside of an append. */
  fail(error: unknown): void
  /**
   * Resolves when the entries are durable. `duplicate`: they would have begun or ended a call a second time, and were not written.
   * @throws OxbowError as Store.append does, the same one ever after a fault.
   */
  append(entries: readonly Entry[], options?: AppendOptions): Promise<{ readonly firstSeq: number; readonly duplicate: boolean }>
  /** Every append of the session carries this epoch from now on; the store refuses a stale one. */
  fence(session: SessionId, epoch: number): void
  /** @returns whether appends of the session carry an epoch that is not known to be stale */
  isFenced(session: SessionId): boolean
  /** Like `append`, for records that nothing waits for: a failure sets the fault. */
  note(entries: readonly Entry[], options?: AppendOptions): void
  /**
   * Erases bodies like `Store.erase`, and records that before: without the record an audit reports tampering. Caches are dropped.
   * @param of the call that erases; the record is a step of it
   * @param archived set where the bodies are kept elsewhere: what the record says of some of them besides
   */
  erase(of: StepOf, seqs: readonly number[], reason: string, archived?: (seqs: readonly number[]) => JsonObject): Promise<Erased>
  /** Puts bodies back; see `Store.restoreBodies`. Caches are dropped. */
  restoreBodies(bodies: readonly KeptBody[]): Promise<number>
  /** How many times bodies were erased since the start: what was cached before an erasure is invalid. */
  erasures(): number
  /** Whether so many records wait for the store that producers should await `flushed`. */
  isBehind(): boolean
  /** Resolves when everything appended so far is in the store or has failed. */
  flushed(): Promise<void>
}

type StepOf = Pick<Entry, 'caller' | 'call' | 'name'>

interface JournalDeps {
  readonly store: Store
  readonly clock: Clock
  /** The rows that an entry changes. */
  readonly project: (entry: Entry, at: number, index: number) => readonly Projection[]
}

/** An entry with the session of its caller. */
type ObservedEntry = Entry & { readonly session: SessionId | '' }

/** A subsystem that follows the journal. Listeners are called in the order in which they were attached. */
interface JournalListener {
  /** Replaces the secrets in a body before anything else sees it. @returns the same body when it has none */
  readonly hide?: (body: JsonObject) => JsonObject
  /** Called at once, before the commit, in order: state in memory must not lag behind the next call. */
  readonly observe?: (entry: ObservedEntry) => void
  /** Called after the commit, in order. @param body the record's body, as stored */
  readonly publish?: (record: RecordView, body: string) => void
  readonly onFault?: (failure: Failure) => void
  /** Called when another worker has taken over a session. Until it resolves, appends of the session carry the stale epoch. */
  readonly onStale?: (session: SessionId) => Promise<void>
  /** Called when bodies were erased or another worker has written: cached records may differ from the store's. */
  readonly onChanged?: () => void
}

export function createJournal({ store, clock, project }: JournalDeps): Journal {
  const listeners = createListeners()
  let failure: Failure | null = null
  const [epochs, lost] = [createEpochs(listeners.stale), createLostCalls()]
  let newest: Promise<void> = Promise.resolve()
  let [waiting, erasures] = [0, 0]
  const written = (): void => void (waiting -= 1)

  const fail = (error: unknown): void => {
    if (failure !== null) return
    failure = toFailure(error, 'store_failed', 'Restart the guest; `oxbow audit verify` shows what is intact.')
    listeners.fault(failure)
  }

  const append: Journal['append'] = async (received, options = {}) => {
    if (failure !== null) throw toError(failure)
    if (lost.ends(received)) return { firstSeq: 0, duplicate: true }
    const entries = received.map(listeners.withoutSecrets)
    const at = clock.now()
    const changes = entries.map((entry, index) => project(entry, at, index))
    const [marked, projections] = [entries.map((entry, index) => withRow(entry, changes[index])), changes.flat()]
    const records = marked.map((entry) => recordOf(entry, at))
    const fence = options.fence ?? epochs.fenceOf(entries[0]?.caller.session ?? '')
    if (options.unique !== true) entries.forEach(listeners.observe)
    try {
      const writing = store.append({ records, projections, ...options, ...(fence !== undefined && { fence }) })
      const earlier = newest
      waiting += 1
      // The store accepts appends in order; a refusal may come sooner.
      newest = writing.then(written, () => (written(), earlier))
      const appended = await writing
      if (!appended.duplicate) marked.forEach((entry, i) => listeners.publish(view(entry, at, appended.firstSeq + i), records[i]!.body))
      return appended
    } catch (error) {
      // A stale epoch refuses one append; any other error is a failure of the store.
      if (!isOxbowError(error, 'stale_epoch')) fail(error)
      else if (fence !== undefined) void epochs.lose(fence)
      if (failure === null) lost.add(entries)
      throw error
    }
  }

  return {
    store,
    fault: () => failure ?? faultOf(store),
    attach: listeners.attach,
    fail,
    append,
    fence: epochs.fence,
    isFenced: epochs.isFenced,
    flushed: () => newest,
    async erase(of, seqs, reason, archived) {
      const total = { bodies: 0, blobs: 0, kept: [] as number[] }
      for (let at = 0; at < seqs.length; at += maxErasedAtOnce) {
        const some = seqs.slice(at, at + maxErasedAtOnce)
        await append([{ ...of, phase: 'exchange', body: { erases: some, reason, ...archived?.(some) } }], { sync: true })
        const { bodies, blobs, kept } = await (archived === undefined ? store.erase(some, reason) : store.archive(some, reason))
        erasures += 1
        listeners.changed()
        ;[total.bodies, total.blobs] = [total.bodies + bodies, total.blobs + blobs]
        total.kept.push(...kept)
      }
      return total
    },
    restoreBodies: (bodies) => store.restoreBodies(bodies).finally(listeners.changed),
    erasures: () => erasures,
    isBehind: () => waiting > maxRecordsBehind,
    note: (entries, options) => void append(entries, options).catch(() => {}),
  }
}

/** Calls all listeners, in the order in which they were attached. */
function createListeners() {
  const listeners: JournalListener[] = []
  const changed = (): void => {
    for (const listener of listeners) listener.onChanged?.()
  }
  return {
    attach: (listener: JournalListener): void => void listeners.push(listener),
    observe(entry: Entry): void {
      const observed = { ...entry, session: entry.caller.session }
      for (const listener of listeners) listener.observe?.(observed)
    },
    withoutSecrets(entry: Entry): Entry {
      const body = listeners.reduce((before, listener) => listener.hide?.(before) ?? before, entry.body)
      return body === entry.body ? entry : { ...entry, body }
    },
    publish(record: RecordView, body: string): void {
      for (const listener of listeners) listener.publish?.(record, body)
    },
    fault(failure: Failure): void {
      for (const listener of listeners) listener.onFault?.(failure)
    },
    async stale(session: SessionId): Promise<void> {
      await Promise.all(listeners.flatMap((listener) => listener.onStale?.(session) ?? []))
      changed()
    },
    changed,
  }
}

/** The epochs of the lanes that this guest holds. */
function createEpochs(onStale: (session: SessionId) => Promise<void>) {
  const held = createRecentMap<SessionId, { readonly epoch: number; isStale: boolean }>(maxHeldEpochs)
  return {
    fence: (session: SessionId, epoch: number): void => held.put(session, { epoch, isStale: false }),
    isFenced: (session: SessionId): boolean => held.get(session)?.isStale === false,
    fenceOf(session: SessionId | ''): Append['fence'] {
      const lane = session === '' ? undefined : held.get(session)
      return session === '' || lane === undefined ? undefined : { session, epoch: lane.epoch }
    },
    async lose({ session, epoch }: NonNullable<Append['fence']>): Promise<void> {
      const lane = held.get(session)
      // Appends that are under way are refused after a new claim, too.
      if (lane === undefined || lane.epoch !== epoch || lane.isStale) return
      lane.isStale = true
      await onStale(session)
      if (held.get(session) === lane) held.delete(session)
    },
  }
}

function faultOf(store: Store): Failure | null {
  const met = store.fault()
  return met === null ? null : toFailure(met, 'store_failed', '')
}

/** Calls whose beginning was refused because their session was taken over: without one, they have no end. */
function createLostCalls() {
  const lost = createRecentMap<CallId, true>(maxLostIntents)
  return {
    add(entries: readonly Entry[]): void {
      for (const { call, phase } of entries) if (phase === 'intent') lost.put(call, true)
    },
    /** @returns whether the entries would end such a call; one that starts over has none any more */
    ends(entries: readonly Entry[]): boolean {
      for (const { call, phase } of entries) if (phase === 'intent') lost.delete(call)
      return entries.some(({ call, phase }) => (phase === 'outcome' || phase === 'reconciled') && lost.get(call) === true)
    },
  }
}

/** @returns the entry, whose body says which row of a session it leaves: followers see what is stored */
function withRow(entry: Entry, changes: readonly Projection[] = []): Entry {
  const row = changes.findLast((change) => change.kind === 'session')?.session
  return row === undefined ? entry : { ...entry, body: { ...entry.body, session_row: [row.id, rowMark(row)] } }
}

function recordOf({ caller, call, name, phase, body }: Entry, at: number): NewRecord {
  const { actor, session, turn } = caller
  return { at, actor, session, turn, call, name, phase, body: JSON.stringify(body) }
}

function view({ caller, call, name, phase, body }: Entry, at: number, seq: number): RecordView {
  return { seq, at, actor: caller.actor, session: caller.session, turn: caller.turn, call, name, phase, body }
}

/** What the budgets above a session make of its records. */
interface BudgetRows {
  /** Charges a call that a crash interrupted. */
  reconcile(session: SessionId | '', spent: Spend, charged: Charged | undefined): void
  created(session: SessionId): void
  projections(session: SessionId | '', ended: SpentBy): readonly Projection[]
  observe(changes: readonly DocumentChange[]): void
}

interface SpentBy {
  readonly spent: Spend | undefined
  readonly charged: Charged | undefined
  readonly at: number
  readonly ms: number
}

interface ProjectorDeps {
  readonly sessions: Sessions
  readonly budgets: BudgetRows
  /** Whether the message of an entry is part of its conversation. */
  readonly carriesConversation: (entry: Entry) => boolean
}

/**
 * @returns a function from an entry, its time and its index in the append to the rows that are committed with it, which could be made
 * again from the journal (see the decision "The journal is the only history")
 */
export function createProjector({ sessions, budgets, carriesConversation }: ProjectorDeps): JournalDeps['project'] {
  const sessionRow = (entry: Entry, at: number) => {
    const { caller, call, name, phase, body } = entry
    const { session } = caller
    const changes = body['status'] === 'ok' ? entry.projection : undefined
    if (changes === 'new_session') {
      budgets.created(body['id'] as SessionId)
      return sessions.created(body['id'] as SessionId, body['title'] as string, at)
    }
    if (changes === 'session' && body['change'] !== undefined)
      return sessions.kept(body['session'] as SessionId, body['change'] as Partial<SessionRow>)
    if (session === '') return null
    if (name === summarizeCall && phase === 'exchange' && 'epoch' in body) return sessions.changed(session, { summary: call })
    if (changes === 'scratchpad') return sessions.changed(session, { scratchpad: call })
    const beginsTurn = isTaken({ name, phase }) && body['into'] === undefined
    return beginsTurn
      ? sessions.turnStarted(session, body['text'] as string, at)
      : phase === 'outcome' || phase === 'intent' || name === declassifyCall || name === revokeCall
        ? sessions.takeChanged(session)
        : null
  }

  return (entry, at, index) => {
    const { session } = entry.caller
    const projections: Projection[] = []
    const row = sessionRow(entry, at)
    if (row) projections.push({ kind: 'session', session: row })
    if (carriesConversation(entry)) projections.push({ kind: 'message', record: index })
    const spent = entry.body['spent'] as Spend | undefined
    const charged = entry.body['charged'] as Charged | undefined
    if ((spent !== undefined || charged !== undefined) && entry.phase !== 'intent') {
      // The gate settles the calls that it ran; interrupted ones are counted here.
      if (entry.phase === 'reconciled') budgets.reconcile(session, spent ?? noSpend, charged)
      const ms = typeof entry.body['ms'] === 'number' ? entry.body['ms'] : 0
      projections.push(...budgets.projections(session, { spent, charged, at, ms }))
    }
    if (entry.phase === 'exchange' && 'documents' in entry.body) {
      budgets.observe(documentChanges(entry.phase, entry.body))
      projections.push(...documentProjections(entry, index))
    }
    return projections
  }
}
