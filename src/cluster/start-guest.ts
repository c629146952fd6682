/**
 * Starts the guests of a node. One process is always ready ahead: a guest of nobody, which has loaded its code and waits for an envelope. The
 * envelope has the lease, so whoever takes over a user, wakes one or is given one starts from there: nothing of a user is known, read or
 * written by a process that has no lease, and none is started twice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { OxbowError } from '../base/index.ts'
import type { GuestLease } from '../config/index.ts'
import { type BegunGuest, ensureGuest, type GuestSetup, type RunningGuest } from '../runner/index.ts'
import { oldGuestMs, spareAfterMs } from './limits.ts'

export interface GuestStarter {
  start(user: string, lease: GuestLease): Promise<RunningGuest>
  /** Ends what is ready ahead. */
  close(): void
}

export interface StarterDeps {
  /** @throws OxbowError for files that cannot be used */
  readonly setup: (user: string) => GuestSetup
  /** @returns null where none can be ready ahead */
  readonly begin: () => BegunGuest | null
}

export function createStarter({ setup, begin }: StarterDeps): GuestStarter {
  let spare: BegunGuest | null = begin()
  let isClosed = false
  /** Isolated guests are started each in a sandbox of their own. */
  const take = ({ config }: GuestSetup): Pick<GuestSetup, 'begun'> => {
    if (spare === null || config.sandbox.isolate_guest) return {}
    const begun = spare
    spare = null
    return { begun }
  }
  return {
    async start(user, lease) {
      try {
        // A guest of this node from before, whose node process was killed, ends by itself: its successor waits for that.
        for (const until = performance.now() + oldGuestMs; ;) {
          const options = setup(user)
          const guest = await ensureGuest({ ...options, ...take(options), lease })
          if (guest.owned) return guest
          if (performance.now() > until)
            throw new OxbowError('workspace_busy', `Process ${guest.pid} already runs the guest of ${user} on this machine.`, {
              hint: 'End it: only the nodes of a cluster start guests.',
            })
          await sleep(100)
        }
      } finally {
        // Behind what the guest does first, which somebody waits for.
        setTimeout(() => {
          if (!isClosed) spare ??= begin()
        }, spareAfterMs).unref()
      }
    },
    close() {
      isClosed = true
      spare?.end()
      spare = null
    },
  }
}
