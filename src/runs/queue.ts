/**
 * The queue in which runs wait until they may start: agents, runs of schedules, whatever works without a person at a terminal. At most so
 * many run at once, in all and of each kind, and so many start in a minute; while the machine is overloaded, none does. Higher priorities
 * first, and within one the oldest; whoever waits long rises by a priority after each ageing time, so that nobody waits forever.
 *
 * The queue is in memory, and durable all the same: a run enters again after a restart with the time in its document since which it waits,
 * so the order is what it was.
 */
import type { Clock } from '../base/index.ts'
import type { AdmissionState } from '../protocol/index.ts'
import type { QueueConfig } from './config.ts'
import { overloadRetryMs } from './limits.ts'

/** Lowest first. */
export const priorities = ['low', 'normal', 'high', 'critical'] as const
export type Priority = (typeof priorities)[number]

interface Ticket {
  /** One run at a time has a key. */
  readonly key: string
  /** Where it works: who waits there lends its place. */
  readonly session: string
  readonly priority: Priority
  /** Unix milliseconds since which it waits. */
  readonly since: number
  /** Its kind, and how many of that kind may run at once; absent: only the limit for all runs holds. */
  readonly kind?: { readonly name: string; readonly most: number }
}

export interface RunQueue {
  /**
   * Waits until the turn of the run has come: at once if there is a place.
   * @returns false if it left the queue before @throws the reason of the signal, which takes it out
   */
  enter(ticket: Ticket, signal?: AbortSignal): Promise<boolean>
  /** Counts a run that runs already, whatever the limits. */
  occupy(run: Pick<Ticket, 'key' | 'session' | 'kind'>): void
  /** The run has ended, or is not to start any more. */
  leave(key: string): void
  /** Lends the place of what runs in a session to others while it waits for something other than its own work. Nested. */
  pause(session: string): void
  /**
   * Ends a pause. Resolves when the run has a place again, before anything new starts, when it has left, or when the queue stops.
   * @param atOnce even if no place is free
   */
  resume(session: string, atOnce?: boolean): Promise<void>
  state(): AdmissionState
  stop(): void
}

interface QueueDeps {
  readonly config: QueueConfig
  readonly clock: Clock
  /** What is over its threshold; empty when nothing is. */
  readonly overloads: () => readonly string[]
  /** Looks at the machine again: between its samples an overload may have ended long ago. */
  readonly snapshot: () => Promise<unknown>
}

const minuteMs = 60_000

export function createQueue(deps: QueueDeps): RunQueue {
  const { config, overloads } = deps
  const places = createPlaces(config)
  const waiting = createWaiting(deps, places.isFull)
  const rate = createRate(deps)
  let timer: NodeJS.Timeout | undefined

  const pump = (): void => {
    if (places.isStopped()) return
    places.giveBack()
    while (places.hasOne()) {
      const first = waiting.first()
      if (first === undefined) return
      if (rate.left() === 0 || overloads().length > 0) return retryLater()
      waiting.drop(first.key)
      places.take(first)
      rate.started()
      first.end(true)
    }
  }
  const retryLater = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      void deps.snapshot().then(pump, pump)
    }, overloadRetryMs).unref()
  }

  return {
    async enter(ticket, signal) {
      if (places.has(ticket.key)) throw new Error('a run enters once')
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<boolean>()
      const giveUp = (): void => {
        waiting.drop(ticket.key)
        reject(signal?.reason)
      }
      const end = (isIn: boolean): void => {
        signal?.removeEventListener('abort', giveUp)
        resolve(isIn)
      }
      signal?.addEventListener('abort', giveUp)
      waiting.put({ ...ticket, end })
      pump()
      return promise
    },
    occupy: places.take,
    leave(key) {
      waiting.drop(key)?.end(false)
      places.leave(key)
      pump()
    },
    pause(session) {
      places.lend(session)
      pump()
    },
    resume: places.resume,
    state: () => ({
      running: places.count(),
      max_running: config.max_running,
      queued: waiting.keys(),
      starts_left: rate.left(),
      paused_by: overloads(),
    }),
    stop() {
      places.stop()
      clearTimeout(timer)
    },
  }
}

/** Starts in the last minute. */
function createRate({ config, clock }: Pick<QueueDeps, 'config' | 'clock'>) {
  let starts: number[] = []
  return {
    started: () => void starts.push(clock.monotonicMs()),
    left(): number {
      const from = clock.monotonicMs() - minuteMs
      starts = starts.filter((at) => at > from)
      return Math.max(0, config.max_starts_per_minute - starts.length)
    },
  }
}

