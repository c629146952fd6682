/**
 * Updates that have come, and that Telegram has not been told of: it keeps those from the oldest on that is not in the journal, so that none is
 * lost when this process is killed. It gives 100 at a time, so at most as many are taken side by side, and one that takes long does not keep
 * those behind it from being taken.
 */
import type { AdapterDeps, ChannelEvents } from '../port.ts'
import { chatKey, createIntake } from '../intake.ts'
import { pauseFor, readOrSkip } from '../retries.ts'
import type { fileOpener } from './telegram-files.ts'
import { type Me, messageOf, movedChat, pressOf } from './telegram-inbound.ts'

type Update = Parameters<typeof messageOf>[0]

interface Unconfirmed {
  /** The oldest that Telegram is to give next, and whether some that it has given are not yet in the journal. */
  next(): { readonly offset: number; readonly isOpen: boolean }
  /** Resolves when all of them are in the journal, or after a moment. */
  take(updates: readonly Update[]): Promise<void>
}

interface UnconfirmedDeps extends Pick<AdapterDeps, 'random'> {
  readonly me: Me
  readonly events: ChannelEvents
  readonly stop: AbortSignal
  readonly open: ReturnType<typeof fileOpener>
}

/** So long those behind an update that takes long wait for their poll. */
const lookMs = 500

export function createUnconfirmed({ me, events, stop, open, random }: UnconfirmedDeps): Unconfirmed {
  const intake = createIntake(random, stop)
  /** By id, in order: whether it is in the journal. */
  const known = new Map<number, boolean>()
  let offset = 0
  const begin = async (update: Update, moved: ReturnType<typeof movedChat>): Promise<boolean> => {
    if (moved !== null) {
      // What was said before is taken under the old id, and what is said later under the new one.
      await intake.settled()
      return intake.take(chatKey(moved.from), () => events.moved(moved.from, moved.to))
    }
    const press = readOrSkip(() => pressOf(update))
    if (press !== null) return intake.take(`press ${press.press}`, () => events.press(press))
    const message = readOrSkip(() => messageOf(update, me, open))
    return message === null || intake.take(chatKey(message), () => events.message(message))
  }
  return {
    next() {
      for (const [id, isTaken] of known) {
        if (!isTaken) break
        known.delete(id)
        offset = id + 1
      }
      return { offset, isOpen: known.size > 0 }
    },
    async take(updates) {
      for (const update of updates) {
        const { update_id: id } = update
        if (known.has(id)) continue
        known.set(id, false)
        const moved = readOrSkip(() => movedChat(update))
        const taken = begin(update, moved).then((isTaken) => void known.set(id, isTaken))
        if (moved !== null) await taken
      }
      const late = new AbortController()
      const isOver = AbortSignal.any([stop, late.signal])
      await Promise.race([intake.settled(), pauseFor(lookMs, isOver)])
      late.abort()
    },
  }
}
