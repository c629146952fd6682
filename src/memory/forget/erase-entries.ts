/**
 * Erases entries and their terms in neighbouring entries: a passage is also indexed by the words of the turn before it, which would still
 * reveal the erased text.
 */
import type { MemoryChange, MemoryEntry, MemoryItem, PhraseMatch } from '../../store/index.ts'
import { entryPages, extraOf } from '../keep/memory-item.ts'
import { termsOfDay } from '../recall/day-terms.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { eraseBatch, listPage, writeBatch } from '../keep/keep-limits.ts'

export async function eraseEntries({ writer, changed }: Pick<KeepDeps, 'writer' | 'changed'>, items: readonly MemoryItem[]): Promise<void> {
  const gone = new Set(items.map(({ entry }) => entry.id))
  const put: MemoryEntry[] = []
  for (let at = 0; at < items.length; at += eraseBatch) {
    const batch = items.slice(at, at + eraseBatch)
    // Exclusive, because rewriting a neighbour that is erased meanwhile would bring it back.
    const behind = await writer.run(async (memory) => {
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
  // Rewritten entries need new vectors.
  changed({ gone: [...gone], put })
}

function withoutContext({ entry, passages }: MemoryItem): MemoryItem {
  const context = termsOfDay(entry.createdAt).join(' ')
  return { entry, passages: passages.map((passage) => ({ ...passage, context })) }
}

/** Matching tags and document titles; the text itself need not match. */
function marksOf(entry: MemoryEntry, { inText }: Pick<PhraseMatch, 'inText'>): readonly string[] {
  const title = entry.kind === 'document' ? (extraOf(entry).title ?? '') : ''
  return [...entry.tags, title].filter(inText)
}

export interface Marked {
  readonly entry: MemoryEntry
  readonly marks: readonly string[]
}

/** @param gone entries that are erased entirely @returns remaining entries with matching tags or titles */
export async function findMatchingMarks(
  { memory }: Pick<KeepDeps, 'memory'>,
  match: Pick<PhraseMatch, 'inText'>,
  signal: AbortSignal,
  gone: ReadonlySet<string> = new Set(),
): Promise<readonly Marked[]> {
  const found: Marked[] = []
  for await (const page of entryPages(memory, {}, listPage)) {
    signal.throwIfAborted()
    const marked = page.map((entry) => ({ entry, marks: gone.has(entry.id) ? [] : marksOf(entry, match) }))
    found.push(...marked.filter(({ marks }) => marks.length > 0))
  }
  return found
}

/** Removes matching tags and titles. @returns how many entries had some */
export async function eraseMarks(
  { writer, changed, clock }: Pick<KeepDeps, 'writer' | 'changed' | 'clock'>,
  match: Pick<PhraseMatch, 'inText'>,
  marked: readonly Marked[],
): Promise<number> {
  let erased = 0
  for (let at = 0; at < marked.length; at += writeBatch) {
    const changes = await writer.run(async (memory) => {
      const items = await memory.items(marked.slice(at, at + writeBatch).map(({ entry }) => entry.id))
      const made = items.map((item) => withoutMarks(item, match, clock.now()))
      if (made.length > 0) await memory.change(made)
      return made
    })
    changed({ put: changes.flatMap((each) => (each.change === 'put' ? [each.item.entry] : [])) })
    erased += changes.length
  }
  return erased
}

function withoutMarks({ entry, passages }: MemoryItem, match: Pick<PhraseMatch, 'inText'>, updatedAt: number): MemoryChange {
  const matching = marksOf(entry, match)
  const tags = entry.tags.filter((tag) => !matching.includes(tag))
  const { title, ...extra } = extraOf(entry)
  if (entry.kind !== 'document' || title === undefined || !matching.includes(title)) {
    return { change: 'patch', id: entry.id, patch: { tags, updatedAt } }
  }
  // Passages are indexed with the words of the title.
  return { change: 'put', item: withoutContext({ entry: { ...entry, tags, updatedAt, extra: JSON.stringify(extra) }, passages }) }
}
