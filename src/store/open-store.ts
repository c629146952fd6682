/** Which store a configuration means, and how it is opened. */
import type { StoreConfig, UserId } from '../types/index.ts'
import type { CipherChoice } from './encrypt/cipher.ts'
import { openSqliteStore } from './sqlite/sqlite-store.ts'
import type { OpeningStore } from './store.ts'

export interface StoreChoice {
  /** Of the configuration: `store`. */
  readonly config: StoreConfig
  /** Variables of the environment that the configuration may name. */
  readonly environment: Readonly<Record<string, string>>
  /** The file where no address is configured. */
  readonly path: string
  readonly user: UserId
  readonly readOnly?: boolean
  readonly exclusive?: boolean
  /** Master keys, where the runner has some; see `CipherChoice`. */
  readonly masters?: readonly string[]
}

/** @returns the address of the Postgres that is configured, which may hold a password; empty where it is a file. */
export function storeAddress({ config, environment }: Pick<StoreChoice, 'config' | 'environment'>): string {
  return environment[config.url_env]?.trim() || config.url
}

/** @throws OxbowError `bad_config` for an address that is none; all else comes with `opened()`. */
export async function openStore(choice: StoreChoice): Promise<OpeningStore> {
  const { config, path, user, readOnly = false, exclusive = false } = choice
  const url = storeAddress(choice)
  const { durability, pool } = config
  const cipher = cipherChoice(choice)
  if (url === '') return openSqliteStore({ path, user, durability, readOnly, exclusive, ...(cipher !== null && { cipher }) })
  const { openPostgresStore } = await import('./postgres/postgres-store.ts')
  return openPostgresStore({ url, user, pool, durability, readOnly, exclusive })
}

/** @returns null where nothing is encrypted, nor shall be */
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
