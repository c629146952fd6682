/**
 * Running calls: their time limits, their cancellation, and the heartbeat of long ones. One timer serves all heartbeats and exists only
 * while calls run. Readers derive the ids of their calls and clients send requests again, so two may ask for the same call at once: it runs
 * once, and both get its outcome (`Flights`). Whoever asks later finds what was recorded; see `pastOf`.
 */
import { type CallId, type Clock, isOxbowError, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Call,
  type Caller,
  type FilesState,
  type Hands,
  isTurn,
  type Profile,
  type Sandbox,
  type ServerPayloads,
  toolPlace,
  type CallOutcome,
} from '../../protocol/index.ts'

/** Time between `progress` events of a running call: often enough to show that it is alive, at no noticeable cost. */
const heartbeatMs = 5_000

/** For comparing all files of a workspace: 500 000 take some seconds on a slow disk. */
export const fingerprintTimeoutMs = 60_000

/** Why a signal was aborted. `timeout`: the call's own limit; `time_limit`: the turn's; `budget`: a budget has no time left. */
export type StopReason = 'cancelled' | 'timeout' | 'time_limit' | 'budget' | 'shutdown'

/** @returns null while the signal is not aborted */
export function stopReason(signal: AbortSignal): StopReason | null {
  if (!signal.aborted) return null
  const reason: unknown = signal.reason
  return reason === 'timeout' || reason === 'time_limit' || reason === 'budget' || reason === 'shutdown' ? reason : 'cancelled'
}

/** The error that interrupts a turn when the guest stops. It is not an outcome, because the turn continues at the next start. */
export function shutdown(): OxbowError {
  return new OxbowError('cancelled', 'The guest is stopping.', { hint: 'The turn continues at the next start.', data: { shutdown: true } })
}

export function isShutdown(error: unknown): boolean {
  return isOxbowError(error, 'cancelled') && error.data['shutdown'] === true
}

export interface Watch {
  readonly signal: AbortSignal
  /** Settles with the work, or rejects when the signal has aborted and the work has not stopped within a grace period. */
  race<T>(work: Promise<T>): Promise<T>
  /** Waits for work that does not count against the call's time limit. */
  unhurried<T>(work: Promise<T>): Promise<T>
  /** Stops and restarts the count of the call's time limit; see TimeLimit. */
  pause(paused: boolean): void
  /** Stops it: a budget has no time left. */
  overBudget(): void
  /** Tells followers what the call has put out so far. */
  progress(output: string): void
  leave(): void
}

/** @param unchanged state of the files for which the call was allowed: its program does not start where they have changed; null: any */
export function startsWhileUnchanged(sandbox: Sandbox, unchanged: FilesState | null): Sandbox {
  if (unchanged === null) return sandbox
  const state = { digest: unchanged.digest, except: [...unchanged.except] }
  // What it starts next sees what the first one has changed.
  let isFirst = true
  const ask = (hands: Hands, profile: Profile): Hands['ask'] =>
    async function (op, input, options) {
      const starts = isFirst && (op === 'exec' || op === 'sessionOpen' || op === 'sessionWrite')
      if (!starts) return hands.ask(op, input, options)
      isFirst = false
      if (profile === 'work') return hands.ask(op, { ...input, unchanged: state }, options)
      await compareFiles(sandbox, state, options.signal)
      return hands.ask(op, input, options)
    }
  return {
    ...sandbox,
    get status() {
      return sandbox.status
    },
    hands: async (profile) => ({ ask: ask(await sandbox.hands(profile), profile) }),
  }
}

/** By the hands that took the state: others may see the same files with other stamps. @throws OxbowError `tool_failed` where one has changed */
async function compareFiles(
  sandbox: Sandbox,
  { digest, except }: { digest: string; except: string[] },
  signal: AbortSignal,
): Promise<void> {
  const work = await sandbox.hands('work')
  const now = await work.ask('fingerprint', { since: digest, except }, { signal, timeoutMs: fingerprintTimeoutMs })
  if (now.digest === digest) return
  throw new OxbowError('tool_failed', `${now.changed.join(', ') || 'A file'} changed after this was allowed. Nothing was run.`, {
    hint: 'Repeat the call; the person is asked again.',
  })
}

/** A call that runs. */
export interface RunningCall {
  readonly call: CallId
  readonly name: string
  readonly waitsFor: Call['waitsFor']
  readonly elapsedMs: number
}

