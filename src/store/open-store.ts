/** Opens the store that a configuration names: a SQLite file or a Postgres database; or one in memory. */
import { type Clock, ownValue, systemClock, type UserId } from '../base/index.ts'
import type { GuestLease, StoreConfig } from '../config/index.ts'
import type { BucketPlace } from './files/files-place.ts'
import type { CipherChoice } from './secrets/file-encryption.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import { createStoreClient } from './store-client.ts'
import { toStoreError } from './store-fault.ts'
import type { EngineLink, Read, ReadResults } from './store-message.ts'
import type { OpeningStore, Store } from './store.ts'

interface StoreChoice {
  /** Of the configuration: `store`. */
  readonly config: StoreConfig
  /** Variables of the environment that the configuration may name. */
  readonly environment: Readonly<Record<string, string>>
  /** The file where no address is configured. */
  readonly path: string
  readonly user: UserId
  readonly readOnly?: boolean
  readonly exclusive?: boolean
  /** Of a guest in a cluster, whose store is in Postgres. */
  readonly lease?: GuestLease
  /** Where such a guest keeps large contents of files; null: with the store. */
  readonly bucket?: BucketPlace | null
  /** Master keys, where the runner has some; see `CipherChoice`. */
  readonly masters?: readonly string[]
}

/** @returns the address of the Postgres that is configured, which may hold a password; empty where it is a file. */
export function storeAddress({ config, environment }: Pick<StoreChoice, 'config' | 'environment'>): string {
  return ownValue(environment, config.url_env)?.trim() || config.url
}

/** @throws OxbowError `bad_config` for an invalid address; `opened()` reports everything else. */
export async function openStore(choice: StoreChoice): Promise<OpeningStore> {
  const { config, path, user, readOnly = false, exclusive = false } = choice
  const url = storeAddress(choice)
  const { durability, pool, role } = config
  const cipher = cipherChoice(choice)
  if (url === '') return openSqliteStore({ path, user, durability, readOnly, exclusive, ...(cipher !== null && { cipher }) })
  const { openPostgresStore } = await import('./postgres/postgres-store.ts')
  const snapshot = { path, masters: cipher === null ? null : cipher.masters }
  const { lease, bucket = null } = choice
  const fenced = lease && { lease }
  const store = await openPostgresStore({ url, user, role, pool, durability, readOnly, exclusive, snapshot, ...fenced })
  return lease === undefined ? store : { ...store, files: { address: url, user, role, lease, bucket } }
}

/** @returns null where nothing is encrypted and nothing is to be */
export function cipherChoice({ config, masters = [] }: Pick<StoreChoice, 'config' | 'masters'>): CipherChoice | null {
  return masters.length > 0 || config.encrypt ? { masters, required: config.encrypt } : null
}

/** @returns what a person may be shown of the choice: a file's path, or an address without its password. */
export async function shownStore(choice: Pick<StoreChoice, 'config' | 'environment' | 'path'>): Promise<string> {
  const url = storeAddress(choice)
  if (url === '') return choice.path
  const { parseAddress } = await import('./postgres/postgres-address.ts')
  return parseAddress(url).shown
}

interface InMemoryOptions {
  readonly user: UserId
  /** Ends leases. */
  readonly clock?: Clock
}

/**
 * A store that ends with its process: SQLite's engine and the usual client on an in-memory database, without threads. For tests, and
 * for stores that are needed for a moment. (What an agent remembers, `MemoryStore`, is in `memory.ts`.)
 */
export async function openMemoryStore(options: InMemoryOptions): Promise<Store> {
  const { user, clock = systemClock } = options
  // Loaded here and not above: a guest that uses the file store keeps these out of its main thread.
  const { openDatabase } = await import('./sqlite/sqlite-database.ts')
  const { createReadEngine } = await import('./sqlite/read-engine.ts')
  const { createWriteEngine } = await import('./sqlite/write-engine.ts')
  const database = openDatabase({ path: ':memory:', readOnly: false })
  const write = await createWriteEngine(database, { user, durability: 'normal', now: clock.now })
  const read = createReadEngine(database, user)
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
