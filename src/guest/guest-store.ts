/** Opens a guest's store. A file of its own, so that the database's worker can start before everything else is loaded. */
import { join } from 'node:path'
import { openSqliteStore, type OpeningStore } from '../store/index.ts'
import type { GuestEnvelope } from '../types/index.ts'

export function openGuestStore({ user, workspaceRoot, config }: GuestEnvelope): Promise<OpeningStore> {
  const path = join(workspaceRoot, 'internal', 'oxbow.db')
  return openSqliteStore({ path, user, durability: config.store.durability, exclusive: true })
}
