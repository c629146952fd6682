/**
 * When a guest may sleep: it has had nothing to do for long, and has nothing to do by itself soon. It is asked twice: while the second answer
 * comes, every door holds back what arrives, so that nothing is acknowledged by a guest that is about to end.
 */
import type { Rest } from '../runner/index.ts'

/** What a node asks of a guest that it has started. */
export interface Resting {
  /** @returns when it has had nothing to do for so long; null when the signal aborts */
  untilIdle(signal: AbortSignal): Promise<unknown>
  /** Never rejects. */
  now(): Promise<Rest>
}

export interface SleepDeps {
  /** Absent: it never sleeps. */
  readonly resting: Resting | null
  /** Requests and terminals of the user at this node's door. */
  readonly underWay: () => number
  /** From now on, until `unhide`, doors hold back what comes. */
  readonly hide: () => Promise<void>
  readonly unhide: () => void
}

/** @returns when it may sleep: when its next run goes on, null if none does. Pending until then, and for ever once the signal aborts */
export async function untilSleep({ resting, underWay, hide, unhide }: SleepDeps, signal: AbortSignal): Promise<{ nextAt: number | null }> {
  for (;;) {
    if (resting === null) break
    if ((await resting.untilIdle(signal)) === null || signal.aborted) break
    if (underWay() > 0) continue
    await hide()
    const rest = await resting.now()
    if (signal.aborted) break
    if (rest.busy === '' && underWay() === 0) return { nextAt: rest.nextAt }
    unhide()
  }
  return new Promise(() => {})
}
