/**
 * Runs: the one way to do something later or longer. A run is a document of its owner: its name is the id of the run, which follows from
 * its cause, and its value says how far it is and when it goes on. So there is no second list of work to do. A run that is due is
 * taken on by `goOn` from where its document says it is; after a crash, a stop, or a time far away, this is done again from the document as
 * it is then. What it does on the way are calls, whose ids follow from the run, so that the gate repeats none: an outcome is final, and an
 * effect that may have happened is reconciled.
 *
 * One worker at a time has the runs of a kind, by a lease; see `lease.ts`. Timers are the documents' too: nothing but the next look at them
 * is in memory.
 */
import type { DocumentChange, Documents } from '../kernel/index.ts'
import type { Store } from '../store/index.ts'
import { type Clock, isOxbowError, type Random, retryDelayMs } from '../base/index.ts'
import { createLease, type Lease } from './lease.ts'
import { firstRunRetryMs, longestRunRetryMs, runEndMs, runLeaseMs } from './limits.ts'
import type { RunQueue } from './queue.ts'
import { createTimers, createWaits, type Timers, type Waits } from './timing.ts'

/** A run that goes on. */
export interface Run<State> {
  readonly id: string
  /** As its document is. */
  readonly state: State
  /**
   * Aborts with `cancelled`, or with `deadline` when its time is over, and the run records that it has ended; with `shutdown` when the guest
   * stops, or with `lost` when another worker has the run, and it records nothing.
   */
  readonly signal: AbortSignal
}

interface RunKind<State> {
  /** Of its lease. */
  readonly name: string
  /** Category of its documents. */
  readonly category: string
  /** When a run goes on, unix milliseconds; a time that has passed is now; Infinity: when its document changes. Null: it is over. */
  readonly dueAt: (state: State, id: string) => number | null
  /** When its time is over, whichever worker has it then; null, or absent: never. */
  readonly deadline?: (state: State) => number | null
  /**
   * Takes a run on. It is done once at a time, and again when it is due after its document has changed.
   * @returns when to look at it again though its document has not changed; nothing: never
   * @throws it goes on again later, unless it throws the reason of its signal
   */
  readonly goOn: (run: Run<State>) => Promise<number | void>
  /** Another worker has the runs now, and what is in memory of them is stale. */
  readonly onLost?: () => void
}

type Of = Parameters<Documents['put']>[0]

/** The runs of a kind, in this worker. */
export interface HeldRuns<State> {
  /** Takes on those that a crash or a stop left. Resolves when they are known; those that are due go on, in the order in which they were due. */
  load(): Promise<void>
  /** Begins a run: of several that begin the same one, the first does. @param more recorded with it @returns the run as it is */
  begin(of: Of, id: string, state: State, more?: readonly DocumentChange[]): Promise<State>
  /** Records changes that runs of this worker have made. @throws OxbowError `stale_epoch` if another worker has them */
  put(of: Of, changes: readonly DocumentChange[]): Promise<void>
  /** As `put`, of changes that follow from the document of a run; see `Documents.update`. `next` may be asked again. */
  update(of: Of, id: string, next: (current: State | null) => Promise<readonly DocumentChange[]>): Promise<void>
  /** Those that are not over, by their documents. */
  open(): readonly State[]
  /** Aborts its signal. Resolves when nothing of it runs, or after some seconds. */
  cancel(id: string): Promise<void>
}

export interface Runs extends Waits, Pick<Timers, 'at' | 'sleep' | 'look'> {
  /** As `Timers.pause`. @param signal absent: until the guest stops */
  pause(ms: number, signal?: AbortSignal): Promise<void>
  readonly queue: RunQueue
  /** @returns when the next run goes on, unix milliseconds: now if one does; null: none will by itself */
  next(): number | null
  /** Takes on runs of a kind from now on; see `HeldRuns.load`. */
  hold<State>(kind: RunKind<State>): HeldRuns<State>
  /** A lease of something else. @param onLost see `createLease` @param terms absent: as for kinds */
  lease(name: string, onLost: () => void, terms?: { readonly worker: string; readonly leaseMs: number }): Lease
  close(): Promise<void>
}

export interface RunsDeps {
  readonly store: Pick<Store, 'claimLane'>
  readonly documents: Documents
  readonly clock: Clock
  readonly random: Random
  readonly queue: RunQueue
  /** Who holds the leases. */
  readonly worker: string
  readonly leaseMs?: number
}

