/**
 * Admission: when a run that nobody waits for at a terminal may start: agents that were spawned, and runs of schedules. At most so many
 * run at once and so many start in a minute; while the machine is overloaded, none does. Higher priorities first, and within one the
 * oldest; whoever waits long rises by a priority after each ageing time, so that nobody waits forever.
 *
 * The queue is in memory: whoever enters has a document from which it enters again after a restart, with the time since which it waits.
 */
import type { AdmissionState, Clock, Config } from '../../types/index.ts'

/** How often a queue that the rate or an overload holds back is looked at again. */
const admissionRetryMs = 1_000

/** Lowest first. */
export const priorities = ['low', 'normal', 'high', 'critical'] as const
export type Priority = (typeof priorities)[number]

interface Ticket {
  /** One run at a time has a key. */
  readonly key: string
  readonly priority: Priority
  /** Unix milliseconds since which it waits. */
  readonly since: number
}

export interface Admission {
  /** Queues a run and calls `start` when its turn has come: at once if there is a place. */
  enter(ticket: Ticket, start: () => void): void
  /** Counts a run that runs already, whatever the limits. */
  occupy(key: string): void
  /** The run has ended, or is not to start any more. */
  leave(key: string): void
  /** Lends the place of a run to others while it waits for something else than its own work. Nested. */
  pause(key: string): void
  /** Ends a pause. Resolves when the run has a place again, before anything new starts. @param atOnce even if there is none */
  resume(key: string, atOnce?: boolean): Promise<void>
  state(): AdmissionState
  stop(): void
}

interface AdmissionDeps {
  readonly config: Pick<Config['agents'], 'max_running' | 'max_starts_per_minute' | 'ageing_s'>
  readonly clock: Clock
  /** What is over its threshold; empty when nothing is. */
  readonly overloads: () => readonly string[]
  /** Looks at the machine again: between its samples an overload may have ended long ago. */
  readonly snapshot: () => Promise<unknown>
}

const minuteMs = 60_000

export function createAdmission(deps: AdmissionDeps): Admission {
  const { config } = deps
  const queue = createQueue(deps)
  const running = new Set<string>()
  /** Pauses of each run that has lent its place. */
  const paused = new Map<string, number>()
  /** Runs whose pause has ended and that wait for a place, the oldest first. */
  const returning = new Map<string, () => void>()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const hasPlace = (): boolean => running.size < config.max_running
  const pump = (): void => {
    for (const [key, resolve] of returning) {
      if (!hasPlace() || stopped) return
      returning.delete(key)
      running.add(key)
      resolve()
    }
    if (stopped) return
    while (hasPlace() && queue.size() > 0) {
      if (queue.isHeldBack()) return retryLater()
      const { key, start } = queue.take()
      running.add(key)
      start()
    }
  }
  const retryLater = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      void deps.snapshot().then(pump, pump)
    }, admissionRetryMs).unref()
  }

  return {
    enter(ticket, start) {
      if (running.has(ticket.key) || paused.has(ticket.key)) throw new Error('a run enters once')
      queue.put({ ...ticket, start })
      pump()
    },
    occupy: (key) => void running.add(key),
    leave(key) {
      queue.drop(key)
      running.delete(key)
      paused.delete(key)
      returning.get(key)?.()
      returning.delete(key)
      pump()
    },
    pause(key) {
      if (!running.delete(key) && !paused.has(key)) return
      paused.set(key, (paused.get(key) ?? 0) + 1)
      pump()
    },
    async resume(key, atOnce = false) {
      const left = (paused.get(key) ?? 0) - 1
      if (left > 0) paused.set(key, left)
      if (left !== 0) return
      paused.delete(key)
      if (atOnce || hasPlace()) return void running.add(key)
      return new Promise((resolve) => returning.set(key, resolve))
    },
    state: () => ({ running: running.size, max_running: config.max_running, ...queue.state() }),
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

interface Queued extends Ticket {
  readonly start: () => void
}

/** What waits to start, and what holds it back beside the number of places. */
function createQueue({ config, clock, overloads }: AdmissionDeps) {
  const queue = new Map<string, Queued>()
  let starts: number[] = []
  const startsLeft = (): number => {
    const from = clock.monotonicMs() - minuteMs
    starts = starts.filter((at) => at > from)
    return Math.max(0, config.max_starts_per_minute - starts.length)
  }
  const inOrder = (): readonly Queued[] => {
    const now = clock.now()
    return [...queue.values()].sort((a, b) => rankOf(b, now, config.ageing_s) - rankOf(a, now, config.ageing_s) || a.since - b.since)
  }
  return {
    size: () => queue.size,
    put: (run: Queued): void => void queue.set(run.key, run),
    drop: (key: string): void => void queue.delete(key),
    isHeldBack: () => startsLeft() === 0 || overloads().length > 0,
    /** Takes the first one, which starts now. */
    take(): Queued {
      const [first] = inOrder()
      if (first === undefined) throw new Error('nothing waits')
      queue.delete(first.key)
      starts.push(clock.monotonicMs())
      return first
    },
    state: () => ({ queued: inOrder().map(({ key }) => key), starts_left: startsLeft(), paused_by: overloads() }),
  }
}

function rankOf({ priority, since }: Ticket, now: number, ageingS: number): number {
  const aged = Math.floor(Math.max(0, now - since) / (ageingS * 1_000))
  return Math.min(priorities.indexOf(priority) + aged, priorities.length - 1)
}
