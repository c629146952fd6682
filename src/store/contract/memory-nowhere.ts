import type { MemoryStore } from '../memory.ts'
import { anything, textSearch } from './memory-fixture.ts'

/** @returns all that any way of asking finds of a word, or of anything where nothing is to be found */
export async function emptySearchAnswers(memory: MemoryStore, word: string): Promise<readonly unknown[]> {
  const found = await memory.search(textSearch(word))
  const listed = (await memory.items((await memory.list(anything, 1_000)).map(({ id }) => id))).filter(({ passages }) =>
    passages.some(({ text, terms, context }) => `${text} ${terms} ${context}`.includes(word)),
  )
  const beside = (await memory.around('s', 0, 100, 100)).filter(({ text }) => text.includes(word))
  return [...found.text, ...found.passages, ...listed, ...beside]
}
