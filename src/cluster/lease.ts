/**
 * The leases that this node holds: for each user a key that only one node can have, renewed until it is released or lost. It decides by the
 * monotonic clock of this machine alone, from the moment before the last renewal was sent, so that a holder always stops before another one
 * can begin; a process that was paused finds its leases over before it does anything else. The fence in Postgres holds where even that fails.
 *
 * An epoch is the revision of the key when a guest was started: each guest has one of its own, larger than all before.
 */
import type { Clock } from '../base/index.ts'

/** The keys, wherever they are. Only a store that is linearizable may stand behind it. @throws where it cannot be reached */
export interface LeasePort {
  /** @returns the revision; null: there is such a key */
  create(key: string, value: string): Promise<number | null>
  /** @returns the next revision; null: the key has another one, or is gone */
  update(key: string, value: string, revision: number): Promise<number | null>
  /** Does nothing where the key has another revision. */
  remove(key: string, revision: number): Promise<void>
}

export interface LeaseDeps {
  readonly port: LeasePort
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly leaseMs: number
  readonly marginMs: number
  /** Called once for a lease that is over without a release. */
  readonly onLost: (user: string, why: LossReason) => void
}

/** `expired`: it could not be renewed in time. `taken`: the key is another's, or was removed. */
type LossReason = 'expired' | 'taken'

interface Held {
  revision: number
  value: string
  /** By the monotonic clock. */
  safeUntil: number
  /** One change of the key at a time: each needs the revision of the one before. */
  changing: Promise<unknown>
}

export interface Leases {
  /** @returns the epoch; null: another node has it. @throws where the keys cannot be reached */
  acquire(user: string, value: string): Promise<number | null>
  /** Changes what the key says. @returns the new epoch; null: it was lost @throws where the keys cannot be reached */
  change(user: string, value: string): Promise<number | null>
  /** Renews all, and gives up those that are over. Never rejects. */
  renew(): Promise<void>
  /** Gives up those that are over; needs nothing but the clock. */
  check(): void
  /** Lets another node have it at once. Never rejects: a key that cannot be reached ends by itself. */
  release(user: string): Promise<void>
  holds(user: string): boolean
  users(): readonly string[]
}

export function createLeases({ port, clock, leaseMs, marginMs, onLost }: LeaseDeps): Leases {
  const all = new Map<string, Held>()
  const lose = (user: string, held: Held, why: LossReason): void => {
    if (all.get(user) !== held) return
    all.delete(user)
    onLost(user, why)
  }
  const isOver = (held: Held): boolean => clock.monotonicMs() >= held.safeUntil
  const check = (): void => {
    for (const [user, held] of all) if (isOver(held)) lose(user, held, 'expired')
  }
  /** Runs when the change before has ended. */
  const next = <Result>(held: Held, work: () => Promise<Result>): Promise<Result> => {
    const done = held.changing.then(work, work)
    held.changing = done.catch(() => {})
    return done
  }
  /** Says what is to be said by then: a renewal takes no change back that is under way, and repeats one that could not be sent. */
  const write = (user: string, held: Held): Promise<number | null> =>
    next(held, async () => {
      if (all.get(user) !== held) return null
      if (isOver(held)) {
        lose(user, held, 'expired')
        return null
      }
      const at = clock.monotonicMs()
      const { value } = held
      const revision = await port.update(user, value, held.revision)
      if (revision === null) {
        lose(user, held, 'taken')
        return null
      }
      Object.assign(held, { revision, safeUntil: at + leaseMs - marginMs })
      // The answer may have come after the lease that it tells of.
      if (isOver(held)) lose(user, held, 'expired')
      return all.get(user) === held ? revision : null
    })
  return {
    async acquire(user, value) {
      if (all.has(user)) return null
      const at = clock.monotonicMs()
      const revision = await port.create(user, value)
      if (revision === null) return null
      const held: Held = { revision, value, safeUntil: at + leaseMs - marginMs, changing: Promise.resolve() }
      if (isOver(held)) return null
      all.set(user, held)
      return revision
    },
    async change(user, value) {
      const held = all.get(user)
      if (held === undefined) return null
      held.value = value
      return write(user, held)
    },
    async renew() {
      check()
      // What cannot be reached now is tried again with the next renewal, until the lease is over.
      await Promise.all([...all].map(([user, held]) => write(user, held).catch(() => null)))
    },
    check,
    async release(user) {
      const held = all.get(user)
      if (held === undefined) return
      all.delete(user)
      await next(held, () => port.remove(user, held.revision)).catch(() => {})
    },
    holds: (user) => all.has(user),
    users: () => [...all.keys()],
  }
}
