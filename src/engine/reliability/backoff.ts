/** When the same request is made again, as numbers; nothing here waits. */
import { type Random, retryDelayMs } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'

export type BackoffLimits = Pick<ModelLimits, 'maxTries' | 'backoffBaseMs' | 'backoffCapMs' | 'retryAfterCapMs'>

/**
 * Full jitter: drawn evenly between nothing and a ceiling that doubles with each try, so that many clients that failed
 * together do not come back together. An endpoint that says how long to wait is taken at its word, up to the cap.
 *
 * @param retry as in a model's error event; undefined when the same request would fail again
 * @param tries made so far, at least 1
 * @returns milliseconds to wait before the next try, or null when there is none
 */
export function retryWaitMs(
  retry: { readonly waitMs: number | null } | undefined,
  tries: number,
  limits: BackoffLimits,
  random: Random,
): number | null {
  if (retry === undefined || tries >= limits.maxTries) return null
  if (retry.waitMs !== null) return retry.waitMs <= limits.retryAfterCapMs ? retry.waitMs : null
  return retryDelayMs(tries - 1, random, { firstMs: limits.backoffBaseMs, mostMs: limits.backoffCapMs })
}
