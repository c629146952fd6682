/**
 * A guest that takes itself up again. When its journal could not be written for longer than its store is patient, it only reads: what it
 * holds in memory may be ahead of what is on record. As soon as the store is well again it is closed and composed anew, in the same
 * process, at the same address and with the same token. Its start reconciles what is on record with what was under way, as after a crash:
 * turns go on, nothing that was acknowledged is lost, and terminals see a connection that drops and comes back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OpeningStore } from '../store/index.ts'
import { type ChainHead, type GuestEnvelope, isOxbowError } from '../types/index.ts'
import type { Guest, GuestOptions } from './guest.ts'

export interface LastingGuest {
  readonly url: string
  /** @throws while it is being taken up again */
  head(): Promise<ChainHead>
  /** Resolves with why it cannot be taken up again; never as long as it lasts. */
  readonly lost: Promise<unknown>
  /** Ends it, also one that is being taken up again. */
  close(): Promise<void>
}

export interface LastingDeps {
  readonly openStore: (envelope: GuestEnvelope) => Promise<OpeningStore>
  readonly startGuest: (envelope: GuestEnvelope, options: GuestOptions, opening: Promise<OpeningStore>) => Promise<Guest>
  /** Told when it serves again. */
  readonly mended?: () => void
  readonly lookMs?: number
}

/** How often it is looked at: two comparisons, and an outage that is over is noticed soon. */
const usualLookMs = 1_000
/** Longest rest between two tries: a fault that comes back at once must not be a loop without a pause. */
const longestRestMs: number = 5 * 60_000

/** @param opening the first store, which may have been begun before. @throws as `startGuest` */
export async function startLastingGuest(
  envelope: GuestEnvelope,
  { openStore, startGuest, mended = () => {}, lookMs = usualLookMs }: LastingDeps,
  opening: Promise<OpeningStore> = openStore(envelope),
): Promise<LastingGuest> {
  const first = await startGuest(envelope, {}, opening)
  const { url, token } = first
  const place: GuestOptions = { token, port: Number(new URL(url).port) }
  const ending = new AbortController()
  const lost = Promise.withResolvers<unknown>()
  let guest: Guest | null = first
  let reviving: Promise<void> | null = null
  let restMs = lookMs
  let triedAt = -Infinity

  const revive = async (): Promise<void> => {
    const now = performance.now()
    restMs = now - triedAt > longestRestMs ? lookMs : Math.min(restMs * 2, longestRestMs)
    triedAt = now
    await sleep(restMs, undefined, { signal: ending.signal }).catch(() => {})
    const old = guest
    guest = null
    await old?.close()
    while (!ending.signal.aborted) {
      try {
        guest = await startGuest(envelope, place, openStore(envelope))
        mended()
        return
      } catch (error) {
        // Away again: it is waited for. What waiting does not mend is for a person.
        if (!isOxbowError(error) || !error.retryable) return lost.resolve(error)
        restMs = Math.min(restMs * 2, longestRestMs)
        await sleep(restMs, undefined, { signal: ending.signal }).catch(() => {})
      }
    }
  }
  const timer = setInterval(() => {
    if (reviving !== null || guest?.canBeTakenUp() !== true) return
    reviving = revive()
      .catch(lost.resolve)
      .finally(() => (reviving = null))
  }, lookMs).unref()
  return {
    url,
    lost: lost.promise,
    head: () => guest?.head() ?? Promise.reject(new Error('the guest is being taken up again')),
    async close() {
      clearInterval(timer)
      ending.abort()
      await reviving
      await guest?.close()
    },
  }
}
