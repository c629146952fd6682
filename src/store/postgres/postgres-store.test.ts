import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '../../types/index.ts'
import { describeMemoryContract } from '../contract/memory-contract.ts'
import { describeStoreContract } from '../store-contract.ts'
import { ann } from '../store-fixture.ts'
import type { Store } from '../store.ts'
import { pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresSession } from './postgres-session.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()
const skip = postgresSkip()

if (skip === false) {
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

  describeMemoryContract('the Postgres store', async () => {
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
}

test('a session that writes and one that reads plan a statement once, by its index, and compile none', { skip }, async () => {
  await using database = await postgres.database()
  const driver = pgDriver(database.url)
  const settings = async (session: PostgresSession): Promise<unknown> =>
    (
      await session.rows({
        text: `select current_setting('plan_cache_mode'), current_setting('enable_seqscan'), current_setting('jit')`,
        values: [],
      })
    )[0]
  const wanted = ['force_generic_plan', 'off', 'off']
  try {
    const writer = await driver.connect()
    assert.deepEqual(await settings(writer), wanted)
    await writer.close()
    assert.deepEqual(await driver.read(settings), wanted)
  } finally {
    await driver.close()
  }
})
