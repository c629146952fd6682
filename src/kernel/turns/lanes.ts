/**
 * Lanes: one for each session, which runs one turn at a time, in order. A message that arrives during a turn waits in its lane and is
 * offered to that turn at its next step; if the turn does not take it, it becomes a turn of its own.
 *
 * A turn is the `run` of its message's `turn.send` call, so the gate records its intent and outcome like those of any call.
 */
import type { TurnResult } from '../../runtime/index.ts'
import {
  type Attachment,
  type Caller,
  type CallId,
  type Clock,
  type Config,
  type JsonObject,
  type KeptFile,
  OxbowError,
  type Sandbox,
  type SandboxStatus,
  type SessionId,
  type TurnId,
  type UserId,
} from '../../types/index.ts'
import { leaseMs, maxQueuedMessages } from '../limits.ts'
import type { Entry, Journal } from '../journal.ts'
import { shutdown, startLimit, stopReason } from '../stages/running-calls.ts'
import { giveUpCalls } from './recovery.ts'

export interface TurnInput {
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly KeptFile[] | undefined
}

export interface Mail {
  readonly id: CallId
  readonly text: string
  readonly attachments?: readonly Attachment[]
}

export type LaneResult = TurnResult | { readonly status: 'merged'; readonly into: TurnId; readonly reply: '' }

/** A turn, as a lane passes it to the agent. */
export interface LaneTurn {
  readonly id: TurnId
  readonly caller: Caller
  readonly input: TurnInput
  readonly resumed: boolean
  readonly signal: AbortSignal
  hasMail(): boolean
  /** Takes all waiting messages, and records them as part of this turn. */
  takeMail(): Promise<readonly Mail[]>
  /** Files of its own message and of those it has taken since. */
  attachments(): readonly Attachment[]
  /** The time limit pauses while the turn waits for a user. */
  onWait(waiting: boolean): void
}

/** How far a message had come before a crash. */
export interface TurnPast {
  readonly started: boolean
  /** The turn that took it. */
  readonly into: TurnId | null
  readonly cancelled: boolean
}

export interface Lanes {
  /** Queues a message and resolves when its turn, or the turn that took it, has ended. */
  run(id: CallId, caller: Caller, input: TurnInput, signal: AbortSignal, past: TurnPast): Promise<LaneResult>
  /** Observes an entry that is being appended: after the outcome of a turn the next turn begins. */
  observe(entry: Pick<Entry, 'name' | 'phase' | 'call'> & { readonly session: SessionId | '' }): void
  /** @returns whether a turn was running */
  cancel(session: SessionId): boolean
  /** @returns whether a turn runs */
  isRunning(session: SessionId): boolean
  /** Every session with a turn that runs. */
  running(): readonly RunningTurn[]
  /** @returns whether a turn runs or waits, or a message is being sent */
  isBusy(session: SessionId): boolean
  /** Reserves a place for a message that is about to be sent; `admitted` releases it. @returns false when the lane is full */
  admit(session: SessionId): boolean
  admitted(session: SessionId): void
  /** Leaves the session's turns and messages to another worker that has taken it over. Resolves when nothing runs here. */
  lose(session: SessionId): Promise<void>
  /** Interrupts every turn; its intent stays open, and it continues at the next start. */
  stop(): Promise<void>
}

export interface RunningTurn {
  readonly session: SessionId
  readonly turn: TurnId
  /** Unix milliseconds. */
  readonly since: number
  /** Messages that wait for it to end, or to take them. */
  readonly waiting: number
}

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
  running: { readonly id: TurnId; readonly since: number; readonly controller: AbortController; readonly ended: Promise<unknown> } | null
}

interface LaneDeps {
  readonly clock: Clock
  readonly journal: Journal
  readonly sandbox: Pick<Sandbox, 'status'>
  readonly user: UserId
  readonly config: Pick<Config['turn'], 'time_limit_s'>
  readonly runTurn: (turn: LaneTurn) => Promise<TurnResult>
  /** Turns that resume after a crash; they are not in their lanes at once. */
  readonly recovered: ReadonlyMap<CallId, { readonly session: SessionId }>
}

