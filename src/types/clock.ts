/**
 * Time and chance are arguments, never ambient: a turn can be replayed and a test can move the clock.
 */

/** Where time comes from. `now` is Unix milliseconds; `monotonicMs` never goes back and is for measuring. */
export interface Clock {
  now(): number
  monotonicMs(): number
}

/** Where chance comes from. `bytes` must be fit for secrets. */
export interface Random {
  bytes(count: number): Uint8Array
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
}

export const systemRandom: Random = {
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
}