export interface RunningCalls {
  /** Running calls of a session, the oldest first. */
  of(session: SessionId): readonly RunningCall[]
  /** All of them, the oldest first. */
  all(): readonly (RunningCall & Pick<Caller, 'actor' | 'session' | 'turn'> & { readonly files: Call['files']; readonly right: string })[]
  enter(caller: Caller, call: Call, options: { readonly id: CallId; readonly signal: AbortSignal | null }): Watch
  /** Ends what still runs when the kernel closes, such as a program that waits for events: the guest would not end before. */
  stop(): void
}

/** Maximum delay of a heartbeat. */
const tickMs = 500
/** A call that ignores its signal is abandoned after this long; its late result is dropped. */
const graceMs = 5_000

interface Entered {
  readonly caller: Caller
  readonly call: Call
  readonly since: number
  beats: number
}

function viewOf(id: CallId, { caller, call, since }: Entered, clock: Clock): ReturnType<RunningCalls['all']>[number] {
  const { actor, session, turn } = caller
  const { name, files, right, waitsFor } = call
  return { call: id, name, files, right, waitsFor, elapsedMs: Math.round(clock.monotonicMs() - since), actor, session, turn }
}

type Beat = (progress: ServerPayloads['progress']) => void

/** @param onChange called when a call that may change something has ended, except turns, which change nothing themselves */
export function createRunningCalls(clock: Clock, beat: Beat, onChange: (caller: Caller, call: Call) => void = () => {}): RunningCalls {
  const running = new Map<CallId, Entered>()
  const controllers = new Set<AbortController>()
  let timer: NodeJS.Timeout | undefined

  const tick = (): void => {
    for (const [call, entry] of running) {
      const { caller, since } = entry
      const { name } = entry.call
      const elapsed = Math.round(clock.monotonicMs() - since)
      if (caller.session === '' || caller.turn === '' || elapsed < (entry.beats + 1) * heartbeatMs) continue
      entry.beats = Math.floor(elapsed / heartbeatMs)
      beat({ session: caller.session, turn: caller.turn, call, name, elapsed_ms: elapsed })
    }
  }

  return {
    of: (session) => [...running].filter(([, { caller }]) => caller.session === session).map(([id, entry]) => viewOf(id, entry, clock)),
    all: () => [...running].map(([id, entry]) => viewOf(id, entry, clock)),
    stop: () => controllers.forEach((controller) => controller.abort('shutdown')),
    enter(caller, call, { id, signal }) {
      const controller = new AbortController()
      controllers.add(controller)
      const stop = (): void => controller.abort(signal?.reason)
      if (signal?.aborted === true) stop()
      else signal?.addEventListener('abort', stop)
      const limit = startLimit(clock, call.timeoutMs, () => controller.abort('timeout'))
      // A turn sends heartbeats through its calls, not by itself.
      if (!isTurn(call)) running.set(id, { caller, call, since: clock.monotonicMs(), beats: 0 })
      timer ??= setInterval(tick, tickMs).unref()
      return {
        signal: controller.signal,
        pause: limit.pause,
        overBudget: () => controller.abort('budget'),
        race: (work) => raceAbort(work, controller.signal),
        progress(output) {
          const entry = running.get(id)
          if (entry === undefined || caller.session === '' || caller.turn === '') return
          const elapsed = Math.round(clock.monotonicMs() - entry.since)
          beat({ session: caller.session, turn: caller.turn, call: id, name: call.name, elapsed_ms: elapsed, output })
        },
        async unhurried(work) {
          limit.pause(true)
          return work.finally(() => limit.pause(false))
        },
        leave() {
          controllers.delete(controller)
          limit.end()
          if (call.tier !== 'read_only' && !isTurn(call)) onChange(caller, call)
          signal?.removeEventListener('abort', stop)
          running.delete(id)
          if (running.size === 0) {
            clearInterval(timer)
            timer = undefined
          }
        },
      }
    },
  }
}

/** 24 days: a longer timer would fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** A time limit that can be paused. */
export interface TimeLimit {
  /** Nested: it runs again after as many calls with false as with true. */
  pause(paused: boolean): void
  end(): void
}

/** @param limitMs Infinity: no limit @param holds whether the timer keeps the process alive */
export function startLimit({ monotonicMs }: Clock, limitMs: number, onOver: () => void, holds = true): TimeLimit {
  let leftMs = limitMs
  let since = monotonicMs()
  let pauses = 0
  let ended = false
  const arm = (): NodeJS.Timeout | undefined => {
    if (!Number.isFinite(leftMs)) return undefined
    const armed = setTimeout(onOver, Math.min(leftMs, longestTimerMs))
    return holds ? armed : armed.unref()
  }
  let timer = arm()
  return {
    pause(paused) {
      pauses += paused ? 1 : -1
      if (paused && pauses === 1) {
        clearTimeout(timer)
        leftMs = Math.max(0, leftMs - (monotonicMs() - since))
      } else if (!paused && pauses === 0 && !ended) {
        since = monotonicMs()
        timer = arm()
      }
    },
    end() {
      ended = true
      clearTimeout(timer)
    },
  }
}

