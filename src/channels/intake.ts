/**
 * What a platform tells, on its way to the guest: within a chat in order, different chats side by side, and each again until it is taken. So a
 * chat whose files take minutes holds up no other, and the guest writes many messages into its journal at once.
 */
import { createSlots, type Random, retryDelayMs } from '../base/index.ts'
import { firstTakeMs, longestRetryMs, maxTakenAtOnce, missedMs } from './limits.ts'
import type { ChannelSettings, ChatRef } from './port.ts'
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

/** @param now unix milliseconds, as the platform's clock has it @returns since when messages can have been missed */
export const missedFrom = ({ since }: Pick<ChannelSettings, 'since'>, now: number): number => Math.max(since ?? 0, now - missedMs)

/** What is said in a chat is taken in order, in whichever topic. */
export const chatKey = ({ space, chat }: Pick<ChatRef, 'space' | 'chat'>): string => `${space}\n${chat}`

export function createIntake(random: Random, stop: AbortSignal): Intake {
  const tails = new Map<string, Promise<boolean>>()
  const inSlot = createSlots(maxTakenAtOnce)
  const untilTaken = async (work: () => Promise<void>): Promise<boolean> => {
    for (let tries = 1; !stop.aborted; tries += 1) {
      try {
        await work()
        return true
      } catch {
        await pauseFor(retryDelayMs(tries, random, { firstMs: firstTakeMs, maxMs: longestRetryMs }), stop)
      }
    }
    return false
  }
  return {
    take(key, work) {
      const before = tails.get(key) ?? Promise.resolve()
      // A wait for a slot ends with the channel, too.
      const taken = before.then(() => inSlot(stop, () => untilTaken(work))).catch(() => false)
      tails.set(key, taken)
      void taken.then(() => tails.get(key) === taken && tails.delete(key))
      return taken
    },
    async settled() {
      while (tails.size > 0) await Promise.all(tails.values())
    },
  }
}
