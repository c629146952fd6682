/**
 * What is recalled before a turn: that which fits the newest message and does not stand in the window anyway. It is told as data,
 * with its age, its source and its label; what was told once in a session is not told again as long as it may still be seen.
 */
import type { MemoryFilter } from '../../store/index.ts'
import { type CallId, createRecentMap, type Label, type SessionId } from '../../types/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { maxShown, maxShownSessions } from '../keep/keep-limits.ts'
import { joinedLabels } from '../keep/provenance.ts'
import { messageId } from '../keep/message-record.ts'
import { describeRecalled, nearEnough, type Recall, type Recalled } from './recalled.ts'

export interface TurnQuestion {
  readonly session: SessionId
  readonly text: string
  /** Oldest message of a person that stands in the window; empty: all of the session does. */
  readonly oldest: CallId | ''
}

export interface TurnMemory {
  /** Empty when nothing fits. */
  readonly text: string
  readonly ids: readonly string[]
  readonly labels: readonly Label[]
}

export interface TurnRecall {
  recall(question: TurnQuestion): Promise<TurnMemory>
}

interface TurnRecallOptions {
  readonly recall: () => Promise<Recall>
  readonly limit: number
  readonly tokens: number
}

const nothing: TurnMemory = { text: '', ids: [], labels: [] }
/** Characters of a message that are asked with: beyond it, it is material and no question. */
const askedCharacters = 2_000

/** Entries that a session was told of: found by themselves, or as neighbours of one that was. */
type Told = Map<string, 'found' | 'beside'>

/** Two neighbours bring the same words, whichever of them goes first this time. */
function isTold(shownBefore: Told, { id, joined }: Recalled): boolean {
  const how = shownBefore.get(id)
  return how === 'found' || (how === 'beside' && joined.some((other) => shownBefore.get(other) === 'found'))
}

function upTo(stream: SessionId, place: number): MemoryFilter {
  return { before: { stream, place } }
}

export function createTurnRecall(deps: Pick<KeepDeps, 'memory' | 'clock'>, { recall, limit, tokens }: TurnRecallOptions): TurnRecall {
  const shown = createRecentMap<SessionId, Told>(maxShownSessions)
  /** Where that ends which stands before the oldest message that a session's model sees: it moves only when the window does. */
  const oldestOf = createRecentMap<SessionId, { readonly call: CallId; readonly before: number }>(maxShownSessions)
  const shownIn = (session: SessionId): Told => {
    const shownBefore = shown.get(session) ?? new Map<string, 'found' | 'beside'>()
    shown.put(session, shownBefore)
    return shownBefore
  }
  /** Of a message that is not indexed yet nobody knows the place: then nothing of this session is shown. */
  const outsideWindow = async (session: SessionId, oldest: CallId | ''): Promise<MemoryFilter> => {
    if (oldest === '') return { notSession: session }
    const held = oldestOf.get(session)
    if (held?.call === oldest) return upTo(session, held.before)
    const [item] = await deps.memory.items([messageId(oldest, 'user')])
    if (item === undefined) return { notSession: session }
    // The oldest message itself stands in the window.
    const before = item.entry.place - 1
    oldestOf.put(session, { call: oldest, before })
    return upTo(session, before)
  }
  return {
    async recall({ session, text, oldest }) {
      const shownBefore = shownIn(session)
      const filter: MemoryFilter = { validAt: deps.clock.now(), ...(await outsideWindow(session, oldest)) }
      const engine = await recall()
      const found = await engine.recall({ text: text.slice(0, askedCharacters), filter, session, limit, tokens })
      const fresh = nearEnough(found).filter((each) => !isTold(shownBefore, each))
      if (fresh.length === 0) return nothing
      for (const { id, joined } of fresh) {
        for (const other of joined) if (!shownBefore.has(other)) shownBefore.set(other, 'beside')
        shownBefore.set(id, 'found')
      }
      // By when they were told, not by when they were found again: those that are long out of sight may be told anew.
      while (shownBefore.size > maxShown) shownBefore.delete(shownBefore.keys().next().value as string)
      const labels = joinedLabels(...fresh.map(({ passage }) => passage.entry.labels))
      return { text: fresh.map((each) => describeRecalled(each, deps.clock.now())).join('\n\n'), ids: fresh.map(({ id }) => id), labels }
    },
  }
}
