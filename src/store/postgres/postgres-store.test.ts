import { describeStoreContract } from '../store-contract.ts'
import { ann } from '../store-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()

if (postgresSkip() === false)
  describeStoreContract('the Postgres store', async () => {
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
