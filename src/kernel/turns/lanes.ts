/**
 * Lanes: one for each session, which runs one turn at a time, in order. A message that arrives during a turn waits in its lane and is
 * offered to that turn at its next step; if the turn does not take it, it becomes a turn of its own.
 *
 * Of the turns that people and programs send, `turn.max_running` run at once over all lanes; the others begin in the order in which they
 * came. Turns of runs have their own admission, so that a turn which waits for one never waits for itself.
 *
 * A turn is the `run` of its message's `turn.send` call, so the gate records its intent and outcome as for any call.
 */
import {
  type CallId,
  type Clock,
  isDerived,
  type JsonObject,
  OxbowError,
  type SessionId,
  type TurnId,
  type UserId,
} from '../../base/index.ts'
import {
  type Attachment,
  type Caller,
  type KeptFile,
  type LaneResult,
  type Mail,
  mayJoinTurn,
  type Sandbox,
  type SandboxStatus,
  turnCall,
  type TurnResult,
} from '../../protocol/index.ts'
import type { Config, TurnConfig } from '../../config/index.ts'
import type { Journal } from '../records/journal.ts'
import { shutdown, startLimit, stopReason } from '../stages/running-calls.ts'
import { giveUpCalls } from './recovery.ts'
import type { Lanes, LaneTurn, TurnInput, TurnPast } from './lanes-interface.ts'

/** Messages that may wait in one lane. */
const maxQueuedMessages = 1_000

/** Lease of a lane: after this long the sessions of a dead worker can be taken over. */
const leaseMs = 10_000

interface Waiting {
  readonly id: CallId
  readonly caller: Caller
  readonly input: TurnInput
  readonly past: TurnPast
  readonly signal: AbortSignal
  readonly done: PromiseWithResolvers<LaneResult>
}

interface Lane {
  queue: Waiting[]
  /** Messages that the running turn has taken. */
  merged: Waiting[]
  /** Another worker has taken it over, so no outcome is recorded here. */
  lost: boolean
  running: {
    readonly id: TurnId
    readonly since: number
    readonly controller: AbortController
    readonly ended: Promise<unknown>
    readonly place: TurnPlace
  } | null
}

interface LaneDeps {
  readonly clock: Clock
  readonly journal: Journal
  readonly sandbox: Pick<Sandbox, 'status'>
  readonly user: UserId
  readonly config: Pick<Config['turn'], 'time_limit_s' | 'max_running'>
  readonly turnConfig?: TurnConfig | undefined
  /** Whom a turn of the session begins with now: its name, and the handoff that gave the session to it; empty: it is its own. */
  readonly agentOf: (session: SessionId) => { readonly name: string; readonly handoff: string }
  /** A turn has to wait until another one ends. */
  readonly onHeldBack?: (session: SessionId, turn: TurnId) => void
  readonly runTurn: (turn: LaneTurn) => Promise<TurnResult>
  /** Turns that resume after a crash; they are not in their lanes at once. */
  readonly recovered: ReadonlyMap<CallId, { readonly session: SessionId }>
}

type RunDeps = LaneDeps & { readonly claimed: ReturnType<typeof createClaimed> }

