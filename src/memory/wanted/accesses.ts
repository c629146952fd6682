/** Counts what is recalled, in batches: what is wanted fades slower and is better protected. */
import type { MemoryEntry, MemoryPatch } from '../../store/index.ts'
import type { Clock, SessionId } from '../../types/index.ts'
import { extraOf } from '../entry-extra.ts'
import { maxSessions } from '../keep/keep-limits.ts'
import type { LoneWriter } from '../lone-writer.ts'
import { accessDelayMs, maxHeldAccesses } from '../tidy/tidy-limits.ts'

export interface AccessCounter {
  /**
   * Never throws, and nobody waits for it. @param fits how well each fitted what was asked, 0 to 1; the best counts
   * @param session in which it was asked
   */
  count(found: readonly { readonly id: string; readonly fits: number }[], session?: SessionId): void
  /** Writes what waits. */
  flush(): Promise<void>
}

/** @param alone what is counted was read before: no change may come between */
export function createAccessCounter(alone: LoneWriter['alone'], clock: Clock): AccessCounter {
  let held = new Map<string, Held>()
  let timer: NodeJS.Timeout | undefined
  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const counted = held
    held = new Map()
    if (counted.size === 0) return
    await alone(async (memory) => {
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
 * An access brings back half of what time has taken, and all of it for what fits best: the time since the last one shrinks by that
 * part. So what is only found beside something else fades on, slower.
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

/** Of what fades it is kept in which sessions it was wanted, as many of them as make a difference. */
function wantedIn(entry: MemoryEntry, sessions: readonly SessionId[]): Pick<MemoryPatch, 'extra'> {
  const before = extraOf(entry).sessions ?? []
  const all = [...new Set([...before, ...sessions])].slice(0, maxSessions)
  if (all.length === before.length || (entry.kind !== 'note' && entry.kind !== 'fact')) return {}
  return { extra: JSON.stringify({ ...extraOf(entry), sessions: all }) }
}