export function createRuns(deps: RunsDeps): Runs {
  const { clock, queue, leaseMs = runLeaseMs } = deps
  const timers = createTimers(clock)
  const held: Closable[] = []
  const closing = new AbortController()
  const lease: Runs['lease'] = (name, onLost, terms) => createLease({ ...deps, leaseMs, ...terms }, name, onLost)
  return {
    ...createWaits(timers, clock, closing.signal),
    at: timers.at,
    sleep: timers.sleep,
    pause: (ms, signal = closing.signal) => timers.pause(ms, signal),
    look: timers.look,
    queue,
    lease,
    next() {
      const due = Math.min(...held.map((runs) => runs.next()))
      return due === Infinity ? null : Math.max(due, clock.now())
    },
    hold(kind) {
      const runs = holdKind({ ...deps, timers, lease, leaseMs }, kind)
      held.push(runs)
      return runs
    },
    async close() {
      timers.stop()
      queue.stop()
      closing.abort('shutdown')
      await Promise.all(held.map((runs) => runs.close()))
    },
  }
}

interface Closable {
  /** When the first of them goes on; Infinity: none. */
  next(): number
  close(): Promise<void>
}

/** A run that is not over. */
interface Known<State> {
  state: State
  /** When it goes on; absent while it does, and while it waits for a change of its document. */
  alarm?: Disposable
  going?: { readonly control: AbortController; readonly done: Promise<void> }
  /** Its document has changed while it went on. */
  isChanged: boolean
  /** How often in a row its work has thrown. */
  failures: number
}

interface TableDeps<State> {
  readonly clock: Clock
  readonly timers: Timers
  readonly dueAt: RunKind<State>['dueAt']
  readonly deadline: NonNullable<RunKind<State>['deadline']>
  /** Takes a run on. Never rejects. @returns when to look again at what has not changed */
  readonly goOn: (id: string, run: Known<State>, signal: AbortSignal) => Promise<number>
  /** The first of them goes on, or the last one has stopped. */
  readonly onBusy: (isBusy: boolean) => void
}

/** The runs of a kind that are not over, each with its next time. */
function createTable<State>({ clock, timers, dueAt, deadline, goOn, onBusy }: TableDeps<State>) {
  const known = new Map<string, Known<State>>()
  let going = 0
  /** Plans when it goes on. @param notBefore though its document says earlier */
  const plan = (id: string, each: Known<State>, notBefore = -Infinity): void => {
    each.alarm?.[Symbol.dispose]()
    delete each.alarm
    each.isChanged = false
    const due = dueAt(each.state, id)
    if (due === null) return void known.delete(id)
    const at = Math.max(due, notBefore)
    if (at <= clock.now()) start(id, each)
    else if (at < Infinity) each.alarm = timers.at(at, () => start(id, each))
  }
  const start = (id: string, each: Known<State>): void => {
    delete each.alarm
    if (going === 0) onBusy(true)
    going += 1
    const control = new AbortController()
    const late = (): void => control.abort('deadline')
    const ends = deadline(each.state) ?? Infinity
    const limit = ends === Infinity ? undefined : timers.at(ends, late)
    if (ends <= clock.now()) late()
    const done = goOn(id, each, control.signal).then((notBefore) => {
      limit?.[Symbol.dispose]()
      going -= 1
      if (going === 0) onBusy(false)
      delete each.going
      if (known.get(id) === each) plan(id, each, each.isChanged && each.failures === 0 ? -Infinity : notBefore)
    })
    each.going = { control, done }
  }
  return {
    known: known as ReadonlyMap<string, Known<State>>,
    next: () =>
      Math.min(...[...known].map(([id, { state, going: under }]) => (under === undefined ? (dueAt(state, id) ?? Infinity) : -Infinity))),
    /** Takes in what a document says now; null: it was deleted. */
    take(id: string, state: State | null): void {
      const each = known.get(id)
      if (each === undefined) {
        if (state === null || dueAt(state, id) === null) return
        const fresh: Known<State> = { state, isChanged: false, failures: 0 }
        known.set(id, fresh)
        return plan(id, fresh)
      }
      if (state === null) {
        each.alarm?.[Symbol.dispose]()
        known.delete(id)
        return
      }
      each.state = state
      if (each.going === undefined) plan(id, each)
      else each.isChanged = true
    },
    /** Forgets all. Resolves when nothing of them runs. */
    drop(reason: 'lost' | 'shutdown'): Promise<unknown> {
      const left = [...known.values()]
      known.clear()
      for (const { alarm, going: under } of left) {
        alarm?.[Symbol.dispose]()
        under?.control.abort(reason)
      }
      return Promise.all(left.flatMap(({ going: under }) => under?.done ?? []))
    },
  }
}

type KindDeps = RunsDeps & Pick<Runs, 'lease'> & { readonly timers: Timers; readonly leaseMs: number }

