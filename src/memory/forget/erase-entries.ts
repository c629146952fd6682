/**
 * Erases entries, and what their neighbours know of them: a passage is found by the words of the turn before it, too, and those
 * would still tell what was said.
 */
import type { MemoryChange, MemoryEntry, MemoryItem, PhraseMatch } from '../../store/index.ts'
import { entryPages } from '../entry-pages.ts'
import { termsOfDay } from '../recall/day-terms.ts'
import type { KeepDeps } from '../keep-deps.ts'
import { eraseBatch, listPage } from '../keep/keep-limits.ts'

export async function eraseEntries({ alone, changed }: Pick<KeepDeps, 'alone' | 'changed'>, items: readonly MemoryItem[]): Promise<void> {
  const gone = new Set(items.map(({ entry }) => entry.id))
  const put: MemoryEntry[] = []
  for (let at = 0; at < items.length; at += eraseBatch) {
    const batch = items.slice(at, at + eraseBatch)
    // A neighbour is written again: who erases that one meanwhile must not find it back.
    const behind = await alone(async (memory) => {
      const next = await Promise.all(
        batch.filter(({ entry }) => entry.kind === 'message').map(({ entry }) => memory.around(entry.stream, entry.place, 0, 1)),
      )
      const ids = new Set(next.flat().flatMap(({ entry }) => (gone.has(entry.id) ? [] : [entry.id])))
      const found = await memory.items([...ids])
      const cleaned = found.map((item): MemoryChange => ({ change: 'put', item: withoutContext(item) }))
      const erased = batch.map(({ entry }): MemoryChange => ({ change: 'erase', id: entry.id }))
      await memory.change([...erased, ...cleaned])
      return found
    })
    put.push(...behind.map(({ entry }) => entry))
  }
  // What was written again wants its vectors, too.
  changed({ gone: [...gone], put })
}

function withoutContext({ entry, passages }: MemoryItem): MemoryItem {
  const context = termsOfDay(entry.createdAt).join(' ')
  return { entry, passages: passages.map((passage) => ({ ...passage, context })) }
}

/** Takes tags that say it off what stays. @returns how many entries had some */
export async function eraseTags(
  { memory, clock }: Pick<KeepDeps, 'memory' | 'clock'>,
  match: Pick<PhraseMatch, 'inText'>,
  signal: AbortSignal,
): Promise<number> {
  let found = 0
  for await (const page of entryPages(memory, {}, listPage)) {
    signal.throwIfAborted()
    const changes = page.flatMap(({ id, tags }): MemoryChange[] => {
      const left = tags.filter((tag) => !match.inText(tag))
      return left.length === tags.length ? [] : [{ change: 'patch', id, patch: { tags: left, updatedAt: clock.now() } }]
    })
    if (changes.length > 0) await memory.change(changes)
    found += changes.length
  }
  return found
}
