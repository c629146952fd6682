import { after } from 'node:test'
import type { UserId } from '../../../types/index.ts'
import { describeMemoryContract } from '../../contract/memory-contract.ts'
import { openEngine, pgDriver } from '../engine-fixture.ts'
import { startPglite } from '../pglite-fixture.ts'
import { postgresSkip, usePostgres } from '../postgres-fixture.ts'

const postgres = usePostgres()

if (postgresSkip() === false)
  describeMemoryContract('the Postgres store', async () => {
    const database = await postgres.database()
    const { store } = await openEngine(pgDriver(database.url))
    return {
      store,
      other: async () => (await openEngine(pgDriver(database.url), { user: 'bob' as UserId })).store,
      async drop() {
        await store.close()
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