export function createLanes(deps: LaneDeps): Lanes {
  const lanes = new Map<SessionId, Lane>()
  const admitting = new Map<SessionId, number>()
  const { claimed, wake, cancelWaiting, forget, stop } = createWaking({ ...deps, claimed: createClaimed(deps) }, lanes)

  return {
    run(id, caller, input, signal, past) {
      const session = caller.session as SessionId
      // After a crash: taken by a turn that has ended, and ends with it.
      if (past.into !== null && !deps.recovered.has(past.into as string as CallId)) return Promise.resolve(mergedInto(past.into))
      let lane = lanes.get(session)
      if (lane === undefined) lanes.set(session, (lane = { queue: [], merged: [], lost: false, running: null }))
      const waiting: Waiting = { id, caller, input, past, signal, done: Promise.withResolvers() }
      // After a crash: taken by a turn that is open again, and ends with it.
      if (past.into !== null) lane.merged.push(waiting)
      else lane.queue.push(waiting)
      wake(session, lane)
      return waiting.done.promise
    },
    observe({ session, name, phase, call }) {
      const lane = session === '' ? undefined : lanes.get(session)
      if (name !== turnCall || phase !== 'outcome' || lane?.running?.id !== turnId(call)) return
      // The store does not have the outcome yet.
      queueMicrotask(() => {
        const place = lane.running?.place
        lane.running = null
        // Lanes that have waited longer begin before the next message of this one.
        place?.leave()
        wake(session as SessionId, lane)
      })
    },
    cancel(session, waiting = false) {
      const lane = lanes.get(session)
      if (lane === undefined) return 0
      const running = lane.running === null || lane.running.controller.signal.aborted ? 0 : 1
      lane.running?.controller.abort('cancelled')
      return running + cancelWaiting(session, lane, waiting ? lane.queue.length : lane.running === null ? 1 : 0)
    },
    sessions: () => [...lanes.keys()],
    isRunning: (session) => lanes.has(session),
    running: () =>
      [...lanes].flatMap(([session, { running, queue }]) =>
        running === null ? [] : [{ session, turn: running.id, since: running.since, waiting: queue.length }],
      ),
    isBusy: (id) => lanes.has(id) || admitting.has(id) || [...deps.recovered.values()].some(({ session }) => session === id),
    admit(session) {
      const arriving = admitting.get(session) ?? 0
      if ((lanes.get(session)?.queue.length ?? 0) + arriving >= maxQueuedMessages) return false
      admitting.set(session, arriving + 1)
      return true
    },
    admitted(session) {
      const arriving = admitting.get(session) ?? 0
      if (arriving <= 1) admitting.delete(session)
      else admitting.set(session, arriving - 1)
    },
    claim: (session) => void claimed(session)?.catch(() => {}),
    async lose(session) {
      const lane = lanes.get(session)
      forget(session)
      if (lane !== undefined) await leave(Object.assign(lane, { lost: true }))
      lane?.running?.place.leave()
      if (lanes.get(session) === lane) lanes.delete(session)
    },
    async stop() {
      stop()
      await Promise.all([...lanes.values()].map(leave))
    },
  }
}

/** What begins the next turn of a lane. */
function createWaking(deps: RunDeps, lanes: Map<SessionId, Lane>) {
  let stopping = false
  const places = createTurnPlaces(deps.config.max_running, (session) => {
    const lane = lanes.get(session)
    if (lane !== undefined) wake(session, lane)
  })
  const wake = (session: SessionId, lane: Lane): void => {
    if (lane.running !== null || lane.lost || stopping) return
    const [first] = lane.queue
    if (first === undefined) {
      places.forget(session)
      return void lanes.delete(session)
    }
    const place = first.past.cancelled || !isFromOutside(first) ? freePlace : places.take(session)
    if (place === null) return deps.onHeldBack?.(session, turnId(first.id))
    lane.queue.shift()
    const controller = new AbortController()
    const ended = runNext(deps, lane, first, controller, place).then(first.done.resolve, first.done.reject)
    lane.running = { id: turnId(first.id), since: deps.clock.now(), controller, ended, place }
  }
  return {
    claimed: deps.claimed,
    wake,
    /** @returns how many of the first messages were cancelled: each ends as soon as its turn begins */
    cancelWaiting(session: SessionId, lane: Lane, count: number): number {
      const cancelled = lane.queue.slice(0, count).map((waiting) => ({ ...waiting, past: { ...waiting.past, cancelled: true } }))
      lane.queue = [...cancelled, ...lane.queue.slice(count)]
      wake(session, lane)
      return cancelled.length
    },
    forget: places.forget,
    stop: (): void => void (stopping = true),
  }
}

/** Interrupts the running turn and rejects the waiting messages; both stay open in the journal. */
async function leave(lane: Lane): Promise<void> {
  lane.running?.controller.abort('shutdown')
  await lane.running?.ended
  for (const waiting of lane.queue) waiting.done.reject(shutdown())
}

