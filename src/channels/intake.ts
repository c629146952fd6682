/**
 * What a platform tells, on its way to the guest: within a chat in order, different chats side by side, and each again until it is taken. So a
 * chat whose files take minutes holds up no other, and the guest writes many messages into its journal at once.
 */
import { type Random, retryDelayMs } from '../base/index.ts'
import { firstTakeMs, longestRetryMs, maxTakenAtOnce } from './limits.ts'
import type { ChatRef } from './port.ts'
import { pauseFor } from './retries.ts'

export interface Intake {
  /**
   * Hands something to the guest until it is taken, behind what came before under the same key. Never rejects.
   * @returns false: the channel ends before
   */
  take(key: string, work: () => Promise<void>): Promise<boolean>
  /** Resolves when nothing waits, or the channel ends. */
  settled(): Promise<void>
}

/** What is said in a chat is taken in order, in whichever topic. */
export const chatKey = ({ space, chat }: Pick<ChatRef, 'space' | 'chat'>): string => `${space}\n${chat}`

export function createIntake(random: Random, stop: AbortSignal): Intake {
  const tails = new Map<string, Promise<boolean>>()
  /** Those that wait for a place, the longest first. */
  const waiting: (() => void)[] = []
  let under = 0
  const untilTaken = async (work: () => Promise<void>): Promise<boolean> => {
    if (under >= maxTakenAtOnce) await new Promise<void>((resolve) => waiting.push(resolve))
    else under += 1
    try {
      for (let tries = 1; !stop.aborted; tries += 1) {
        try {
          await work()
          return true
        } catch {
          await pauseFor(retryDelayMs(tries, random, { firstMs: firstTakeMs, maxMs: longestRetryMs }), stop)
        }
      }
      return false
    } finally {
      // The place goes to the next one.
      const next = waiting.shift()
      if (next === undefined) under -= 1
      else next()
    }
  }
  return {
    take(key, work) {
      const taken = (tails.get(key) ?? Promise.resolve()).then(() => untilTaken(work))
      tails.set(key, taken)
      void taken.then(() => tails.get(key) === taken && tails.delete(key))
      return taken
    },
    async settled() {
      while (tails.size > 0) await Promise.all(tails.values())
    },
  }
}
