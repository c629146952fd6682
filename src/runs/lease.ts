/**
 * The lease that gives one worker at a time something of a user's: a lane in the store; each claim starts a new epoch. Records
 * that carry the epoch are refused once another worker has claimed it, so one that was paused past its lease does no harm when it wakes.
 */
import type { Append, Store } from '../store/index.ts'
import { type Clock, OxbowError, type SessionId } from '../base/index.ts'

export interface Lease {
  /** Claims it if it may have run out. @returns whether this worker has it */
  hold(): Promise<boolean>
  /** Whether this worker believes that it has it. */
  isHeld(): boolean
  /** A record of this worker was refused: another one has claimed it. It is not claimed back. */
  lose(): void
  /** Renews it until `rest`, however long the work takes. */
  keep(): void
  rest(): void
  /**
   * What records of this worker carry. Waits for a claim that is under way, and for those who have asked before: records that carry it are
   * appended in the order in which they asked. @throws OxbowError `stale_epoch` if another worker has it
   */
  fence(): Promise<NonNullable<Append['fence']>>
  /** Leaves it to others at once. */
  release(): Promise<void>
}

interface LeaseDeps {
  readonly store: Pick<Store, 'claimLane'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Who claims it: the same one again after a restart, which then does not wait for the lease to run out. */
  readonly worker: string
  readonly leaseMs: number
}

/** @param onLost called when another worker has, or has had, what this one held: what is in memory of it is stale */
export function createLease({ store, clock, worker, leaseMs }: LeaseDeps, name: string, onLost: () => void): Lease {
  const lane = name as SessionId
  /** 0: this worker does not have it. */
  let epoch = 0
  let claimedAt = -Infinity
  let claiming: Promise<boolean> | null = null
  let asked: Promise<unknown> = Promise.resolve()
  let renewal: NodeJS.Timeout | undefined
  const rest = (): void => {
    clearInterval(renewal)
    renewal = undefined
  }
  const claim = (): Promise<boolean> =>
    (claiming ??= (async () => {
      const at = clock.monotonicMs()
      const before = epoch
      const now = (await store.claimLane(lane, worker, leaseMs)) ?? 0
      epoch = now
      claimedAt = now === 0 ? -Infinity : at
      if (before !== 0 && now !== before + 1) onLost()
      return now !== 0
    })().finally(() => (claiming = null)))
  const lose = (): void => {
    epoch = 0
    claimedAt = -Infinity
  }
  const hold = async (): Promise<boolean> => (epoch !== 0 && clock.monotonicMs() - claimedAt < leaseMs / 2 ? true : claim())
  return {
    hold,
    isHeld: () => epoch !== 0,
    lose,
    keep() {
      // A store that fails keeps it for nobody.
      renewal ??= setInterval(() => void hold().catch(onLost), leaseMs / 4).unref()
    },
    rest,
    fence() {
      const mine = asked
        .then(() => (epoch === 0 ? claim() : claiming))
        .then(() => {
          if (epoch !== 0) return { session: lane, epoch }
          throw new OxbowError('stale_epoch', `Another worker has ${name}.`, { hint: 'It goes on there.' })
        })
      asked = mine.catch(() => {})
      return mine
    },
    async release() {
      rest()
      if (epoch === 0) return
      lose()
      await store.claimLane(lane, worker, 0)
    },
  }
}