async function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const abandoned = Promise.withResolvers<never>()
  let grace: NodeJS.Timeout | undefined
  const onAbort = (): void => void (grace = setTimeout(() => abandoned.reject(signal.reason), graceMs))
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, abandoned.promise])
  } finally {
    clearTimeout(grace)
    signal.removeEventListener('abort', onAbort)
  }
}

/** What a call that goes on after the next start ends with. */
export const stoppedForRestart: unique symbol = Symbol('stopped for restart')

/** Turns, their repeatable tool calls and durable calls continue after a restart; any other call that a stop interrupts is recorded as cancelled. */
export function continuesAfterRestart(
  call: Pick<Call, 'name' | 'effect'>,
  { id, durable }: { readonly id: CallId; readonly durable?: boolean },
): boolean {
  return isTurn(call) || (call.effect !== 'once' && (durable === true || toolPlace(id) !== null))
}

/** How a call passes the gate. */
export interface CallOptions {
  readonly id: CallId
  /** Null for a call that cannot be cancelled, such as a user's. */
  readonly signal: AbortSignal | null
  /** The call may have records from before a crash, which decide how it continues. */
  readonly resumed?: boolean
  /** It is made again under this id after a restart: a stop leaves it open if it may be repeated, and its record has its output. */
  readonly durable?: boolean
  /** Called when the call begins and ends to wait for a user; that time does not count. */
  readonly onWait?: (waiting: boolean) => void
  /** Of a plan: what runs and is recorded in place of a call that may run. Nobody is asked. @param asks whether a person would be */
  readonly instead?: (call: Call, input: unknown, asks: boolean) => Call
}

/** @returns options with which a call lasts no longer than the rights of its caller */
export function whileHeld(options: CallOptions, { ended }: Caller): CallOptions {
  if (ended === undefined) return options
  return { ...options, signal: options.signal === null ? ended : AbortSignal.any([options.signal, ended]) }
}

/** @param id of a call that its caller may repeat; undefined: a new one @returns the options of a call that cannot be cancelled */
export function optionsOf(id: CallId | undefined, newId: () => string): CallOptions {
  return { id: id ?? (newId() as CallId), signal: null, resumed: id !== undefined }
}

/** Where the intent of a call is; `duplicate`: it was there before. */
export interface Intended {
  readonly firstSeq: number
  readonly duplicate: boolean
}

export interface StartedCall {
  /** Resolves when the intent is durable; null when the call was refused before. */
  readonly intended: Promise<Intended | null>
  readonly outcome: Promise<CallOutcome>
}

interface Asked {
  readonly id: CallId
  readonly caller: Caller
  readonly name: string
  /** It goes on with what a crash interrupted. One that would begin it does not: it finds the record of the intent. */
  readonly resumed: boolean
}

/**
 * @param begin given whether the id belongs to a call under way that another caller made or that is another call: then nothing may be
 * recorded under it
 */
export type Flights = (asked: Asked, begin: (isTaken: boolean) => StartedCall) => StartedCall

export function createFlights(): Flights {
  const flights = new Map<CallId, Asked & StartedCall>()
  return (asked, begin) => {
    const first = flights.get(asked.id)
    const goesOn = asked.resumed && first?.resumed === false
    if (first !== undefined && !goesOn) return isSame(first, asked) ? join(first) : begin(true)
    const started = begin(false)
    const flight = { ...asked, ...started }
    flights.set(asked.id, flight)
    const land = (): void => {
      if (flights.get(asked.id) === flight) flights.delete(asked.id)
    }
    started.outcome.then(land, land)
    return started
  }
}

function isSame(first: Asked, { caller, name }: Asked): boolean {
  const { user, actor, session, audience } = first.caller
  const isSameCaller = caller.user === user && caller.actor === actor && caller.session === session && caller.audience === audience
  return isSameCaller && first.name === name
}

function join({ intended, outcome }: StartedCall): StartedCall {
  const again = intended.then((place) => (place === null ? null : { ...place, duplicate: true }))
  again.catch(() => {})
  return { intended: again, outcome }
}