export function createLanes(deps: LaneDeps): Lanes {
  const lanes = new Map<SessionId, Lane>()
  const admitting = new Map<SessionId, number>()
  let stopping = false

  const wake = (session: SessionId, lane: Lane): void => {
    if (lane.running !== null || lane.lost || stopping) return
    const next = lane.queue.shift()
    if (next === undefined) return void lanes.delete(session)
    const controller = new AbortController()
    const ended = runNext(deps, lane, next, controller).then(next.done.resolve, next.done.reject)
    lane.running = { id: turnId(next.id), since: deps.clock.now(), controller, ended }
  }

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
      if (name !== 'turn.send' || phase !== 'outcome' || lane?.running?.id !== turnId(call)) return
      // The store does not have the outcome yet.
      queueMicrotask(() => {
        lane.running = null
        wake(session as SessionId, lane)
      })
    },
    cancel(session) {
      const running = lanes.get(session)?.running
      running?.controller.abort('cancelled')
      return Boolean(running)
    },
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
    async lose(session) {
      const lane = lanes.get(session)
      if (lane !== undefined) await leave(Object.assign(lane, { lost: true }))
      if (lanes.get(session) === lane) lanes.delete(session)
    },
    async stop() {
      stopping = true
      await Promise.all([...lanes.values()].map(leave))
    },
  }
}

/** Interrupts the running turn and rejects the waiting messages; both stay open in the journal. */
async function leave(lane: Lane): Promise<void> {
  lane.running?.controller.abort('shutdown')
  await lane.running?.ended
  for (const waiting of lane.queue) waiting.done.reject(shutdown())
}

async function runNext(deps: LaneDeps, lane: Lane, next: Waiting, controller: AbortController): Promise<LaneResult> {
  const { journal } = deps
  const session = next.caller.session as SessionId
  const id = turnId(next.id)
  const staysOpen = (): boolean => lane.lost || stopReason(controller.signal) === 'shutdown'
  const limit = startLimit(deps.clock, deps.config.time_limit_s * 1000, () => controller.abort('time_limit'), false)
  const stop = (): void => controller.abort(next.signal.reason)
  next.signal.addEventListener('abort', stop)
  if (next.past.cancelled) controller.abort('cancelled')
  try {
    if (!journal.isFenced(session)) await claim(deps, session)
    if (!next.past.started) {
      const body = { ...startedBody(next, indexed(filesOf(next), 0)), sandbox: sandboxOf(deps.sandbox.status) }
      const entry = { caller: next.caller, call: next.id, name: 'turn.send', phase: 'started', body } as const
      void journal.append([entry], { lazy: true }).catch(() => controller.abort('shutdown'))
    }
    const result = await deps.runTurn({
      id,
      caller: next.caller,
      input: next.input,
      resumed: next.past.started,
      signal: controller.signal,
      hasMail: () => lane.queue.some(isMail),
      // A turn that is ending takes no messages: they would end with it, unanswered.
      takeMail: async () => (controller.signal.aborted ? [] : takeMail(deps, lane, next, id)),
      attachments: () => indexed([next, ...lane.merged].flatMap(filesOf), 0),
      onWait: limit.pause,
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

/** A message that had begun a turn before a crash continues that turn. */
function isMail({ past }: Waiting): boolean {
  return !past.started
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
    return { caller: { ...waiting.caller, turn: into }, call: waiting.id, name: 'turn.send', phase: 'started' as const, body }
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
  return { text: input.text, ...(files.length > 0 && { attachments: files as unknown as JsonObject[] }) }
}

function filesOf({ input }: Waiting): readonly KeptFile[] {
  return input.attachments ?? []
}

function indexed(files: readonly KeptFile[], from: number): readonly Attachment[] {
  return files.map((file, i) => ({ index: from + i, ...file }))
}

/** Claims the lane until another worker does. A restarted guest has the same name, so it does not wait for the lease. */
async function claim({ journal, user }: LaneDeps, session: SessionId): Promise<void> {
  const epoch = await journal.store.claimLane(session, `guest:${user}`, leaseMs)
  if (epoch !== null) return journal.fence(session, epoch)
  throw new OxbowError('stale_epoch', `Another worker has session ${session}.`, { hint: `Try again in ${leaseMs / 1000} s.` })
}

const mergedInto = (into: TurnId): LaneResult => ({ status: 'merged', into, reply: '' })

const turnId = (call: CallId): TurnId => call as string as TurnId

export function queueFull(session: SessionId): OxbowError {
  return new OxbowError('limit_reached', `${maxQueuedMessages} messages are waiting in session ${session}.`, {
    hint: 'Wait until some are answered, or cancel the running turn.',
  })
}
