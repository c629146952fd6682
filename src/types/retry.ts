/** The delay before a retry. Everything that retries uses this one rule; how often and whether at all stays with the caller. */
import type { Random } from './clock.ts'

/**
 * Full jitter: a delay drawn evenly between 0 and a ceiling that doubles with each attempt, so that clients which failed together
 * do not come back together. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt 0 for the first retry
 * @returns whole milliseconds, at least 0 and less than `min(mostMs, firstMs * 2 ** attempt)`
 */
export function retryDelayMs(attempt: number, random: Random, { firstMs, mostMs }: { firstMs: number; mostMs: number }): number {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30))
  const bytes = random.bytes(4)
  const fraction = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
  return Math.floor(fraction * ceiling)
}
