import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { migrate, type MigrationDriver } from '../migrations/migration-runner.ts'
import { statementText, stepTools } from '../migrations/migration-step.ts'
import { migrationSteps } from '../migrations/migration-steps.ts'
import { migrationFacts, newestStep } from '../migrations/schema-version.ts'
import { recordOf, sessionA } from '../store-contract.ts'
import { assertRejects, storeFolder, type StoreFolder, tamper } from '../store-fixture.ts'
import { sqliteMigrationDriver } from './database-file.ts'
import { openDatabase } from './sqlite-database.ts'

const now = (): number => 1

async function filled(files: StoreFolder): Promise<void> {
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'intent')] })
  await store.close()
}

/** A file as the programs made it that knew versions by a number alone, with what they would have written. */
function oldFile(path: string, version: 1 | 2, ...statements: readonly string[]): void {
  const raw = new Sqlite(path)
  raw.pragma('journal_mode = WAL')
  const on = stepTools('sqlite')
  for (let id = 1; id <= version; id++) for (const step of migrationSteps.get(id)?.up(on) ?? []) raw.exec(statementText(step))
  raw.exec(`pragma user_version = ${version}`)
  for (const statement of statements) raw.exec(statement)
  raw.close()
}

/** What a database is made of, so that two can be compared. */
function shapeOf(path: string): readonly unknown[] {
  const raw = new Sqlite(path, { readonly: true })
  const rows = raw.prepare(`select type, name, sql from sqlite_master where name <> 'migration' order by type, name`).all()
  raw.close()
  return rows
}

test('a file of a newer version is refused by name of both versions, for writing and for reading', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, 'pragma user_version = 99')
  for (const readOnly of [false, true]) {
    const newer = await files.open({ readOnly })
    await assertRejects(newer.opened(), 'store_failed', new RegExp(`version 99; this Oxbow supports up to ${newestStep}`))
    await assertRejects(newer.append({ records: [recordOf('b', 'intent')] }), 'store_failed')
    await assertRejects(newer.head(), 'store_failed', /version 99/)
  }
})

const stepRow = (readsFrom: number, writesFrom: number): string =>
  `insert into migration (id, name, applied_at, checksum, reads_from, writes_from) values (99, 'later', 0, 'x', ${readsFrom}, ${writesFrom})`

test('a newer file that older programs may read opens for reading and refuses to write, with advice', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, stepRow(1, 99), 'pragma user_version = 99')
  const store = await files.open()
  await assertRejects(store.opened(), 'store_failed', /version 99; this Oxbow supports up to \d+ and may only read it/)
  assert.equal((await store.head()).seq, 1)
  await assertRejects(store.append({ records: [recordOf('b', 'intent')] }), 'store_failed', /may only read/)
})

test('a newer file that older programs may write is used as ever', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, stepRow(1, 1), 'pragma user_version = 99')
  const store = await files.open()
  await store.opened()
  assert.equal((await store.append({ records: [recordOf('b', 'intent')] })).firstSeq, 2)
})

test('a file in which another step ran under the name of a released one is refused', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, `update migration set checksum = 'f00' where id = 2`)
  for (const readOnly of [false, true]) {
    await assertRejects((await files.open({ readOnly })).opened(), 'store_failed', /has a step 2 \(scratchpad\) that differs/)
  }
})

test('a file of the first version gets what it lacks and keeps what it has, and a copy of it stays', async () => {
  await using files = storeFolder()
  oldFile(
    files.path,
    1,
    `insert into session values ('ann', '${sessionA}', 'T', 1, 2, 3, 'private')`,
    `insert into journal values ('ann', 1, 1, 'a', '', '', 'c', 'n', 'refused', '{}', '0', '1')`,
    `insert into blob values ('b10b', x'01')`,
  )
  const store = await files.open()
  const session = {
    id: sessionA,
    title: 'T',
    createdAt: 1,
    activeAt: 2,
    turns: 3,
    labels: 'private',
    origins: '',
    scratchpad: '',
    archived: 0,
    deleted: 0,
    parent: '' as const,
    forked: 0,
    summary: '' as const,
  }
  assert.deepEqual(await store.session(sessionA), session)
  assert.equal((await store.head()).seq, 1)
  assert.deepEqual(await store.blob('b10b'), new Uint8Array([1]))
  await store.close()
  const copy = `${files.path}.before-6-of-1`
  assert.equal(statSync(copy).mode & 0o077, 0)
  const raw = new Sqlite(copy, { readonly: true })
  assert.equal(raw.pragma('user_version', { simple: true }), 1)
  assert.equal(raw.prepare('select count(*) from blob').pluck().get(), 1)
  raw.close()
  assert.equal(existsSync(`${copy}.unfinished`), false)
})