async function runNext(deps: RunDeps, lane: Lane, next: Waiting, controller: AbortController, place: TurnPlace): Promise<LaneResult> {
  const { journal } = deps
  const session = next.caller.session as SessionId
  const id = turnId(next.id)
  const staysOpen = (): boolean => lane.lost || stopReason(controller.signal) === 'shutdown'
  const limit = startLimit(deps.clock, deps.config.time_limit_s * 1000, () => controller.abort('time_limit'), false)
  const stop = (): void => controller.abort(next.signal.reason)
  next.signal.addEventListener('abort', stop)
  // The rights of its sender may have ended while it waited.
  if (next.past.cancelled || next.signal.aborted) controller.abort('cancelled')
  try {
    await deps.claimed(session)
    const agent = deps.agentOf(session)
    if (!next.past.started) {
      const facts = { sandbox: sandboxOf(deps.sandbox.status), config: deps.turnConfig?.generation() ?? 0, agent: { ...agent } }
      const body = { ...startedBody(next, indexed(filesOf(next), 0)), ...facts }
      const entry = { caller: next.caller, call: next.id, name: turnCall, phase: 'started', body } as const
      void journal.append([entry], { lazy: true }).catch(() => controller.abort('shutdown'))
    }
    if (next.past.hopeless === true) throw hopeless()
    const run = (turn: LaneTurn): Promise<TurnResult> => deps.turnConfig?.during(() => deps.runTurn(turn)) ?? deps.runTurn(turn)
    const result = await run({
      id,
      caller: next.caller,
      input: next.input,
      resumed: next.past.started,
      began: next.past.started ? next.past.began : agent.handoff,
      signal: controller.signal,
      hasMail: () => lane.queue.some(isMail),
      // A turn that is ending takes no messages: they would end with it, unanswered.
      takeMail: async () => (controller.signal.aborted ? [] : takeMail(deps, lane, next, id)),
      attachments: () => indexed([next, ...lane.merged].flatMap(filesOf), 0),
      onWait(waiting) {
        limit.pause(waiting)
        place.lend(waiting)
      },
    })
    if (staysOpen()) throw shutdown()
    for (const merged of lane.merged) merged.done.resolve(mergedInto(id))
    return result
  } catch (error) {
    // A failure in an interrupted turn is not its outcome.
    const reason = staysOpen() ? shutdown() : error
    for (const merged of lane.merged) merged.done.reject(reason)
    throw reason
  } finally {
    lane.merged = []
    limit.end()
    next.signal.removeEventListener('abort', stop)
    // Open calls are closed before the turn's outcome is recorded. If that fails, they stay open, and so does the turn.
    if (next.past.started && !staysOpen()) await giveUpCalls(journal, id).catch(stayOpen)
  }
}

/** Messages of people and programs. The turn of a run, in a session that was made for it, has its place in the queue of runs. */
function isFromOutside({ id, caller }: Waiting): boolean {
  const isRun = isDerived(id) && isDerived(caller.session)
  return !isRun && (caller.actor.startsWith('user:') || caller.actor.startsWith('key:'))
}

/**
 * A place for a turn that runs. A session whose turn finds none waits; sessions are served in the order in which they came. A turn that
 * waits for a person lends its place: an approval may take days.
 */
interface TurnPlace {
  /** While the turn waits for a person another one may run; it goes on at once, even if all places are taken. */
  lend(isLent: boolean): void
  /** The turn has ended. */
  leave(): void
}

/** Of a turn that is not counted. */
const freePlace: TurnPlace = { lend() {}, leave() {} }

interface TurnPlaces {
  /** @returns null when all are taken; `onFree` is called later */
  take(session: SessionId): TurnPlace | null
  /** The session does not wait any more. */
  forget(session: SessionId): void
}