type Placed = Pick<Ticket, 'key' | 'session' | 'kind'>

/** A run that has lent its place. */
interface Away {
  readonly run: Placed
  /** 0: its last pause is over, and it waits for a place. */
  pauses: number
  /** Ends its wait for a place. */
  back?: () => void
}

/** The places of runs, and who has lent one. */
function createPlaces({ max_running: most }: Pick<QueueDeps['config'], 'max_running'>) {
  const running = new Map<string, Placed>()
  /** Those that wait for a place are in the order in which their pauses ended. */
  const away = new Map<string, Away>()
  let stopped = false
  const hasOne = (): boolean => running.size < most
  const isFull = ({ kind }: Pick<Ticket, 'kind'>): boolean =>
    kind !== undefined && [...running.values()].filter((run) => run.kind?.name === kind.name).length >= kind.most
  const forget = (key: string): void => {
    away.get(key)?.back?.()
    away.delete(key)
  }
  const take = (run: Placed): void => {
    running.set(run.key, run)
    forget(run.key)
  }
  return {
    hasOne,
    isFull,
    take,
    count: () => running.size,
    has: (key: string): boolean => running.has(key) || away.has(key),
    leave(key: string): void {
      running.delete(key)
      forget(key)
    },
    lend(session: string): void {
      for (const each of away.values()) {
        if (each.run.session !== session) continue
        each.pauses += 1
        // What waited for the place goes on without it while something else of the run waits.
        each.back?.()
      }
      for (const run of [...running.values()].filter((each) => each.session === session)) {
        running.delete(run.key)
        away.set(run.key, { run, pauses: 1 })
      }
    },
    async resume(session: string, atOnce = false): Promise<void> {
      const ending = [...away.values()].filter((each) => each.run.session === session && each.pauses > 0 && (each.pauses -= 1) === 0)
      const waits = ending.map(async (each) => {
        if (atOnce || stopped || (hasOne() && !isFull(each.run))) return take(each.run)
        away.delete(each.run.key)
        away.set(each.run.key, each)
        await new Promise<void>((resolve) => (each.back = resolve))
      })
      await Promise.all(waits)
    },
    giveBack(): void {
      for (const { run, pauses } of away.values()) if (pauses === 0 && hasOne() && !isFull(run)) take(run)
    },
    isStopped: () => stopped,
    stop(): void {
      stopped = true
      for (const { back } of away.values()) back?.()
    },
  }
}

interface Waiting extends Ticket {
  readonly end: (isIn: boolean) => void
}

/**
 * What waits to start: a line for each kind and priority, the oldest first. Only the heads of lines are compared, so that thousands that
 * are due at once cost no more than a few.
 */
function createWaiting({ config, clock }: Pick<QueueDeps, 'config' | 'clock'>, isFull: (run: Ticket) => boolean) {
  const lines = new Map<string, Waiting[]>()
  const lineOf = new Map<string, string>()
  const rank = ({ priority, since }: Ticket, now: number): number => {
    const aged = Math.floor(Math.max(0, now - since) / (config.ageing_s * 1_000))
    return Math.min(priorities.indexOf(priority) + aged, priorities.length - 1)
  }
  const inOrder = (all: readonly Waiting[]): readonly Waiting[] => {
    const now = clock.now()
    return [...all].sort((a, b) => rank(b, now) - rank(a, now) || a.since - b.since)
  }
  const drop = (key: string): Waiting | undefined => {
    const name = lineOf.get(key)
    const line = name === undefined ? undefined : lines.get(name)
    if (name === undefined || line === undefined) return undefined
    lineOf.delete(key)
    const at = line.findIndex((each) => each.key === key)
    if (line.length === 1) lines.delete(name)
    return line.splice(at, 1)[0]
  }
  return {
    drop,
    put(run: Waiting): void {
      drop(run.key)
      const name = `${run.kind?.name ?? ''} ${run.priority}`
      const line = lines.get(name) ?? []
      lineOf.set(run.key, name)
      lines.set(name, line)
      // Behind those that have waited as long: mostly the last place.
      line.splice(line.findLastIndex(({ since }) => since <= run.since) + 1, 0, run)
    },
    /** The one that starts next, if its kind has a place. */
    first: (): Waiting | undefined => inOrder([...lines.values()].map((line) => line[0]!)).find((run) => !isFull(run)),
    keys: (): readonly string[] => inOrder([...lines.values()].flat()).map(({ key }) => key),
  }
}
