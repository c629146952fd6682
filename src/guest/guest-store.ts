/** Opens a guest's store. A file of its own, so that the database's worker can start before everything else is loaded. */
import { join } from 'node:path'
import { openStore, type OpeningStore, shownStore, storeAddress } from '../store/index.ts'
import { type GuestEnvelope, OxbowError } from '../types/index.ts'

/** @throws OxbowError `bad_config` for an address that is none, or where the guest has no way to it */
export async function openGuestStore({
  user,
  workspaceRoot,
  config,
  keys,
  isolation,
  masterKeys: masters,
}: GuestEnvelope): Promise<OpeningStore> {
  const path = join(workspaceRoot, 'internal', 'oxbow.db')
  const choice = { config: config.store, environment: keys, path, user, exclusive: true, ...(masters !== undefined && { masters }) }
  if (isolation !== undefined && storeAddress(choice) !== '') {
    throw new OxbowError('bad_config', 'A guest that is isolated itself has no network, and cannot reach a store in Postgres.', {
      hint: 'Set sandbox.isolate_guest = false (tools stay in their sandbox), or leave store.url empty.',
    })
  }
  return openStore(choice)
}

/** Is the store a database server, and no file? */
export function isOnServer({ config, keys }: GuestEnvelope): boolean {
  return storeAddress({ config: config.store, environment: keys }) !== ''
}

/** @returns for people: `file`, or the address of the database without its password */
export function shownAddress({ config, keys: environment }: GuestEnvelope): Promise<string> {
  return shownStore({ config: config.store, environment, path: 'file' })
}
