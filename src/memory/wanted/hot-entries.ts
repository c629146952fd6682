/** What is shown before every conversation, whatever it is about: the hot entries. Each is told once in a session. */
import type { MemoryItem, MemoryStore } from '../../store/index.ts'
import { type Clock, createRecentMap, type Label, type SessionId } from '../../types/index.ts'
import { joinedLabels } from '../keep/provenance-record.ts'
import { wholeText } from '../keep/keep-item.ts'
import { holdsAt } from '../recall/priors.ts'
import { hotEntries, hotFreshMs, maxHotSessions } from '../tidy/tidy-limits.ts'

export interface HotText {
  /** Empty when there is nothing to tell. */
  readonly text: string
  readonly ids: readonly string[]
  readonly labels: readonly Label[]
}

export interface HotEntries {
  tell(session: SessionId): Promise<HotText>
  /** The tiers were changed. */
  drop(): void
}

export function createHotEntries(memory: MemoryStore, clock: Clock): HotEntries {
  const told = createRecentMap<SessionId, ReadonlySet<string>>(maxHotSessions)
  let held: { readonly at: number; readonly ids: readonly string[] } | null = null
  const hot = async (): Promise<readonly string[]> => {
    const now = clock.now()
    if (held === null || now - held.at >= hotFreshMs || now < held.at) {
      const entries = await memory.list({ tiers: ['hot'], validAt: now }, hotEntries)
      held = { at: now, ids: entries.map(({ id }) => id) }
    }
    return held.ids
  }
  /** Only ids are held: what was forgotten, rewritten or has ended since is not told as it was. */
  const asTheyAre = async (ids: readonly string[]): Promise<readonly MemoryItem[]> =>
    ids.length === 0 ? [] : (await memory.items(ids)).filter(({ entry }) => holdsAt(entry, clock.now()))
  return {
    drop: () => (held = null),
    async tell(session) {
      const before = told.get(session) ?? new Set<string>()
      const fresh = await asTheyAre((await hot()).filter((id) => !before.has(id)))
      told.put(session, new Set([...before, ...fresh.map(({ entry }) => entry.id)]))
      return {
        text: fresh.map(({ passages }) => `- ${wholeText(passages)}`).join('\n'),
        ids: fresh.map(({ entry }) => entry.id),
        labels: joinedLabels(...fresh.map(({ entry }) => entry.labels)),
      }
    },
  }
}
