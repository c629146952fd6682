import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { pgvectorSkip, postgresSkip, startPostgres, usePostgres } from './postgres-fixture.ts'

const postgres = usePostgres()

test('each case has an empty database of its own, which is gone after it', { skip: postgresSkip() }, async () => {
  const server = await postgres.server()
  let name = ''
  {
    await using database = await postgres.database()
    name = database.name
    await database.sql('create table kept (id int)')
    await using other = await postgres.database()
    assert.deepEqual(await other.sql(`select to_regclass('kept') as found`), [{ found: null }])
  }
  assert.deepEqual(await server.sql('select 1 as one from pg_database where datname = $1', [name]), [])
})

test('a database can have vectors', { skip: pgvectorSkip() }, async () => {
  await using database = await postgres.database()
  await database.sql('create extension vector')
  assert.deepEqual(await database.sql(`select '[1,2]'::vector <=> '[1,2]'::vector as distance`), [{ distance: 0 }])
})

test('a server of its own is killed, starts again with what was committed, and leaves nothing', { skip: postgresSkip() }, async () => {
  let folder = ''
  {
    await using server = await startPostgres({ durable: true })
    folder = server.folder
    await server.sql('create table kept (id int)')
    await server.kill()
    await assert.rejects(server.sql('select 1'))
    await server.start()
    assert.deepEqual(await server.sql('select count(*)::int as rows from kept'), [{ rows: 0 }])
    await server.stop('fast')
    await server.start()
  }
  assert.equal(existsSync(folder), false)
})
