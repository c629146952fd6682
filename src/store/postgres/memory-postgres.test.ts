import { after } from 'node:test'
import type { UserId } from '../../types/index.ts'
import { describeMemoryContract } from '../contract/memory-contract.ts'
import { ann } from '../store-fixture.ts'
import type { Store } from '../store.ts'
import { openEngine } from './engine-fixture.ts'
import { startPglite } from './pglite-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()

if (postgresSkip() === false)
  describeMemoryContract('the Postgres store in its thread', async () => {
    const database = await postgres.database()
    const opened: Store[] = []
    const open = async (user: UserId): Promise<Store> => {
      const store = await openPostgresStore({ url: database.url, user, pool: 3, durability: 'normal' })
      opened.push(store)
      return store
    }
    return {
      store: await open(ann),
      other: () => open('bob' as UserId),
      async drop() {
        for (const store of opened) await store.close()
        await database[Symbol.asyncDispose]()
      },
    }
  })

/** One for all cases, each with users of its own: to start it, or to make its tables anew, takes seconds. */
let pglite: ReturnType<typeof startPglite> | null = null
let cases = 0
after(async () => (await pglite)?.[Symbol.asyncDispose]())

describeMemoryContract('the store on PGlite', async () => {
  pglite ??= startPglite()
  const server = await pglite
  const user = `ann${cases++}`
  const { store } = await openEngine(server.driver(), { user: user as UserId })
  return {
    store,
    other: async () => (await openEngine(server.driver(), { user: `${user}-bob` as UserId })).store,
    drop: () => store.close(),
  }
})
