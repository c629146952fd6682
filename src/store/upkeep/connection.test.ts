import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeFolder } from '../store-fixture.ts'
import { connectSqlite, madeTables, ownTables, storeTables, tableNames } from './connection.ts'
import { postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { connectPostgres } from './connection.ts'

const numbered = new Set(['journal', 'memory_entry', 'memory_passage'])
const skip = postgresSkip()
const postgres = usePostgres()

test('in Postgres the tables are the same, but for those that are made anew', { skip }, async () => {
  await using database = await postgres.database()
  const db = await connectPostgres(database.url, 'write')
  try {
    await migrate(db.migration, { now: Date.now })
    const there = [...(await tableNames(db))].filter((name) => !ownTables.has(name) && !madeTables.has(name))
    assert.deepEqual(there.toSorted(), storeTables.map(({ name }) => name).toSorted())
  } finally {
    await db.close()
  }
})

test('every table that a step makes is in the list of tables, by its key: a copy leaves none out', async () => {
  await using files = storeFolder()
  await (await files.open()).head()
  const db = connectSqlite(files.path, 'read')
  try {
    const there = [...(await tableNames(db))].filter((name) => !ownTables.has(name))
    assert.deepEqual(there.toSorted(), storeTables.map(({ name }) => name).toSorted())
    for (const { name, key } of storeTables) {
      const columns = await db.rows('select name from pragma_table_info(?) where pk > 0 order by pk', [name])
      // A file holds one user, so a number is the key of its row.
      assert.deepEqual(columns.flat(), numbered.has(name) ? key.slice(-1) : key, name)
    }
  } finally {
    await db.close()
  }
})
