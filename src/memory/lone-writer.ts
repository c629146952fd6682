/**
 * Lets one piece of work read entries and write them again without a change between: what was forgotten or rewritten meanwhile would come back
 * by it. Changes that are asked for while it works wait for it, and it waits for those that are on their way.
 */
import type { MemoryStore } from '../store/index.ts'

export interface LoneWriter {
  /** The same store; its changes wait while somebody works alone. */
  readonly memory: MemoryStore
  /** One at a time. @param work is given the store whose changes do not wait: with the other one it would wait for itself */
  alone<Result>(work: (memory: MemoryStore) => Promise<Result>): Promise<Result>
}

export function createLoneWriter(memory: MemoryStore): LoneWriter {
  const underWay = new Set<Promise<unknown>>()
  const state: { held: Promise<void> | null } = { held: null }
  const change: MemoryStore['change'] = async (changes) => {
    while (state.held !== null) await state.held
    const done = memory.change(changes)
    underWay.add(done)
    try {
      await done
    } finally {
      underWay.delete(done)
    }
  }
  return {
    memory: Object.assign(Object.create(memory) as MemoryStore, { change }),
    async alone(work) {
      // Looked at and taken without a pause between: of two who wait one goes on.
      while (state.held !== null) await state.held
      const { promise, resolve } = Promise.withResolvers<void>()
      state.held = promise
      try {
        await Promise.allSettled(underWay)
        return await work(memory)
      } finally {
        state.held = null
        resolve()
      }
    },
  }
}
