/** A guest that restarts itself in its process: when its store works again, or with another configuration. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OpeningStore } from '../store/index.ts'
import { isOxbowError } from '../base/index.ts'
import type { ChainHead } from '../protocol/index.ts'
import type { GuestEnvelope } from '../config/index.ts'
import { type Guest, type GuestOptions, startGuest } from './guest.ts'
import { openGuestStore } from './guest-store.ts'

export interface LastingGuest {
  readonly url: string
  /** @throws while the guest restarts */
  head(): Promise<ChainHead>
  /**
   * Restarts the guest with this envelope.
   * @param onFailure receives what that fails with, before the guest starts again with the previous envelope
   * @returns whether the new envelope is in use
   */
  renew(envelope: GuestEnvelope, onFailure: (error: unknown) => void): Promise<boolean>
  /** Resolves with the error that a restart fails with; pending as long as the guest works. */
  readonly lost: Promise<unknown>
  /** See `Kernel.settle`. One that is restarting runs no call. */
  settle(): Promise<void>
  /** Also ends a guest that is restarting. */
  close(): Promise<void>
}

export interface LastingDeps extends Pick<GuestOptions, 'onSecrets' | 'host' | 'onConfig'> {
  readonly openStore?: (envelope: GuestEnvelope) => Promise<OpeningStore>
  readonly start?: typeof startGuest
  /** Called after a restart. */
  readonly recovered?: () => void
  readonly checkMs?: number
}

/** Time between checks. A check is two comparisons, and the end of an outage is noticed soon. */
const usualCheckMs = 1_000
/** Maximum delay between two restarts: a fault that returns at once must not become a busy loop. */
const maxDelayMs: number = 5 * 60_000

/**
 * A guest whose store fails for longer than its retries only reads, because its memory may be ahead of the journal. As soon as the store
 * works again, the guest is closed and started anew in the same process, with the same address and token. Its start reconciles the
 * journal as after a crash: turns continue, nothing acknowledged is lost, and terminals reconnect. A new configuration starts it anew in
 * the same way.
 *
 * @param opening the first store, which may already be opening @throws as `startGuest`
 */
export async function startLastingGuest(
  envelope: GuestEnvelope,
  { openStore = openGuestStore, start = startGuest, recovered = () => {}, checkMs = usualCheckMs, onSecrets, host, onConfig }: LastingDeps,
  opening: Promise<OpeningStore> = openStore(envelope),
): Promise<LastingGuest> {
  const first = await start(envelope, { onSecrets, host, onConfig }, opening)
  const { url, token } = first
  const address: GuestOptions = { onSecrets, host, onConfig, token, port: Number(new URL(url).port) }
  const ending = new AbortController()
  const lost = Promise.withResolvers<unknown>()
  const startWith = (next: GuestEnvelope): Promise<Guest> => start(next, address, openStore(next))
  const held = holdGuest({ first, envelope, startWith, recovered, checkMs, ending: ending.signal, fail: lost.resolve })
  let restarting: Promise<void> | null = null
  /** One restart after the other. A failure of the work ends the guest. */
  const alone = async (work: () => Promise<unknown>): Promise<void> => {
    const before = restarting ?? Promise.resolve()
    const mine = before.then(async () => void (ending.signal.aborted || (await work()))).catch(lost.resolve)
    restarting = mine
    await mine
    if (restarting === mine) restarting = null
  }
  const timer = setInterval(() => {
    if (restarting === null && held.guest()?.canRestart() === true) void alone(held.restart)
  }, checkMs).unref()
  return {
    url,
    lost: lost.promise,
    head: () => held.guest()?.head() ?? Promise.reject(new Error('the guest is restarting')),
    async renew(next, onFailure) {
      let isInUse = false
      await alone(async () => (isInUse = await held.renew(next, onFailure)))
      return isInUse
    },
    settle: async () => held.guest()?.kernel.settle(),
    async close() {
      clearInterval(timer)
      ending.abort()
      await restarting
      await held.guest()?.close()
    },
  }
}

interface HolderDeps extends Required<Pick<LastingDeps, 'recovered' | 'checkMs'>> {
  readonly first: Guest
  readonly envelope: GuestEnvelope
  readonly startWith: (envelope: GuestEnvelope) => Promise<Guest>
  readonly ending: AbortSignal
  /** Receives what only a person can repair. */
  readonly fail: (error: unknown) => void
}

interface GuestHolder {
  /** Null while it restarts. */
  guest(): Guest | null
  restart(): Promise<void>
  renew(next: GuestEnvelope, onFailure: (error: unknown) => void): Promise<boolean>
}

function holdGuest({ first, envelope, startWith, recovered, checkMs, ending, fail }: HolderDeps): GuestHolder {
  let current = envelope
  let guest: Guest | null = first
  let delayMs = checkMs
  let triedAt = -Infinity
  const pause = (): Promise<void> => sleep(delayMs, undefined, { signal: ending }).catch(() => {})
  const closeOld = async (): Promise<void> => {
    const old = guest
    guest = null
    await old?.close()
  }
  const startAgain = async (): Promise<void> => {
    while (!ending.aborted) {
      try {
        guest = await startWith(current)
        recovered()
        return
      } catch (error) {
        // Retryable: wait for the store. Anything else needs a person.
        if (!isOxbowError(error) || !error.retryable) return fail(error)
        delayMs = Math.min(delayMs * 2, maxDelayMs)
        await pause()
      }
    }
  }
  return {
    guest: () => guest,
    async restart() {
      const now = performance.now()
      delayMs = now - triedAt > maxDelayMs ? checkMs : Math.min(delayMs * 2, maxDelayMs)
      triedAt = now
      await pause()
      await closeOld()
      await startAgain()
    },
    async renew(next, onFailure) {
      await closeOld()
      try {
        guest = await startWith(next)
        current = next
        recovered()
        return true
      } catch (error) {
        onFailure(error)
        await startAgain()
        return false
      }
    },
  }
}