/** @param onFree called with the session that has waited longest when a place may be free */
function createTurnPlaces(max: number, onFree: (session: SessionId) => void): TurnPlaces {
  let taken = 0
  const waiting = new Set<SessionId>()
  const fill = (): void => {
    for (const session of waiting) {
      if (taken >= max) return
      waiting.delete(session)
      onFree(session)
    }
  }
  const take = (): TurnPlace => {
    taken += 1
    let isLent = false
    let hasLeft = false
    const lend = (next: boolean): void => {
      if (hasLeft || next === isLent) return
      isLent = next
      taken += isLent ? -1 : 1
      fill()
    }
    return {
      lend,
      leave() {
        lend(true)
        hasLeft = true
      },
    }
  }
  return {
    take(session) {
      if (taken < max) return take()
      waiting.add(session)
      return null
    },
    forget: (session) => void waiting.delete(session),
  }
}

/** A message that had begun a turn before a crash continues that turn; one of a program with tools is a turn of its own. */
function isMail({ past, input }: Waiting): boolean {
  return !past.started && input.client === undefined && input.continues === undefined && mayJoinTurn(input.source)
}

function stayOpen(): never {
  throw shutdown()
}

async function takeMail({ journal }: LaneDeps, lane: Lane, own: Waiting, into: TurnId): Promise<readonly Mail[]> {
  const taken = lane.queue.filter(isMail)
  lane.queue = lane.queue.filter((waiting) => !isMail(waiting))
  let files = [own, ...lane.merged].flatMap(filesOf).length
  lane.merged.push(...taken)
  const mail: Mail[] = []
  const entries = taken.map((waiting) => {
    const attachments = indexed(filesOf(waiting), files)
    files += attachments.length
    mail.push({ id: waiting.id, text: waiting.input.text, attachments })
    const body = { ...startedBody(waiting, attachments), into }
    return { caller: { ...waiting.caller, turn: into }, call: waiting.id, name: turnCall, phase: 'started' as const, body }
  })
  if (entries.length > 0) await journal.append(entries)
  return mail
}

/** The sandbox of a turn, recorded at its start: it shows later what could have happened in the turn. */
function sandboxOf({ asked, tier, provider, limits, degraded }: SandboxStatus): JsonObject {
  return { asked, tier, provider, limits: [...limits], missing: [...degraded] }
}

/** The part of the conversation that a message contributes. */
function startedBody({ input }: Waiting, files: readonly Attachment[]): JsonObject {
  return {
    text: input.text,
    ...(input.continues && { continues: true }),
    ...(files.length > 0 && { attachments: files as unknown as JsonObject[] }),
  }
}

function filesOf({ input }: Waiting): readonly KeptFile[] {
  return input.attachments ?? []
}

function indexed(files: readonly KeptFile[], from: number): readonly Attachment[] {
  return files.map((file, i) => ({ index: from + i, ...file }))
}

/** Claims lanes until another worker does. A restarted guest has the same name, so it does not wait for the lease. */
function createClaimed({ journal, user }: LaneDeps): (session: SessionId) => Promise<void> | null {
  const underway = new Map<SessionId, Promise<void>>()
  const claim = async (session: SessionId): Promise<void> => {
    const epoch = await journal.store.claimLane(session, `guest:${user}`, leaseMs).finally(() => underway.delete(session))
    if (epoch !== null) return journal.fence(session, epoch)
    const hint = `Try again in ${leaseMs / 1000} s.`
    throw new OxbowError('stale_epoch', `Another worker has session ${session}.`, { hint })
  }
  return (session) => {
    if (journal.isFenced(session)) return null
    const claiming = underway.get(session) ?? claim(session)
    underway.set(session, claiming)
    return claiming
  }
}

function hopeless(): OxbowError {
  return new OxbowError('internal_failure', 'Oxbow crashed every time it ran this turn, so the turn is not run again.', {
    hint: 'Its log says why: oxbow logs. Send the message again in other words, or without the plugin that it needs.',
  })
}

const mergedInto = (into: TurnId): LaneResult => ({ status: 'merged', into, reply: '' })

const turnId = (call: CallId): TurnId => call as string as TurnId

export function queueFull(session: SessionId): OxbowError {
  return new OxbowError('limit_reached', `${maxQueuedMessages} messages are waiting in session ${session}.`, {
    hint: 'Wait until some are answered, or cancel the running turn.',
  })
}
