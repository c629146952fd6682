/**
 * Mails whose signature could not be checked, because the DNS did not say what the key is. They stay on the server as they are and are read again
 * later, so that an answer of the DNS that comes late makes no stranger of a person. Anybody can write a mail whose key is never found: so only so
 * many wait, less and less often, and for a day at most; and no other mail is held up.
 */
const firstWaitMs = 30_000
const longestWaitMs: number = 15 * 60_000
const dayMs: number = 24 * 60 * 60_000
const maxPostponed = 200
/** Of one sender. */
const maxOfSender = 20

interface Waiting {
  readonly sender: string
  readonly firstAt: number
  waitMs: number
  until: number
}

interface Looked {
  readonly uid: number
  /** The address of From, whoever has written it. */
  readonly sender: string
  readonly isUnsure: boolean
}

export interface Postponed {
  /** Whether it is too early to read a mail again. */
  isWaiting(uid: number): boolean
  /** Notes how a look at a mail has ended. @returns whether it is to be read again later; else it is taken as it is */
  isPostponed(looked: Looked): boolean
}

/** @param now unix milliseconds */
export function createPostponed(now: () => number): Postponed {
  const all = new Map<number, Waiting>()
  return {
    isWaiting: (uid) => now() < (all.get(uid)?.until ?? 0),
    isPostponed({ uid, sender, isUnsure }) {
      const others = [...all].filter(([other, each]) => other !== uid && each.sender === sender).map(([, each]) => each)
      const own = all.get(uid) ?? { sender, firstAt: now(), waitMs: 0, until: 0 }
      const isOver = now() - own.firstAt > dayMs || others.length >= maxOfSender || all.size >= maxPostponed + Number(all.has(uid))
      if (isOver || !isUnsure) {
        all.delete(uid)
        // The DNS answers again: the next look takes what waits.
        if (!isUnsure) for (const each of others) each.until = 0
        return false
      }
      own.waitMs = Math.min(longestWaitMs, Math.max(firstWaitMs, own.waitMs * 2))
      // All of a sender at the same time, and so in their order.
      own.until = Math.max(now() + own.waitMs, ...others.map(({ until }) => until))
      all.set(uid, own)
      return true
    },
  }
}
