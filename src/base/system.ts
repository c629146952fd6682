/** Time, random bytes and processes of the system. Clock and random source are passed as arguments, so that tests control them. */

/** `now` is Unix milliseconds; `monotonicMs` never goes back and is for measuring durations. */
export interface Clock {
  now(): number
  monotonicMs(): number
}

/** `bytes` must be fit for secrets. */
export interface Random {
  bytes(count: number): Uint8Array
}

/** The clock of this machine, in milliseconds: `now` since 1970, `monotonicMs` for durations. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** Cryptographic randomness of this machine. */
export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
}

/**
 * The delay before a retry, with full jitter: uniformly random between 0 and a ceiling that doubles with each attempt, so that clients
 * that failed together do not retry together. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt 0 for the first retry
 * @returns whole milliseconds, at least 0 and less than `min(maxMs, firstMs * 2 ** attempt)`
 */
export function retryDelayMs(attempt: number, random: Random, { firstMs, maxMs }: { firstMs: number; maxMs: number }): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30))
  const bytes = random.bytes(4)
  const fraction = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
  return Math.floor(fraction * ceiling)
}

/** @returns whether a process with this id exists, of any user; ids are reused */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // EPERM: it belongs to another user, so it exists.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
