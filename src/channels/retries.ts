/** Trying again, the same for the process of channels and for every adapter: how long between tries, and what a connection without an answer means. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, retryDelayMs } from '../base/index.ts'
import { firstRetryMs, longestRetryMs } from './limits.ts'

/** @returns the pause before the next attempt to connect or to deliver, in milliseconds */
export const retryMs = (failures: number, random: Random): number =>
  retryDelayMs(failures, random, { firstMs: firstRetryMs, maxMs: longestRetryMs })

/** Resolves when the time is over, or the signal is aborted. */
export const pauseFor = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {})

const unsent: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** @param code of the system @returns whether the connection was never made: then the request has not left this machine */
export const wasNeverSent = (code: unknown): boolean => unsent.has(code)

/** @param code of the system; anything but a text: not known @returns how a request ended that nobody answered */
export function noAnswer(code: unknown): { readonly ok: false; readonly why: 'absent' | 'unknown'; readonly message: string } {
  const named = typeof code === 'string' && code !== '' ? ` (${code})` : ''
  return { ok: false, why: wasNeverSent(code) ? 'absent' : 'unknown', message: `no answer${named}` }
}
