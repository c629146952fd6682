/** Memory as its users see it: methods become messages, and what cannot be kept is refused before it travels. */
import type { MemoryChange, MemoryStore } from '../memory.ts'
import { checkedChanges, checkedSearch } from './memory-input.ts'
import type { MemoryAnswers, MemoryRead } from './memory-message.ts'
import { readFound } from './sent-found.ts'

export interface MemoryWay {
  write(changes: readonly MemoryChange[]): Promise<void>
  read(read: MemoryRead): Promise<unknown>
}

export function createMemoryClient({ write, read }: MemoryWay): MemoryStore {
  const ask = async <Ask extends MemoryRead['ask']>(asked: MemoryRead & { ask: Ask }) => (await read(asked)) as MemoryAnswers[Ask]
  return {
    async change(changes) {
      if (changes.length > 0) await write(checkedChanges(changes))
    },
    search: async (search) => readFound(await ask({ ask: 'search', search: checkedSearch(search) })),
    items: (ids) => ask({ ask: 'items', ids }),
    list: (filter, limit, after) => ask({ ask: 'list', filter, limit, after: after ?? null }),
    around: (stream, place, before, after) => ask({ ask: 'around', stream, place, before, after }),
    withHash: (hash) => ask({ ask: 'with_hash', hash }),
    withoutVector: (model, limit) => ask({ ask: 'without_vector', model, limit }),
    cursor: (name) => ask({ ask: 'cursor', name }),
    models: () => ask({ ask: 'models' }),
    stats: () => ask({ ask: 'stats' }),
  }
}
