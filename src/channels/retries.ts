/** Trying again, the same for the process of channels and for every adapter: how long between tries, and what a connection without an answer means. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, retryDelayMs } from '../base/index.ts'
import { firstRetryMs, longestHoldMs, longestRetryMs } from './limits.ts'

/** @returns the pause before the next attempt to connect or to deliver, in milliseconds */
export const retryMs = (failures: number, random: Random): number =>
  retryDelayMs(failures, random, { firstMs: firstRetryMs, maxMs: longestRetryMs })

/** @param ms as a server says, which may say anything: a timer takes what is too long, or no number, for no time @returns a time that can be waited */
export const waitable = (ms: number): number => (Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestHoldMs) : longestRetryMs)

/** Resolves when the time is over, or the signal is aborted. */
export const pauseFor = (ms: number, signal: AbortSignal): Promise<void> => sleep(waitable(ms), undefined, { signal }).catch(() => {})

/** @returns what was read; null for what the platform has never said it would send: it must not keep what comes behind it from being read */
export function readOrSkip<Read>(read: () => Read | null): Read | null {
  try {
    return read()
  } catch {
    return null
  }
}

const unsent: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** @param code of the system @returns whether the connection was never made: then the request has not left this machine */
export const wasNeverSent = (code: unknown): boolean => unsent.has(code)

/** @param code of the system; anything but a text: not known @returns how a request ended that nobody answered */
export function noAnswer(code: unknown): { readonly ok: false; readonly why: 'absent' | 'unknown'; readonly message: string } {
  const named = typeof code === 'string' && code !== '' ? ` (${code})` : ''
  return { ok: false, why: wasNeverSent(code) ? 'absent' : 'unknown', message: `no answer${named}` }
}
