/** What the client and an engine say to each other about memory: what is asked, and what it is answered with. */
import type { FoundPassage, MemoryEntry, MemoryFilter, MemoryItem, MemoryModel, MemorySearch, MemoryStats } from '../memory.ts'
import type { SentFound } from './sent-found.ts'

export type MemoryRead =
  | { readonly ask: 'search'; readonly search: MemorySearch }
  | { readonly ask: 'items'; readonly ids: readonly string[] }
  | { readonly ask: 'list'; readonly filter: MemoryFilter; readonly limit: number; readonly after: ListAfter | null }
  | { readonly ask: 'around'; readonly stream: string; readonly place: number; readonly before: number; readonly after: number }
  | { readonly ask: 'with_hash'; readonly hash: string }
  | { readonly ask: 'without_vector'; readonly model: string; readonly limit: number }
  | { readonly ask: 'cursor'; readonly name: string }
  | { readonly ask: 'models' }
  | { readonly ask: 'stats' }

export interface ListAfter {
  readonly createdAt: number
  readonly id: string
}

export interface UnembeddedPassage {
  readonly id: number
  readonly text: string
  readonly context: string
}

/** What each of them is answered with. */
export interface MemoryAnswers {
  search: SentFound
  items: readonly MemoryItem[]
  list: readonly MemoryEntry[]
  around: readonly FoundPassage[]
  with_hash: readonly string[]
  without_vector: readonly UnembeddedPassage[]
  cursor: number
  models: readonly MemoryModel[]
  stats: MemoryStats
}