test('an old file that was brought up to date has the same tables as a new one', async () => {
  await using old = storeFolder()
  oldFile(old.path, 2)
  await (await old.open()).head()
  await using fresh = storeFolder()
  await (await fresh.open()).head()
  const words = (shape: readonly unknown[]): string[] => shape.map((row) => JSON.stringify(row))
  // A column that was added stands in other words at the end of its table.
  const same = (text: string): boolean => !text.includes('scratchpad')
  assert.deepEqual(words(shapeOf(old.path)).filter(same), words(shapeOf(fresh.path)).filter(same))
})

test('every step can be taken back and run again, with the same tables as before', async () => {
  await using files = storeFolder()
  await filled(files)
  const shape = shapeOf(files.path)
  const database = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(database)
  const ids = migrationFacts.map(({ id }) => id)
  for (const to of [...ids.toReversed(), ...ids]) {
    await migrate(driver, { to, now })
    assert.equal(database.query<{ user_version: number }>('pragma user_version')[0]?.user_version, to)
  }
  database.close()
  const words = (rows: readonly unknown[]): string[] =>
    rows.map((row) => JSON.stringify(row)).filter((text) => !text.includes('scratchpad'))
  assert.deepEqual(words(shapeOf(files.path)), words(shape))
  const store = await files.open()
  assert.equal((await store.head()).seq, 1)
})

test('of two that start on an empty file the second finds the tables made, and leaves them', async () => {
  await using files = storeFolder()
  const first = openDatabase({ path: files.path, readOnly: false })
  const second = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(second)
  const late: MigrationDriver = {
    ...driver,
    // The first one comes between the second's first look and its transaction.
    async transaction(work) {
      await migrate(sqliteMigrationDriver(first), { now })
      return driver.transaction(work)
    },
  }
  assert.deepEqual((await migrate(late, { now })).steps, [])
  assert.equal(second.query('select id from migration').length, migrationFacts.length)
  first.close()
  second.close()
})

test('of two that start on an empty file the second may look while the first makes the tables', async () => {
  await using files = storeFolder()
  const first = openDatabase({ path: files.path, readOnly: false })
  const second = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(second)
  let looks = 0
  const interrupted: MigrationDriver = {
    ...driver,
    async query<Row>(sql: string) {
      const rows = await driver.query<Row>(sql)
      if (looks++ === 0) await migrate(sqliteMigrationDriver(first), { now })
      return rows
    },
  }
  assert.deepEqual((await migrate(interrupted, { now })).steps, [])
  assert.ok(looks > 1)
  first.close()
  second.close()
})

test('a step that fails takes every step of its run with it', async () => {
  await using files = storeFolder()
  oldFile(files.path, 1)
  const database = openDatabase({ path: files.path, readOnly: false })
  const driver = sqliteMigrationDriver(database)
  const failing: MigrationDriver = {
    ...driver,
    async exec(sql) {
      if (sql.includes('blob_of_all')) throw new Error('planted')
      await driver.exec(sql)
    },
  }
  await assert.rejects(migrate(failing, { now }), /planted/)
  assert.equal(database.query<{ user_version: number }>('pragma user_version')[0]?.user_version, 1)
  assert.equal(database.query(`select name from sqlite_master where name = 'migration'`).length, 0)
  assert.equal((await migrate(driver, { now })).to, newestStep)
  database.close()
})

test('an unknown version is refused', async () => {
  const database = openDatabase({ path: ':memory:', readOnly: false })
  for (const to of [0, -1, 98]) {
    await assertRejects(migrate(sqliteMigrationDriver(database), { to, now }), 'bad_input', new RegExp(`no version ${to}`))
  }
  database.close()
})
