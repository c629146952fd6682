/** Memory looked through from end to end, some of it at a time: the event loop is free between two pages. */
import type { MemoryEntry, MemoryFilter, MemoryItem, MemoryStore } from '../store/index.ts'

/** Entries that pass, the newest first, `size` at a time; no page is empty. What is written meanwhile may be missed, nothing comes twice. */
export async function* entryPages(
  memory: Pick<MemoryStore, 'list'>,
  filter: MemoryFilter,
  size: number,
): AsyncGenerator<readonly MemoryEntry[], void, undefined> {
  for (let last: MemoryEntry | undefined; ;) {
    const page = await memory.list(filter, size, last)
    if (page.length > 0) yield page
    last = page.at(-1)
    if (last === undefined || page.length < size) return
  }
}

/** @returns entries with their texts, in order, read `size` at a time; what is gone meanwhile is left out */
export async function itemsOf(
  memory: Pick<MemoryStore, 'items'>,
  entries: readonly Pick<MemoryEntry, 'id'>[],
  size: number,
): Promise<readonly MemoryItem[]> {
  const items: MemoryItem[] = []
  for (let at = 0; at < entries.length; at += size) items.push(...(await memory.items(entries.slice(at, at + size).map(({ id }) => id))))
  return items
}
