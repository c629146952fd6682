/** Passages that were found lately: what is found often is read, unpacked and put together once. */
import type { FoundPassage } from '../memory.ts'
import { entryCharacters, maxHeldCharacters } from '../memory/memory-limits.ts'

export interface HeldPassages {
  get(passage: number): FoundPassage | undefined
  put(passage: FoundPassage): void
  /** It changed, or went. */
  drop(passage: number): void
  clear(): void
}

export function createHeldPassages(): HeldPassages {
  // Insertion order is order of use: the first is the least recently used.
  const held = new Map<number, FoundPassage>()
  let characters = 0
  const drop = (id: number): void => {
    const passage = held.get(id)
    if (passage === undefined) return
    held.delete(id)
    characters -= sizeOf(passage)
  }
  return {
    get(id) {
      const passage = held.get(id)
      if (passage === undefined) return undefined
      held.delete(id)
      held.set(id, passage)
      return passage
    },
    put(passage) {
      drop(passage.id)
      held.set(passage.id, passage)
      characters += sizeOf(passage)
      for (const id of held.keys()) {
        if (characters <= maxHeldCharacters) break
        drop(id)
      }
    },
    drop,
    clear() {
      held.clear()
      characters = 0
    },
  }
}

function sizeOf({ text, terms, context, entry }: FoundPassage): number {
  return text.length + terms.length + context.length + entry.extra.length + entryCharacters
}
