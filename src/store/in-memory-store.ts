/**
 * A store that is gone with its process: SQLite's engine and the usual client on an in-memory database, without threads. For
 * tests, and for whoever needs a store for a moment. (What an agent remembers, `MemoryStore`, is in `memory.ts`.)
 */
import type { Clock, UserId } from '../types/index.ts'
import { systemClock } from '../types/index.ts'
import { createStoreClient } from './store-client.ts'
import { toStoreError } from './store-fault.ts'
import type { EngineLink, Read, ReadResults } from './store-message.ts'
import type { Store } from './store.ts'

export interface InMemoryOptions {
  readonly user: UserId
  /** Ends leases. */
  readonly clock?: Clock
}

export async function openMemoryStore(options: InMemoryOptions): Promise<Store> {
  const { user, clock = systemClock } = options
  // Loaded here and not above: a guest that uses the file store keeps these out of its main thread.
  const { openDatabase } = await import('./sqlite/sqlite-database.ts')
  const { createReader, createWriter } = await import('./sqlite/sqlite-engine.ts')
  const database = openDatabase({ path: ':memory:', readOnly: false })
  const write = await createWriter(database, { user, durability: 'normal', now: clock.now })
  const read = createReader(database, user)
  /** Answers come later and failures are typed, as from a thread. */
  const typed = async <Result>(work: () => Result): Promise<Result> => {
    await Promise.resolve()
    try {
      return work()
    } catch (error) {
      throw toStoreError(error)
    }
  }
  const link: EngineLink = {
    write: (batch) => typed(() => write(batch)),
    read: <Kind extends Read['kind']>(request: Read & { kind: Kind }) => typed(() => read(request) as ReadResults[Kind]),
    close: async () => database.close(),
  }
  return createStoreClient(user, link)
}
