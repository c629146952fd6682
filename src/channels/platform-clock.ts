/**
 * The time as a platform has it, from what its answers say. Histories are read by time, and the clock of this machine may be wrong by a day: then
 * nothing would be found, and would be sent a second time.
 */

export interface PlatformClock {
  /** Unix milliseconds, as the platform has it. */
  now(): number
  /** @param ms a time of this machine @returns the same moment as the platform has it */
  at(ms: number): number
  /** @param date the header `Date` of an answer, which is told in seconds */
  heard(date: string | null): void
}

/** Less is the way of the answer. */
const leastMs = 5_000

export function createPlatformClock(): PlatformClock {
  let aheadMs = 0
  return {
    now: () => Date.now() + aheadMs,
    at: (ms) => ms + aheadMs,
    heard(date) {
      const told = Date.parse(date ?? '')
      if (Number.isNaN(told)) return
      const ahead = told - Date.now()
      aheadMs = Math.abs(ahead) < leastMs ? 0 : ahead
    },
  }
}
