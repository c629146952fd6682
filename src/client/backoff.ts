/** How long to wait before coming back: full jitter, so that terminals which lost one guest do not return in step. */
import type { Random } from '../types/index.ts'
import type { ClientLimits } from './limits.ts'

/**
 * @param attempt 0 for the first try after a loss
 * @returns milliseconds between 0 and a bound that doubles with each attempt up to `retryMostMs`
 */
export function retryDelayMs(attempt: number, random: Random, { retryFirstMs, retryMostMs }: ClientLimits): number {
  const bound = Math.min(retryMostMs, retryFirstMs * 2 ** Math.min(attempt, 30))
  return Math.floor(fraction(random) * bound)
}

/** @returns a number in [0, 1) */
function fraction(random: Random): number {
  const bytes = random.bytes(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
}
