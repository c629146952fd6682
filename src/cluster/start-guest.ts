/**
 * Starts the guests of a node, a few at once. One process may be ready ahead: a guest of nobody, which has loaded its code and waits for an envelope.
 * The envelope has the lease, so whoever takes over a user, wakes one or is given one starts from there: nothing of a user is known, read or
 * written by a process that has no lease, and none is started twice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSlots, OxbowError } from '../base/index.ts'
import type { GuestLease } from '../config/index.ts'
import { type BegunGuest, ensureGuest, type GuestSetup, type RunningGuest } from '../runner/index.ts'
import type { StartTurn } from './keep-user.ts'
import { oldGuestMs, spareAfterMs, startsAtOnce } from './limits.ts'

export interface GuestStarter {
  start(user: string, lease: GuestLease, turn: StartTurn): Promise<RunningGuest>
  /** Ends what is ready ahead. */
  close(): void
}

export interface StarterDeps {
  /** @throws OxbowError for files that cannot be used */
  readonly setup: (user: string) => GuestSetup
  /** @returns null where none is to be ready ahead, or none can be */
  readonly begin: () => BegunGuest | null
  /** Absent: `startsAtOnce`. */
  readonly atOnce?: number
  /** Absent: the one of the runner. */
  readonly ensure?: typeof ensureGuest
}

export function createStarter({ setup, begin, atOnce = startsAtOnce, ensure = ensureGuest }: StarterDeps): GuestStarter {
  const inSlot = createSlots(atOnce)
  let spare: BegunGuest | null = begin()
  let isClosed = false
  /** Guests that start, or wait for that. */
  let coming = 0
  let refill: ReturnType<typeof setTimeout> | undefined
  /** Isolated guests are started each in a sandbox of their own. */
  const take = ({ config }: GuestSetup): Pick<GuestSetup, 'begun'> => {
    if (spare === null || config.sandbox.isolate_guest) return {}
    const begun = spare
    spare = null
    return { begun }
  }
  const startOnce = (user: string, lease: GuestLease): Promise<RunningGuest> => {
    const options = setup(user)
    return ensure({ ...options, ...take(options), lease })
  }
  const refillLater = (): void => {
    clearTimeout(refill)
    // After what the guest does first, which somebody waits for, and after all guests that are still to start.
    refill = setTimeout(() => {
      if (!isClosed && coming === 0) spare ??= begin()
    }, spareAfterMs).unref()
  }
  return {
    async start(user, lease, { signal, onWait }) {
      if (coming >= atOnce) onWait(coming)
      coming += 1
      try {
        // A guest of this node from before, whose node process was killed, ends by itself: its successor waits for that.
        for (let until: number | null = null; ;) {
          const guest = await inSlot(signal, () => startOnce(user, lease))
          if (guest.owned) return guest
          until ??= performance.now() + oldGuestMs
          if (performance.now() > until)
            throw new OxbowError('workspace_busy', `Process ${guest.pid} already runs the guest of ${user} on this machine.`, {
              hint: 'End it: only the nodes of a cluster start guests.',
            })
          await sleep(100)
        }
      } finally {
        coming -= 1
        refillLater()
      }
    },
    close() {
      isClosed = true
      clearTimeout(refill)
      spare?.end()
      spare = null
    },
  }
}
