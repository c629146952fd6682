/**
 * How much a sender may say: messages in a window of time, which are counted in a document each, so that no restart begins the window anew. What
 * becomes of a message and its count are one record.
 */
import { createRecentMap } from '../../base/index.ts'
import type { DocumentChange } from '../../kernel/index.ts'
import { byKernel, type ChannelDeps, type Of } from './channel-deps.ts'
import { change, identityId, rateCategory } from './channel-records.ts'
import type { Identity, Received } from './channel-schemas.ts'
import { maxSenders, ratePerWindow, rateWindowMs, rejectionsPerDay, rejectionWindowMs } from './limits.ts'

/** A document of `system/channel_rates`, by identity; what was refused, by `refused` and what identity it is, or would be. */
interface RateDoc {
  /** When its messages came, unix milliseconds, the oldest first. */
  readonly at: readonly number[]
}

/** `until`: 0 for a message that is within the rate, else when the window ends, which began with `from`. */
interface Counted {
  readonly at: number
  readonly from: number
  readonly until: number
}

export interface Rates {
  /** Counts a message of somebody who is linked, unless it is beyond their rate. */
  take(identity: Pick<Identity, 'id' | 'role'>): Promise<Counted>
  /** Whether the next message is beyond the rate. Counts nothing. */
  isOver(identity: Pick<Identity, 'id' | 'role'>): Promise<boolean>
  /** The count, for the record of what becomes of the message. */
  kept(identity: string): DocumentChange
  /** The message was counted before: it came a second time. */
  giveBack(identity: string, counted: Counted): void
  /** Counts a message that was refused. @returns until when nothing more of its sender is to be told; 0: it is still heard */
  refuse(of: Of, sender: Pick<Received, 'channel' | 'space' | 'sender'>): Promise<number>
}

export function createRates(deps: ChannelDeps): Rates {
  const { documents, clock } = deps
  const windows = createRecentMap<string, readonly number[]>(maxSenders)
  let prunedAt = 0
  /** What a message that comes at the same time counts is in memory before it is on record. */
  const load = async (key: string): Promise<void> => {
    if (windows.get(key) !== undefined) return
    const kept = await documents.get<RateDoc>(rateCategory, key)
    if (windows.get(key) === undefined) windows.put(key, kept?.value.at ?? [])
  }
  const count = (key: string, most: number, windowMs: number): Counted => {
    const now = clock.now()
    const at = (windows.get(key) ?? []).filter((each) => now - each < windowMs)
    if (at.length >= most) return { at: now, from: at[0]!, until: at[0]! + windowMs }
    windows.put(key, [...at, now])
    return { at: now, from: at[0] ?? now, until: 0 }
  }
  const kept = (key: string): DocumentChange => change(rateCategory, key, { at: windows.get(key) ?? [] })
  /** Whoever has not been heard for a day has no window. */
  const prune = async (): Promise<void> => {
    const now = clock.now()
    if (now - prunedAt < rejectionWindowMs / 24) return
    prunedAt = now
    const old = (await documents.all<RateDoc>(rateCategory)).filter(({ value }) => now - (value.at.at(-1) ?? 0) >= rejectionWindowMs)
    if (old.length === 0) return
    await documents.put(
      byKernel(deps, 'channel.prune'),
      old.map(({ name }) => change(rateCategory, name, null)),
    )
  }
  return {
    kept,
    async take({ id, role }) {
      await load(id)
      return count(id, ratePerWindow[role], rateWindowMs)
    },
    async isOver({ id, role }) {
      await load(id)
      const now = clock.now()
      return (windows.get(id) ?? []).filter((at) => now - at < rateWindowMs).length >= ratePerWindow[role]
    },
    giveBack(id, { at }) {
      const all = windows.get(id) ?? []
      const index = all.indexOf(at)
      if (index >= 0) windows.put(id, all.toSpliced(index, 1))
    },
    async refuse(of, { channel, space, sender }) {
      const key = `refused ${identityId(channel, space, sender)}`
      await load(key)
      const { until } = count(key, rejectionsPerDay, rejectionWindowMs)
      if (until > 0) return until
      await documents.put(of, [kept(key)])
      await prune()
      const heard = windows.get(key) ?? []
      return heard.length < rejectionsPerDay ? 0 : heard[0]! + rejectionWindowMs
    },
  }
}
