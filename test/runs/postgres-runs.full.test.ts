import { test } from 'node:test'
import { openPostgresStore, type Store } from '../../src/store/index.ts'
import { postgresSkip, usePostgres } from '../../src/store/postgres/postgres-fixture.ts'
import type { UserId } from '../../src/base/index.ts'
import { describeRunsContract } from './runs-contract.ts'

const postgres = usePostgres()
const skip = postgresSkip()
/** One database for all cases, each with a user of its own. */
let database: ReturnType<typeof postgres.database> | null = null
let cases = 0

if (skip === false) {
  describeRunsContract('Postgres', async () => {
    const { url } = await (database ??= postgres.database())
    const user = `ann${cases++}` as UserId
    const store: Store = await openPostgresStore({ url, user, pool: 3, durability: 'normal' })
    return { store, drop: () => store.close() }
  })
} else test('runs over Postgres', { skip })
