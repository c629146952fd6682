/**
 * Memory as its users see it: methods become messages to an engine, and input that cannot be stored is refused before it is sent.
 * The messages are here too.
 */
import type {
  Beside,
  FoundPassage,
  MemoryChange,
  MemoryEntry,
  MemoryFilter,
  MemoryFound,
  MemoryItem,
  MemoryModel,
  MemorySearch,
  MemoryStats,
  MemoryStore,
  StoredMark,
} from '../memory.ts'
import { checkedChanges, checkedSearch } from './memory-input.ts'

interface MemoryWay {
  write(changes: readonly MemoryChange[]): Promise<void>
  read(read: MemoryRead): Promise<unknown>
}

export function createMemoryClient({ write, read }: MemoryWay): MemoryStore {
  const send = async <Ask extends MemoryRead['ask']>(request: MemoryRead & { ask: Ask }) => (await read(request)) as MemoryAnswers[Ask]
  const searchAll: MemoryStore['searchAll'] = async (searches) =>
    searches.length === 0 ? [] : send({ ask: 'search', searches: searches.map(checkedSearch) })
  return {
    async change(changes) {
      if (changes.length > 0) await write(checkedChanges(changes))
    },
    search: async (search) => (await searchAll([search]))[0]!,
    searchAll,
    beside: (passages, before, after) => send({ ask: 'beside', passages, before, after }),
    items: (ids) => send({ ask: 'items', ids }),
    list: (filter, limit, after) => send({ ask: 'list', filter, limit, after: after ?? null }),
    around: (stream, place, before, after) => send({ ask: 'around', stream, place, before, after }),
    withHash: (hash) => send({ ask: 'with_hash', hash }),
    withoutVector: (model, limit) => send({ ask: 'without_vector', model, limit }),
    cursor: (name) => send({ ask: 'cursor', name }),
    models: () => send({ ask: 'models' }),
    stats: () => send({ ask: 'stats' }),
    marks: (after, limit) => send({ ask: 'marks', after, limit }),
  }
}

/** A read of memory, as it goes to the thread of the store. */
export type MemoryRead =
  | { readonly ask: 'search'; readonly searches: readonly MemorySearch[] }
  | { readonly ask: 'beside'; readonly passages: readonly number[]; readonly before: number; readonly after: number }
  | { readonly ask: 'items'; readonly ids: readonly string[] }
  | { readonly ask: 'list'; readonly filter: MemoryFilter; readonly limit: number; readonly after: ListAfter | null }
  | { readonly ask: 'around'; readonly stream: string; readonly place: number; readonly before: number; readonly after: number }
  | { readonly ask: 'with_hash'; readonly hash: string }
  | { readonly ask: 'without_vector'; readonly model: string; readonly limit: number }
  | { readonly ask: 'cursor'; readonly name: string }
  | { readonly ask: 'models' }
  | { readonly ask: 'stats' }
  | { readonly ask: 'marks'; readonly after: number; readonly limit: number }

export interface ListAfter {
  readonly createdAt: number
  readonly id: string
}

interface UnembeddedPassage {
  readonly id: number
  readonly text: string
  readonly context: string
}

/** What each of them is answered with. */
export interface MemoryAnswers {
  search: readonly MemoryFound[]
  beside: Beside
  items: readonly MemoryItem[]
  list: readonly MemoryEntry[]
  around: readonly FoundPassage[]
  with_hash: readonly string[]
  without_vector: readonly UnembeddedPassage[]
  cursor: number
  models: readonly MemoryModel[]
  stats: MemoryStats
  marks: readonly StoredMark[]
}
