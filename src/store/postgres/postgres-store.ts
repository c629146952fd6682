/**
 * The store in a Postgres database: a thread with one connection that writes and some that read. One database may hold many users;
 * every statement names the user.
 */
import type { UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { patienceMs as usualPatienceMs } from '../limits.ts'
import { startStoreWorker } from '../worker-link.ts'
import { createStoreClient } from '../store-client.ts'
import { storeFault } from '../store-fault.ts'
import type { EngineLink, Read, ReadResults, WriteResult } from '../store-message.ts'
import type { SnapshotChoice } from '../memory.ts'
import type { OpeningStore } from '../store.ts'
import { parseAddress } from './postgres-address.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string
  readonly user: UserId
  /** Role that it works as, by which row-level security holds; absent: the one of the address. */
  readonly role?: string
  /** Maximum number of connections, at least 2. */
  readonly pool: number
  /** Both survive the end of the database server. `full` also waits for its synchronous standbys, where it has some. */
  readonly durability: 'normal' | 'full'
  /** Never writes and takes no lock: to look at the journal of a running guest. */
  readonly readOnly?: boolean
  /** Refuses a user whose store another guest holds (`workspace_busy`), and holds it until closed. */
  readonly exclusive?: boolean
  /** Of a guest in a cluster. A newer one takes the place of whoever holds the store, who cannot write any more (`stale_epoch`). */
  readonly lease?: GuestLease
  /** How long a write waits for a server that is gone. */
  readonly patienceMs?: number
  /** Absent: each first search reads all of memory. */
  readonly snapshot?: SnapshotChoice
}

/**
 * Resolves at once: requests wait until the server answers, and `opened()` reports the result.
 * @throws OxbowError `bad_config` for text that is not an address
 */
export async function openPostgresStore(options: PostgresOptions): Promise<OpeningStore> {
  const { url, user, role: rowRole = '', pool, durability, readOnly = false, exclusive = false, patienceMs = usualPatienceMs } = options
  const address = { url, shown: parseAddress(url).shown }
  let mended = (): void => {}
  const snapshot = options.snapshot === undefined ? {} : { snapshot: options.snapshot }
  const lease = options.lease === undefined ? {} : { lease: options.lease }
  const role = {
    role: 'postgres',
    ...address,
    user,
    rowRole,
    pool,
    durability,
    readOnly,
    exclusive,
    patienceMs,
    ...lease,
    ...snapshot,
  } as const
  const worker = startStoreWorker(role, workerFile(), () => mended())
  let warning = ''
  const opened = worker.ask({ ask: 'open' }).then((answer) => void (warning = typeof answer === 'string' ? answer : ''))
  // The failure goes to those who await it; nobody has to.
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
    memorySource: () => opened.then(() => ({ kind: 'postgres', user, rowRole, ...address, ...snapshot })),
    shares: options.lease !== undefined,
    close: () => worker.close(),
  }
  return { ...createStoreClient(user, link), opened: () => opened, warning: () => warning }
}

/** The worker's file: next to this one as source, next to the bundle as JavaScript. */
function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./postgres-worker.${extension}`, import.meta.url)
}
