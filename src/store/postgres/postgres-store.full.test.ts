import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '../../base/index.ts'
import { describeMemoryContract } from '../contract/memory-contract.ts'
import { describeStoreContract } from '../store-contract.ts'
import type { Store } from '../store.ts'
import { pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresSession } from './postgres-session.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()
const skip = postgresSkip()

/** One database for all cases, each with users of its own: making a database and its tables takes most of a second. */
let database: ReturnType<typeof postgres.database> | null = null
let cases = 0

const open = async (user: string, exclusive = false): Promise<Store> => {
  const { url } = await (database ??= postgres.database())
  return openPostgresStore({ url, user: user as UserId, pool: 3, durability: 'normal', exclusive })
}

if (skip === false) {
  describeStoreContract('the Postgres store', async () => {
    const store = await open(`ann${cases++}`, true)
    return { store, drop: () => store.close() }
  })

  describeMemoryContract('the Postgres store', async () => {
    const user = `ann${cases++}`
    const stores = [await open(user)]
    return {
      store: stores[0]!,
      async other() {
        const store = await open(`${user}-bob`)
        stores.push(store)
        return store
      },
      async drop() {
        for (const store of stores) await store.close()
      },
    }
  })
}

test('a session that writes and one that reads plan a statement once, by its index, and compile none', { skip }, async () => {
  await using own = await postgres.database()
  const driver = pgDriver(own.url)
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
