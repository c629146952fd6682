/**
 * The store in a Postgres database: a thread with one connection that writes and some that read. One database may hold many
 * users; every statement says whose rows it is about.
 */
import type { UserId } from '../../types/index.ts'
import { patienceMs as usualPatienceMs } from '../limits.ts'
import { startStoreWorker } from '../worker-link.ts'
import { createStoreClient } from '../store-client.ts'
import { storeFault } from '../store-fault.ts'
import type { EngineLink, Read, ReadResults, WriteResult } from '../store-message.ts'
import type { OpeningStore } from '../store.ts'
import { parseAddress } from './postgres-address.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string
  readonly user: UserId
  /** Most connections, at least 2. */
  readonly pool: number
  /** Both survive the end of the database server. `full` also waits for its synchronous standbys, where it has some. */
  readonly durability: 'normal' | 'full'
  /** Never writes and takes no lock: for looking at the journal of a running guest. */
  readonly readOnly?: boolean
  /** Refuses a user whose store another guest holds (`workspace_busy`), and holds it until closed. */
  readonly exclusive?: boolean
  /** How long a write waits for a server that is gone. */
  readonly patienceMs?: number
}

/**
 * Resolves at once: everything asked before the server answers waits, and `opened()` tells how it went.
 * @throws OxbowError `bad_config` for an address that is none
 */
export async function openPostgresStore(options: PostgresOptions): Promise<OpeningStore> {
  const { url, user, pool, durability, readOnly = false, exclusive = false, patienceMs = usualPatienceMs } = options
  parseAddress(url)
  let mended = (): void => {}
  const role = { role: 'postgres', url, user, pool, durability, readOnly, exclusive, patienceMs } as const
  const worker = startStoreWorker(role, workerFile(), () => mended())
  let warning = ''
  const opened = worker.ask({ ask: 'open' }).then((said) => void (warning = typeof said === 'string' ? said : ''))
  // Whoever asks gets the failure; nobody has to.
  opened.catch(() => {})
  const link: EngineLink = {
    write: async (batch) => (await worker.ask({ ask: 'write', batch })) as readonly WriteResult[],
    async read<Kind extends Read['kind']>(read: Read & { kind: Kind }) {
      if (!worker.alive()) throw storeFault('store_failed', 'The thread of the store has ended.')
      return (await worker.ask({ ask: 'read', read })) as ReadResults[Kind]
    },
    onMended: (listener) => {
      mended = listener
    },
    close: () => worker.close(),
  }
  return { ...createStoreClient(user, link), opened: () => opened, warning: () => warning }
}

/** The worker's file: beside this one as source, and beside the bundle as JavaScript. */
function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./postgres-worker.${extension}`, import.meta.url)
}
