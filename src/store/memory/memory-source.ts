/**
 * Memory read by another thread of the same process: a thread that searches opens a connection of its own, so that a search costs no hop
 * and nothing of the store waits for it.
 */
import type { UserId } from '../../base/index.ts'
import type { MemoryStore } from '../memory.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { createMemoryClient, type MemoryRead } from './memory-client.ts'

/** What a thread needs to open it. May hold a password or keys, and never leaves the process. */
export type MemorySource =
  | { readonly kind: 'sqlite'; readonly user: UserId; readonly path: string; readonly cipher?: CipherChoice }
  | { readonly kind: 'postgres'; readonly user: UserId; readonly url: string; readonly shown: string }

/** Reads only. @throws OxbowError as a store that is opened */
export async function openMemorySource(source: MemorySource): Promise<MemoryStore> {
  return createMemoryClient({
    write: () => Promise.reject(storeFault('store_failed', 'This memory is only read.')),
    read: await readerOf(source),
  })
}

async function readerOf(source: MemorySource): Promise<(read: MemoryRead) => Promise<unknown>> {
  const { user } = source
  if (source.kind === 'sqlite') {
    const [{ openDatabase }, { createSqliteMemory }] = await Promise.all([
      import('../sqlite/sqlite-database.ts'),
      import('../sqlite/sqlite-memory.ts'),
    ])
    const { path, cipher } = source
    const memory = createSqliteMemory(openDatabase({ path, readOnly: true, ...(cipher !== undefined && { cipher }) }), user)
    return async (read) => {
      try {
        return memory(read)
      } catch (error) {
        throw toStoreError(error)
      }
    }
  }
  const [{ openPgDriver }, { createPostgresEngine }] = await Promise.all([
    import('../postgres/postgres-session.ts'),
    import('../postgres/postgres-engine.ts'),
  ])
  const { url, shown } = source
  const driver = openPgDriver({ url, connections: 2, name: `oxbow ${user} recall` })
  const engine = await createPostgresEngine({ driver, user, shown, durability: 'normal', exclusive: false, readOnly: true })
  return (read) => engine.read({ kind: 'memory', read })
}
