/**
 * Usage of memory: hot entries are shown at the start of each conversation, and accesses by recall are counted, because entries that are
 * used fade more slowly.
 */
import type { MemoryEntry, MemoryItem, MemoryPatch, MemoryStore } from '../../store/index.ts'
import { type Clock, createRecentMap, type SessionId } from '../../base/index.ts'
import { type DataOrigin, type Label, recallCall } from '../../protocol/index.ts'
import type { ExclusiveWriter } from '../keep/exclusive-writer.ts'
import { maxSessions } from '../keep/keep-limits.ts'
import { extraOf, holdsAt, wholeText } from '../keep/memory-item.ts'
import { joinedLabels, sourcesOf } from '../keep/provenance.ts'
import type { TurnMemory, TurnQuestion } from './turn-recall.ts'
import { accessDelayMs, hotEntries, hotFreshMs, maxHeldAccesses, maxHotSessions } from '../tidy/tidy-limits.ts'
import { nearEnough, type Recall } from './recalled.ts'

export interface Wanted {
  /** Wraps recall and counts what it finds as accesses. */
  counting(recall: Recall): Recall
  /** Adds hot entries to what was recalled before a turn. */
  withHot(question: TurnQuestion, recalled: TurnMemory): Promise<TurnMemory>
  readonly hot: Pick<HotEntries, 'drop' | 'mayTell'>
  close(): Promise<void>
}

export function createWanted({ memory, run }: ExclusiveWriter, clock: Clock): Wanted {
  const accesses = createAccessCounter(run, clock)
  const hot = createHotEntries(memory, clock)
  return {
    hot,
    counting: (inner) => ({
      async recall(question) {
        const found = await inner.recall(question)
        if (question.warmsUp === true) return found
        const best = found[0]?.score ?? 0
        // Weak matches do not count as accesses.
        const fitting = (question.forTurn === true ? found : nearEnough(found)).map(({ id, score }) => ({
          id,
          fits: best > 0 ? score / best : 0,
        }))
        accesses.count(fitting, question.session)
        return found
      },
    }),
    async withHot({ session }, recalled) {
      const shown = await hot.tell(session)
      if (shown.text === '') return recalled
      return {
        text: [shown.text, recalled.text].filter((text) => text !== '').join('\n\n'),
        ids: [...new Set([...shown.ids, ...recalled.ids])],
        labels: joinedLabels(shown.labels, recalled.labels),
        from: [...new Set([...shown.from, ...recalled.from])],
      }
    },
    close: () => accesses.flush().catch(() => {}),
  }
}

export interface HotText {
  /** Empty if there is nothing to show. */
  readonly text: string
  readonly ids: readonly string[]
  readonly labels: readonly Label[]
  readonly from: readonly DataOrigin[]
}

export interface HotEntries {
  /** False when `tell` is known to have nothing to tell. */
  mayTell(session: SessionId): boolean
  tell(session: SessionId): Promise<HotText>
  /** Call after tiers have changed. */
  drop(): void
}

export function createHotEntries(memory: MemoryStore, clock: Clock): HotEntries {
  const shown = createRecentMap<SessionId, ReadonlySet<string>>(maxHotSessions)
  let held: { readonly at: number; readonly ids: readonly string[] } | null = null
  const isFresh = (): boolean => {
    const now = clock.now()
    return held !== null && now - held.at < hotFreshMs && now >= held.at
  }
  const hot = async (): Promise<readonly string[]> => {
    const now = clock.now()
    if (held === null || !isFresh()) {
      const entries = await memory.list({ tiers: ['hot'], validAt: now, persona: '' }, hotEntries)
      held = { at: now, ids: entries.map(({ id }) => id) }
    }
    return held.ids
  }
  /** Only ids are cached: entries that were forgotten, rewritten or have ended since are not shown as they were. */
  const asTheyAre = async (ids: readonly string[]): Promise<readonly MemoryItem[]> =>
    ids.length === 0 ? [] : (await memory.items(ids)).filter(({ entry }) => holdsAt(entry, clock.now()))
  return {
    drop: () => (held = null),
    mayTell(session) {
      if (!isFresh()) return true
      const before = shown.get(session)
      return held?.ids.some((id) => before?.has(id) !== true) === true
    },
    async tell(session) {
      const before = shown.get(session) ?? new Set<string>()
      const fresh = await asTheyAre((await hot()).filter((id) => !before.has(id)))
      shown.put(session, new Set([...before, ...fresh.map(({ entry }) => entry.id)]))
      return {
        text: fresh.map(({ passages }) => `- ${wholeText(passages)}`).join('\n'),
        ids: fresh.map(({ entry }) => entry.id),
        labels: joinedLabels(...fresh.map(({ entry }) => entry.labels)),
        from: sourcesOf(
          fresh.map(({ entry }) => entry),
          recallCall,
        ),
      }
    },
  }
}

