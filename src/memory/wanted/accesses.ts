/** Counts what is recalled, in batches: what is wanted fades slower and is better protected. */
import type { MemoryStore } from '../../store/index.ts'
import type { Clock } from '../../types/index.ts'
import { accessDelayMs, maxHeldAccesses } from '../tidy/tidy-limits.ts'

export interface AccessCounter {
  /** Never throws, and nobody waits for it. */
  count(ids: readonly string[]): void
  /** Writes what waits. */
  flush(): Promise<void>
}

export function createAccessCounter(memory: MemoryStore, clock: Clock): AccessCounter {
  let held = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const counted = held
    held = new Map()
    if (counted.size === 0) return
    const items = await memory.items([...counted.keys()])
    const at = clock.now()
    await memory.change(
      items.map(({ entry }) => ({
        change: 'patch',
        id: entry.id,
        patch: { accesses: entry.accesses + (counted.get(entry.id) ?? 0), accessedAt: Math.max(at, entry.accessedAt) },
      })),
    )
  }
  const later = (): void => void flush().catch(() => {})
  return {
    count(ids) {
      for (const id of new Set(ids)) held.set(id, (held.get(id) ?? 0) + 1)
      if (held.size === 0) return
      if (held.size >= maxHeldAccesses) return later()
      timer ??= setTimeout(later, accessDelayMs).unref()
    },
    flush,
  }
}
