/**
 * Discord gives every program with a token all messages, and tells none that there is another: both would answer. But each hears what the other
 * says. Of two that answer in one chat the later one stops, so that one is left.
 */
import { createRecentMap } from '../../base/index.ts'

export interface RivalWatch {
  /** A nonce that this program uses, or looks for. */
  mine(nonce: string): void
  /** A message of this program stands in a channel. */
  said(channel: string, id: string): void
  /** The gateway tells of a message of our account. */
  heard(channel: string, id: string, nonce: string): void
}

/** What a process of ours before this one has sent is looked for by then. */
const claimedMs = 5_000
const maxKnown = 1_000
/** So often the other one must have been first. */
const enough = 2

/** @param onRival is called once */
export function createRivalWatch(onRival: () => void, signal: AbortSignal): RivalWatch {
  const mine = createRecentMap<string, true>(maxKnown)
  const last = createRecentMap<string, bigint>(maxKnown)
  let lost = 0
  const judge = (channel: string, id: string, nonce: string): void => {
    if (signal.aborted || mine.get(nonce) === true) return
    // Ids grow with time.
    const own = last.get(channel)
    if (own === undefined || own < BigInt(id)) return
    lost += 1
    if (lost === enough) onRival()
  }
  return {
    mine: (nonce) => mine.put(nonce, true),
    said: (channel, id) => last.put(channel, BigInt(id)),
    heard(channel, id, nonce) {
      if (mine.get(nonce) !== true) setTimeout(() => judge(channel, id, nonce), claimedMs).unref()
    },
  }
}
