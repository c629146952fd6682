/** The Postgres engine in the test's own thread: what the store's thread runs, without the time that a thread takes to start. */
import type { UserId } from '../../base/index.ts'
import { createStoreClient } from '../store-client.ts'
import { ann } from '../store-fixture.ts'
import type { Store } from '../store.ts'
import { openPgDriver, type PostgresDriver } from './postgres-session.ts'
import { createPostgresEngine, type EngineOptions, type PostgresEngine } from './postgres-engine.ts'

export interface EngineStore {
  readonly store: Store
  readonly engine: PostgresEngine
}

export async function openEngine(
  driver: PostgresDriver,
  options: Partial<EngineOptions> & { readonly user?: UserId } = {},
): Promise<EngineStore> {
  let mended = (): void => {}
  const engine = await createPostgresEngine({
    driver,
    user: ann,
    shown: 'postgres://test',
    durability: 'normal',
    exclusive: false,
    readOnly: false,
    mended: () => mended(),
    ...options,
  })
  const link = { ...engine, onMended: (listener: () => void) => void (mended = listener) }
  return { store: createStoreClient(options.user ?? ann, link), engine }
}

export function pgDriver(url: string, connections = 3): PostgresDriver {
  return openPgDriver({ url, connections, name: 'oxbow test' })
}
