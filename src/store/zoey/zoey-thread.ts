/**
 * Data of plugins in a guest: a thread with a connection of its own, because this adapter waits for its database where it stands. It starts
 * with the first request and ends after a minute without one.
 */
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { createIdleThread, type Json, OxbowError, type UserId } from '../../base/index.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import type { GuestSide } from '../upkeep/connection.ts'
import type { ZoeyClear, ZoeyForget, ZoeyRequest } from './zoey-requests.ts'

export interface ZoeyPlace {
  readonly user: UserId
  readonly file: string
  /** Address of Postgres; empty: the file. */
  readonly url: string
  readonly cipher?: CipherChoice
  readonly guest?: GuestSide
}

export interface ZoeyThread {
  /** @throws OxbowError `bad_input`, or as the store does */
  ask(request: ZoeyRequest | ZoeyForget | ZoeyClear): Promise<Json>
  close(): Promise<void>
}

const idleMs = 60_000

export function openZoeyThread(place: ZoeyPlace): ZoeyThread {
  const bundled = import.meta.url.endsWith('.js')
  const program = fileURLToPath(new URL(bundled ? './zoey-worker.js' : './zoey-worker.ts', import.meta.url))
  return createIdleThread<ZoeyRequest | ZoeyForget | ZoeyClear, Json>({
    idleMs,
    start: () => new Worker(program, { workerData: place, env: {} }),
    lost: (why, cause) =>
      new OxbowError('store_failed', `The thread with the data of plugins has died: ${why}.`, { hint: 'Try again.', cause }),
    closed: () => new OxbowError('store_failed', 'The store is closed.', { hint: 'Start the guest again.' }),
  })
}