function holdKind<State>(deps: KindDeps, kind: RunKind<State>): HeldRuns<State> & Closable {
  const { documents, clock, timers } = deps
  const { category, dueAt, deadline = () => null } = kind
  let standing: Disposable | undefined
  const lease = deps.lease(`runs/${kind.name}`, () => {
    kind.onLost?.()
    void table.drop('lost').then(load, load)
  })
  const goOn = async (id: string, run: Known<State>, signal: AbortSignal): Promise<number> => {
    try {
      if (!(await lease.hold())) standBy()
      // One that was cancelled meanwhile records that.
      if (signal.aborted && !isItsEnd(signal)) return Infinity
      const next = (await kind.goOn({ id, state: run.state, signal })) ?? Infinity
      run.failures = 0
      return next
    } catch (error) {
      run.failures += 1
      const isOver = signal.aborted && (error === signal.reason || !isItsEnd(signal))
      return isOver ? Infinity : clock.now() + retryMs(run.failures, deps.random)
    }
  }
  const table = createTable<State>({ clock, timers, dueAt, deadline, goOn, onBusy: (isBusy) => (isBusy ? lease.keep() : lease.rest()) })
  /** Another worker has them: they are looked at again when its lease may have run out. */
  const standBy = (): void => {
    void table.drop('lost')
    standing?.[Symbol.dispose]()
    standing = timers.at(clock.now() + deps.leaseMs, () => void load())
  }
  /** Takes on what is not known yet. Never rejects: what cannot be read is read again. */
  const load = async (): Promise<void> => {
    try {
      const found = await documents.all<State>(category)
      const due = found.filter(({ name, value }) => !table.known.has(name) && dueAt(value, name) !== null)
      if (due.length > 0 && !(await lease.hold())) return standBy()
      due.sort((a, b) => dueAt(a.value, a.name)! - dueAt(b.value, b.name)!)
      if (!isClosed) for (const { name, value } of due) table.take(name, value)
    } catch {
      standBy()
    }
  }
  let isClosed = false
  const watching = documents.watch(category, (id, value) => table.take(id, value as State | null))
  return {
    load,
    next: table.next,
    ...recordsOf<State>(deps, category, lease, () => {
      kind.onLost?.()
      standBy()
    }),
    open: () => [...table.known].flatMap(([id, { state }]) => (dueAt(state, id) === null ? [] : [state])),
    async cancel(id) {
      const under = table.known.get(id)?.going
      if (under === undefined) return
      under.control.abort('cancelled')
      const late = Promise.withResolvers<void>()
      using _ = timers.at(clock.now() + runEndMs, late.resolve)
      await Promise.race([under.done, late.promise])
    },
    async close() {
      isClosed = true
      watching[Symbol.dispose]()
      standing?.[Symbol.dispose]()
      await table.drop('shutdown')
      await lease.release().catch(() => {})
    },
  }
}

/** Whether a run that was aborted is to record its end, and does not go on elsewhere. */
function isItsEnd({ reason }: AbortSignal): boolean {
  return reason === 'cancelled' || reason === 'deadline'
}

function retryMs(failures: number, random: Random): number {
  return firstRunRetryMs + retryDelayMs(failures, random, { firstMs: firstRunRetryMs, maxMs: longestRunRetryMs })
}

/**
 * What a worker records, which is refused once another one has the runs: then that one goes on with them.
 * @param onRefused this worker has them no longer
 */
function recordsOf<State>(
  { documents }: KindDeps,
  category: string,
  lease: Lease,
  onRefused: () => void,
): Pick<HeldRuns<State>, 'begin' | 'put' | 'update'> {
  const fenced = async (record: () => Promise<void>, isRepeated: boolean): Promise<void> => {
    try {
      await record()
    } catch (error) {
      if (!isOxbowError(error, 'stale_epoch')) throw error
      lease.lose()
      onRefused()
      if (!isRepeated) throw error
      await record()
    }
  }
  const update: HeldRuns<State>['update'] = (of, id, next) =>
    fenced(async () => {
      const nextOf = async (current: { readonly value: State } | null) => next(current?.value ?? null)
      // Nobody's runs are claimed for what changes nothing.
      if (!lease.isHeld() && (await nextOf(await documents.get<State>(category, id))).length === 0) return
      // What is read may not change until it is recorded: whoever changes it claims the lease first.
      const { epoch } = await lease.fence()
      const fence = async () => ({ ...(await lease.fence()), epoch })
      await documents.update<State>(of, category, id, nextOf, { fence })
    }, true)
  return {
    update,
    put: (of, changes) => fenced(() => documents.put(of, changes, { fence: lease.fence }), false),
    async begin(of, id, state, more = []) {
      let now = state
      await update(of, id, async (current) => {
        now = current ?? state
        return current === null ? [{ category, name: id, value: state }, ...more] : []
      })
      return now
    },
  }
}
