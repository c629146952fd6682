import type { UserId } from '../../../types/index.ts'
import { describeMemoryContract } from '../../contract/memory-contract.ts'
import { openEngine, pgDriver } from '../engine-fixture.ts'
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
