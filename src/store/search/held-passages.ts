/**
 * Passages that were found lately, as they travel (JSON): what is found often is read, unpacked and put together once, and the main
 * thread reads of a search only what it looks at.
 */
import { maxHeldCharacters } from '../memory/memory-limits.ts'

export interface HeldPassages {
  get(passage: number): string | undefined
  put(passage: number, text: string): void
  /** It changed, or went. */
  drop(passage: number): void
  clear(): void
}

export function createHeldPassages(): HeldPassages {
  // Insertion order is order of use: the first is the least recently used.
  const held = new Map<number, string>()
  let characters = 0
  const drop = (passage: number): void => {
    const text = held.get(passage)
    if (text === undefined) return
    held.delete(passage)
    characters -= text.length
  }
  return {
    get(passage) {
      const text = held.get(passage)
      if (text === undefined) return undefined
      held.delete(passage)
      held.set(passage, text)
      return text
    },
    put(passage, text) {
      drop(passage)
      held.set(passage, text)
      characters += text.length
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