export interface AccessCounter {
  /**
   * Never throws; writes later. @param fits relevance of each, 0 to 1; the best counts
   * @param session of the query
   */
  count(found: readonly { readonly id: string; readonly fits: number }[], session?: SessionId): void
  /** Writes pending counts. */
  flush(): Promise<void>
}

/** @param run counts are read, raised and written back: no change may come in between */
export function createAccessCounter(run: ExclusiveWriter['run'], clock: Clock): AccessCounter {
  let held = new Map<string, Held>()
  let timer: NodeJS.Timeout | undefined
  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const counted = held
    held = new Map()
    if (counted.size === 0) return
    await run(async (memory) => {
      const items = await memory.items([...counted.keys()])
      const at = clock.now()
      await memory.change(
        items.map(({ entry }) => ({
          change: 'patch',
          id: entry.id,
          patch: accessed(entry, counted.get(entry.id) ?? { times: 0, fits: 0, sessions: [] }, at),
        })),
      )
    })
  }
  const later = (): void => void flush().catch(() => {})
  return {
    count(found, session) {
      const best = new Map<string, number>()
      for (const { id, fits } of found) best.set(id, Math.max(fits, best.get(id) ?? 0))
      for (const [id, fits] of best) {
        const before = held.get(id)
        const sessions = session === undefined ? (before?.sessions ?? []) : [...new Set([...(before?.sessions ?? []), session])]
        held.set(id, { times: (before?.times ?? 0) + 1, fits: Math.max(fits, before?.fits ?? 0), sessions })
      }
      if (held.size === 0) return
      if (held.size >= maxHeldAccesses) return later()
      timer ??= setTimeout(later, accessDelayMs).unref()
    },
    flush,
  }
}

interface Held {
  readonly times: number
  readonly fits: number
  readonly sessions: readonly SessionId[]
}

/**
 * An access restores half of what time has taken, and all of it for the best match, by shortening the time since the last access. So weak
 * matches continue to fade, more slowly.
 */
function accessed(entry: MemoryEntry, { times, fits, sessions }: Held, at: number): MemoryPatch {
  const since = Math.max(0, at - Math.max(entry.accessedAt, entry.createdAt))
  const left = 1 - (0.5 + 0.5 * Math.min(1, Math.max(0, fits)))
  return {
    accesses: entry.accesses + times,
    accessedAt: Math.max(entry.accessedAt, Math.round(at - since * left)),
    ...wantedIn(entry, sessions),
  }
}

/** Records the sessions that accessed a note or fact, as many as protection considers. */
function wantedIn(entry: MemoryEntry, sessions: readonly SessionId[]): Pick<MemoryPatch, 'extra'> {
  const before = extraOf(entry).sessions ?? []
  const all = [...new Set([...before, ...sessions])].slice(0, maxSessions)
  if (all.length === before.length || (entry.kind !== 'note' && entry.kind !== 'fact')) return {}
  return { extra: JSON.stringify({ ...extraOf(entry), sessions: all }) }
}
