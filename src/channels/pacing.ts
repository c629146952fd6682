/** Keeps to the rates of a platform: a least time between requests in a chat, and so many in a minute in a group. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, createRecentMap } from '../base/index.ts'
import type { ChannelLimits, ChatRef } from './port.ts'
import { waitable } from './retries.ts'

export interface Pacing {
  /** Resolves when the next request may go to a chat; the first of a quiet chat may at once. @throws the reason of the signal */
  turn(chat: ChatRef, isGroup: boolean, signal: AbortSignal): Promise<void>
  /** The platform has said how long nothing may go to a chat. */
  hold(chat: ChatRef, ms: number): void
}

const minuteMs = 60_000
/** Chats whose last requests are remembered. */
const maxChats = 5_000

export function createPacing({ chatIntervalMs, groupPerMinute }: ChannelLimits, clock: Clock): Pacing {
  const next = createRecentMap<string, number>(maxChats)
  const sent = createRecentMap<string, readonly number[]>(maxChats)
  const keyOf = ({ space, chat }: ChatRef): string => `${space}\n${chat}`
  return {
    async turn(ref, isGroup, signal) {
      const key = keyOf(ref)
      const now = clock.now()
      const minute = (sent.get(key) ?? []).filter((at) => at > now - minuteMs)
      const free = isGroup && minute.length >= groupPerMinute ? minute[minute.length - groupPerMinute]! + minuteMs : 0
      const at = Math.max(now, next.get(key) ?? 0, free)
      // Whoever comes next waits behind this one.
      next.put(key, at + chatIntervalMs)
      sent.put(key, [...minute, at])
      if (at <= now) return
      try {
        await sleep(at - now, undefined, { signal })
      } catch (error) {
        // Whoever does not go gives its place to the next, unless somebody waits behind it already.
        if (next.get(key) === at + chatIntervalMs) {
          next.put(key, at)
          sent.put(
            key,
            (sent.get(key) ?? []).filter((each) => each !== at),
          )
        }
        throw error
      }
    },
    hold(ref, ms) {
      const key = keyOf(ref)
      next.put(key, Math.max(next.get(key) ?? 0, clock.now() + waitable(ms)))
    },
  }
}
