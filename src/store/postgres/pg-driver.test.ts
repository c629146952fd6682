import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import type { PostgresSession } from './postgres-session.ts'

const postgres = usePostgres()
const skip = postgresSkip()

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
