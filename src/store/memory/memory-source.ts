/**
 * Memory read by another thread of the same process: a thread that searches opens a connection of its own, so that a search costs no hop
 * and nothing of the store waits for it.
 */
import type { MemorySource, MemoryStore } from '../memory.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { createMemoryClient, type MemoryRead } from './memory-client.ts'

export interface OpenedMemory {
  /** Reads only. */
  readonly memory: MemoryStore
  /** Keeps what the search holds for the next process, if much of it is new. Blocks for some milliseconds at times. Never throws. */
  keep(): void
  /** Never throws. */
  close(): Promise<void>
}

/** @throws OxbowError as a store that is opened */
export async function attachMemory(source: MemorySource): Promise<OpenedMemory> {
  const { read, ...rest } = await readerOf(source)
  const write = (): Promise<never> => Promise.reject(storeFault('store_failed', 'This memory is only read.'))
  return { memory: createMemoryClient({ write, read }), ...rest }
}

interface Reading extends Pick<OpenedMemory, 'keep' | 'close'> {
  readonly read: (read: MemoryRead) => Promise<unknown>
}

async function readerOf(source: MemorySource): Promise<Reading> {
  const { user } = source
  if (source.kind === 'sqlite') {
    const { openKeptMemory } = await import('../sqlite/sqlite-memory.ts')
    const memory = openKeptMemory(source)
    const read = async (request: MemoryRead): Promise<unknown> => {
      try {
        return memory.read(request)
      } catch (error) {
        throw toStoreError(error)
      }
    }
    return { read, keep: memory.keep, close: async () => memory.close() }
  }
  const [{ openPgDriver }, { createPostgresEngine }] = await Promise.all([
    import('../postgres/postgres-session.ts'),
    import('../postgres/postgres-engine.ts'),
  ])
  const { url, shown, snapshot, rowRole } = source
  const driver = openPgDriver({ url, connections: 2, name: `oxbow-recall ${user}`, rows: { user, role: rowRole } })
  const reading = { durability: 'normal', exclusive: false, readOnly: true, ...(snapshot !== undefined && { snapshot }) } as const
  const engine = await createPostgresEngine({ driver, user, shown, ...reading })
  let keeping: Promise<void> = Promise.resolve()
  return {
    read: (read) => engine.read({ kind: 'memory', read }),
    keep: () => void (keeping = engine.keepSearch()),
    async close() {
      await keeping
      await engine.close()
    },
  }
}
