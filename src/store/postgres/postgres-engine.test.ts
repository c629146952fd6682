import { after } from 'node:test'
import { describeStoreContract } from '../store-contract.ts'
import { ann } from '../store-fixture.ts'
import { openEngine } from './engine-fixture.ts'
import { type PgliteServer, startPglite } from './pglite-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()

if (postgresSkip() === false)
  describeStoreContract('the Postgres store in its thread', async () => {
    const database = await postgres.database()
    const store = await openPostgresStore({ url: database.url, user: ann, pool: 3, durability: 'normal', exclusive: true })
    return {
      store,
      async drop() {
        await store.close()
        await database[Symbol.asyncDispose]()
      },
    }
  })

let pglite: Promise<PgliteServer> | null = null
after(async () => (await pglite)?.[Symbol.asyncDispose]())

describeStoreContract('the Postgres engine on PGlite', async () => {
  const server = await (pglite ??= startPglite())
  await server.empty()
  const { store } = await openEngine(server.driver(), { exclusive: true })
  return { store, drop: () => store.close() }
})
