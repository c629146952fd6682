/**
 * Times and waits. What is due at a time of the wall clock is looked at again at least once a minute: the clock may be set, in both
 * directions, and a machine may sleep. What is waited for is a fact that can be looked up, never a message that could be missed: who comes
 * late finds it.
 */
import { setTimeout as passed } from 'node:timers/promises'
import type { Clock } from '../base/index.ts'
import { runCheckMs } from './limits.ts'

export interface Timers {
  /** Calls `ring` once when the clock shows this time, unix milliseconds; soon if it has passed. @returns what takes it back */
  at(time: number, ring: () => void): Disposable
  /** Resolves at this time. @throws the reason of the signal */
  sleep(until: number, signal: AbortSignal): Promise<void>
  /** Resolves after this long, however the clock is set; for what need not survive a restart. @throws the reason of the signal */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** Looks at the clock now: it may have been set. */
  look(): void
  stop(): void
}

export function createTimers(clock: Clock): Timers {
  const alarms = new Set<{ readonly time: number; readonly ring: () => void }>()
  let timer: NodeJS.Timeout | undefined
  /** When the timer ends, by the clock. */
  let wakesAt = Infinity
  let stopped = false
  const arm = (): void => {
    clearTimeout(timer)
    timer = undefined
    wakesAt = Math.min(...[...alarms].map(({ time }) => time))
    if (stopped || alarms.size === 0) return
    timer = setTimeout(look, Math.min(Math.max(0, wakesAt - clock.now()), runCheckMs)).unref()
  }
  const look = (): void => {
    const now = clock.now()
    const due = [...alarms].filter(({ time }) => time <= now).sort((a, b) => a.time - b.time)
    for (const alarm of due) alarms.delete(alarm)
    // What rings may set the next one.
    for (const { ring } of due) ring()
    arm()
  }
  const at: Timers['at'] = (time, ring) => {
    const alarm = { time, ring }
    alarms.add(alarm)
    if (timer === undefined || time < wakesAt) {
      clearTimeout(timer)
      wakesAt = time
      if (!stopped) timer = setTimeout(look, Math.min(Math.max(0, time - clock.now()), runCheckMs)).unref()
    }
    return { [Symbol.dispose]: () => void alarms.delete(alarm) }
  }
  return {
    at,
    async sleep(until, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const stop = (): void => reject(signal.reason)
      using _ = at(until, resolve)
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
    pause: (ms, signal) =>
      passed(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : error
      }),
    look,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

interface WaitOptions {
  /** Absent: it waits while the guest runs. */
  readonly signal?: AbortSignal
  /** Unix milliseconds; absent: it waits as long as it must. */
  readonly until?: number | undefined
}

export interface Waits {
  /** What is said of a topic has changed: whoever waits for it looks again. */
  changed(topic: string): void
  /**
   * Waits for a fact. `look` is asked at once, when the topic changes, and at least once a minute: another worker may have made it true.
   * @returns what it finds; null: nothing until the time @throws the reason of the signal, what `look` throws
   */
  until<Found>(topic: string, look: () => Found | null | Promise<Found | null>, options?: WaitOptions): Promise<Found | null>
}

/** @param closing ends the waits that have no signal of their own */
export function createWaits(timers: Pick<Timers, 'at'>, clock: Clock, closing: AbortSignal): Waits {
  const waiting = new Map<string, Set<() => void>>()
  return {
    changed(topic) {
      for (const wake of waiting.get(topic) ?? []) wake()
    },
    async until(topic, look, { signal = closing, until = Infinity } = {}) {
      const here = waiting.get(topic) ?? new Set()
      waiting.set(topic, here)
      let next = Promise.withResolvers<void>()
      const wake = (): void => next.resolve()
      here.add(wake)
      signal.addEventListener('abort', wake)
      try {
        for (;;) {
          signal.throwIfAborted()
          const found = await look()
          if (found !== null || clock.now() >= until) return found
          signal.throwIfAborted()
          using _ = timers.at(Math.min(until, clock.now() + runCheckMs), wake)
          await next.promise
          next = Promise.withResolvers()
        }
      } finally {
        signal.removeEventListener('abort', wake)
        here.delete(wake)
        if (here.size === 0) waiting.delete(topic)
      }
    },
  }
}
