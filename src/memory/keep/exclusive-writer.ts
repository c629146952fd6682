/**
 * What the parts of memory that change entries work with. The exclusive writer among them lets one piece of work read entries and write
 * them back with no change in between; without it, an entry forgotten or rewritten meanwhile would come back. Other changes wait until
 * the work is done, and the work waits for changes already in progress.
 */
import type { Hasher, MemoryChange, MemoryEntry, MemoryStore, Store } from '../../store/index.ts'
import type { Clock } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import type { TextEngine } from '../text/text-engine.ts'

/** Who asks for a change of memories. */
export interface Asking extends Pick<CallContext, 'id' | 'caller'> {
  /** Called before each commit, while nobody else changes memories: it records what an undo needs. */
  readonly noted?: ((changes: readonly MemoryChange[]) => Promise<void>) | undefined
}

/** @param memory of exclusive work */
export async function changeNoted(memory: MemoryStore, changes: readonly MemoryChange[], { noted }: Pick<Asking, 'noted'>): Promise<void> {
  await noted?.(changes)
  await memory.change(changes)
}

export interface ExclusiveWriter {
  /** The same store; its changes wait while exclusive work runs. */
  readonly memory: MemoryStore
  /** Runs one piece of work at a time. @param work must use the store it receives: changes to the other one would wait for it forever */
  run<Result>(work: (memory: MemoryStore) => Promise<Result>): Promise<Result>
}

/** Lets a rebuild of the index write alone: changes of others wait meanwhile. */
export function createExclusiveWriter(memory: MemoryStore): ExclusiveWriter {
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
    async run(work) {
      // Checked and taken in one step: of two that wait, one goes on.
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

/** The text thread and the hash function are loaded with the first text. */
export interface KeepDeps {
  readonly memory: MemoryStore
  /** For work that reads entries and writes them back. */
  readonly writer: Pick<ExclusiveWriter, 'run'>
  readonly store: Store
  readonly text: () => Promise<TextEngine>
  readonly hash: () => Promise<Hasher>
  readonly clock: Clock
  /** Called after every change with the entries that were written and the ids of those that were erased. */
  readonly changed: (change: { readonly put?: readonly MemoryEntry[]; readonly gone?: readonly string[] }) => void
}
