import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

test('a server that does not start says why, and leaves neither a process nor its folder', { skip: postgresSkip() }, async () => {
  const before = process.env['TMPDIR']
  const place = mkdtempSync(join(tmpdir(), 'oxbow-place-'))
  chmodSync(place, 0o755)
  process.env['TMPDIR'] = place
  const starting = startPostgres({ settings: ['no_such_setting = 1'] })
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  try {
    await assert.rejects(starting, /does not start[^]*no_such_setting/)
    assert.deepEqual(readdirSync(place), [])
  } finally {
    rmSync(place, { recursive: true })
  }
})

const skipAsUser = process.getuid?.() !== 0 && 'only root runs the server as another account'

test('a server starts where the temporary folder is for root alone', { skip: postgresSkip() || skipAsUser }, async () => {
  const before = process.env['TMPDIR']
  const closed = mkdtempSync(join(tmpdir(), 'oxbow-closed-'))
  process.env['TMPDIR'] = closed
  const starting = startPostgres()
  // Its folder is made by now.
  if (before === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = before
  try {
    await using server = await starting
    assert.deepEqual(await server.sql('select 1 as one'), [{ one: 1 }])
  } finally {
    rmSync(closed, { recursive: true })
  }
})
