/** What is remembered of the heartbeat: one document, which says whether it is on, when the next beat is, and what it has seen. */
import type { QuietHours } from '../quiet-hours.ts'

export interface Heartbeat {
  readonly on: boolean
  readonly every_s: number
  /** Entries of rights within which it acts; what needs others it proposes. */
  readonly rights: readonly string[]
  readonly quiet: QuietHours | null
  readonly messages_a_day: number
  readonly tokens_a_day: number
  readonly next_at: number
  /** By the clock, when `next_at` or `snoozed_until` was planned. */
  readonly planned_at: number
  /** The next beat looks, also where nothing has changed, and in quiet hours. */
  readonly forced: boolean
  readonly snoozed_until: number
  /** Hash of what the last look has seen; empty: it has not looked. */
  readonly seen: string
  /** Beats that have looked, which name their calls. */
  readonly looks: number
  /** Of what is counted by day. */
  readonly day: string
  readonly sent_today: number
  readonly tokens_today: number
  /** What there was to say when nothing more could be said that day. */
  readonly pending: readonly string[]
  /** The newest last. */
  readonly messages: readonly { readonly at: number; readonly text: string }[]
  readonly last: {
    readonly at: number
    readonly came_to: 'unchanged' | 'quiet' | 'nothing' | 'message' | 'kept' | 'failed'
    readonly why: string
  } | null
}

export const heartbeatCategory = 'system/heartbeat'
export const heartbeatName = 'heartbeat'

export const neverOn: Heartbeat = {
  on: false,
  every_s: 1_800,
  rights: [],
  quiet: null,
  messages_a_day: 5,
  tokens_a_day: 100_000,
  next_at: 0,
  planned_at: 0,
  forced: false,
  snoozed_until: 0,
  seen: '',
  looks: 0,
  day: '',
  sent_today: 0,
  tokens_today: 0,
  pending: [],
  messages: [],
  last: null,
}

/** A clock that is this much earlier than it was has been set back. */
const leastSetBackMs = 60_000

/** @returns the same waits by a clock that was set back; null: it was not, and the times hold */
export function afterSetBack({ next_at, snoozed_until, planned_at }: Heartbeat, now: number): Partial<Heartbeat> | null {
  const back = planned_at - now
  if (back < leastSetBackMs) return null
  return { next_at: Math.max(now, next_at - back), snoozed_until: Math.max(0, snoozed_until - back), planned_at: now }
}

/** Messages that are kept, and characters of one. */
export const maxMessages = 50
export const maxMessageCharacters = 4_000
/** Characters of HEARTBEAT.md that are read. */
export const maxListCharacters = 16_000
