/**
 * Lanes: one for each session, one turn at a time, in order. A message that comes while a turn runs waits in its lane and
 * is offered to the running turn at its next step; what is not taken becomes a turn of its own.
 *
 * A turn is the `run` of its message's `turn.send` call, so the gate writes its intent and its outcome like any other's.
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

/** What a lane hands to the one who runs a turn. */
export interface LaneTurn {
  readonly id: TurnId
  readonly caller: Caller
  readonly input: TurnInput
  readonly resumed: boolean
  readonly signal: AbortSignal
  hasMail(): boolean
  /** Takes all waiting messages, now on record as part of this turn. */
  takeMail(): Promise<readonly Mail[]>
  /** Files that came with its own message and with those it has taken since. */
  attachments(): readonly Attachment[]
  /** Time does not count while a person is waited for. */
  onWait(waiting: boolean): void
}

/** What a crash left of a message's way. */
export interface TurnPast {
  readonly started: boolean
  /** The turn that took it up. */
  readonly into: TurnId | null
  readonly cancelled: boolean
}

export interface Lanes {
  /** Queues a message and resolves when its turn (or the turn it was merged into) has ended. */
  run(id: CallId, caller: Caller, input: TurnInput, signal: AbortSignal, past: TurnPast): Promise<LaneResult>
  /** Takes in an entry that is on its way to the journal: after the outcome of a turn the next one begins, behind what it has said. */
  observe(entry: Pick<Entry, 'name' | 'phase' | 'call'> & { readonly session: SessionId | '' }): void
  /** @returns whether a turn was running. */
  cancel(session: SessionId): boolean
  /** Whether a turn runs or waits, or a message is on its way. */
  isBusy(session: SessionId): boolean
  /** Takes a place for a message that is about to be sent. @returns false when the lane is full. Give it back by `admitted`. */
  admit(session: SessionId): boolean
  admitted(session: SessionId): void
  /** Another worker has the session: what runs or waits of it here is left to that one. Resolves when nothing of it is left. */
  lose(session: SessionId): Promise<void>
  /** Stops every turn where it stands; its intent stays open and it goes on at the next start. */
  stop(): Promise<void>
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
  /** Another worker has it: nothing that is said here is how a turn ended. */
  lost: boolean
  running: { readonly id: TurnId; readonly controller: AbortController; readonly ended: Promise<unknown> } | null
}

interface LaneDeps {
  readonly clock: Clock
  readonly journal: Journal
  readonly sandbox: Pick<Sandbox, 'status'>
  readonly user: UserId
  readonly config: Pick<Config['turn'], 'time_limit_s'>
  readonly runTurn: (turn: LaneTurn) => Promise<TurnResult>
  /** Turns that go on after a crash: they are not in their lanes at once. */
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
    lane.running = { id: turnId(next.id), controller, ended }
  }

  return {
    run(id, caller, input, signal, past) {
      const session = caller.session as SessionId
      // After a crash: taken up by a turn that is over, and ends with it.
      if (past.into !== null && !deps.recovered.has(past.into as string as CallId)) return Promise.resolve(mergedInto(past.into))
      let lane = lanes.get(session)
      if (lane === undefined) lanes.set(session, (lane = { queue: [], merged: [], lost: false, running: null }))
      const waiting: Waiting = { id, caller, input, past, signal, done: Promise.withResolvers() }
      // After a crash: taken up by a turn that is open again, and ends with it.
      if (past.into !== null) lane.merged.push(waiting)
      else lane.queue.push(waiting)
      wake(session, lane)
      return waiting.done.promise
    },
    observe({ session, name, phase, call }) {
      const lane = session === '' ? undefined : lanes.get(session)
      if (name !== 'turn.send' || phase !== 'outcome' || lane?.running?.id !== turnId(call)) return
      // The store is not told yet.
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

/** Stops what runs where it stands, and lets what waits go: both stay open in the journal. */
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
      // What a turn that is to end would take up ends with it, unanswered: it stays for the next.
      takeMail: async () => (controller.signal.aborted ? [] : takeMail(deps, lane, next, id)),
      attachments: () => indexed([next, ...lane.merged].flatMap(filesOf), 0),
      onWait: limit.pause,
    })
    if (staysOpen()) throw shutdown()
    for (const merged of lane.merged) merged.done.resolve(mergedInto(id))
    return result
  } catch (error) {
    // Whatever fails in a turn that is stopped where it stands is no outcome of it.
    const reason = staysOpen() ? shutdown() : error
    for (const merged of lane.merged) merged.done.reject(reason)
    throw reason
  } finally {
    lane.merged = []
    limit.end()
    next.signal.removeEventListener('abort', stop)
    // Before its outcome: what a turn did stands before what was said about it. What cannot be closed now stays open, and so does the turn.
    if (next.past.started && !staysOpen()) await giveUpCalls(journal, id).catch(stayOpen)
  }
}

/** What had begun a turn of its own before a crash goes on with that. */
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

/** What a turn is held by, as it begins: whoever reads the journal later sees what could have happened in it. */
function sandboxOf({ asked, tier, provider, limits, degraded }: SandboxStatus): JsonObject {
  return { asked, tier, provider, limits: [...limits], missing: [...degraded] }
}

/** What a message brings into the conversation. */
function startedBody({ input }: Waiting, files: readonly Attachment[]): JsonObject {
  return { text: input.text, ...(files.length > 0 && { attachments: files as unknown as JsonObject[] }) }
}

function filesOf({ input }: Waiting): readonly KeptFile[] {
  return input.attachments ?? []
}

function indexed(files: readonly KeptFile[], from: number): readonly Attachment[] {
  return files.map((file, i) => ({ index: from + i, ...file }))
}

/** Takes the lane until another worker does. A guest after a crash has the same name, so it need not wait for the lease. */
async function claim({ journal, user }: LaneDeps, session: SessionId): Promise<void> {
  const epoch = await journal.store.claimLane(session, `guest:${user}`, leaseMs)
  if (epoch !== null) return journal.fence(session, epoch)
  throw new OxbowError('stale_epoch', `Session ${session} is being worked on elsewhere.`, { hint: `Try again in ${leaseMs / 1000} s.` })
}

const mergedInto = (into: TurnId): LaneResult => ({ status: 'merged', into, reply: '' })

const turnId = (call: CallId): TurnId => call as string as TurnId

export function queueFull(session: SessionId): OxbowError {
  return new OxbowError('limit_reached', `${maxQueuedMessages} messages wait in session ${session}.`, {
    hint: 'Wait until some are answered, or cancel the running turn.',
  })
}
