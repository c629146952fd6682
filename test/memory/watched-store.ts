/** A store that tells what happens to it, for tests that wait. */
import type { MemoryChange, Store } from '../../src/store/index.ts'

export interface WatchedStore {
  readonly store: Store
  /** Resolves with the first refusal of a question for vectors. */
  readonly refused: Promise<void>
  /** Resolves when so many vectors were kept since the start. */
  vectorsMade(count: number): Promise<void>
}

/** Tells of vectors that were kept, and of the first refusal, instead of asking again and again. */
export function watched(store: Store): WatchedStore {
  const refused = Promise.withResolvers<void>()
  const append: Store['append'] = async (batch) => {
    const done = await store.append(batch)
    if (batch.records.some(({ name, phase }) => name === 'model.embed' && phase === 'refused')) refused.resolve()
    return done
  }
  let made = 0
  const waiting: { readonly count: number; resolve(): void }[] = []
  const change: Store['memory']['change'] = async (changes) => {
    const done = await store.memory.change(changes)
    made += changes.reduce((sum, each: MemoryChange) => sum + (each.change === 'vectors' ? each.vectors.length : 0), 0)
    for (const each of waiting) if (made >= each.count) each.resolve()
    return done
  }
  const memory = Object.assign(Object.create(store.memory) as Store['memory'], { change })
  return {
    store: Object.assign(Object.create(store) as Store, { memory, append }),
    refused: refused.promise,
    vectorsMade: (count) => new Promise((resolve) => (made >= count ? resolve() : void waiting.push({ count, resolve }))),
  }
}
