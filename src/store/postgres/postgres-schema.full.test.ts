import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertRejects } from '../store-fixture.ts'
import { migrationFacts, newestStep } from '../migrations/schema-version.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { listQuery, statementMaker } from '../memory/memory-reads.ts'
import { bind } from '../sql/template.ts'
import { pgDriver } from './engine-fixture.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { postgresMigrationDriver } from './postgres-schema.ts'
import type { PostgresSession } from './postgres-session.ts'

const postgres = usePostgres()

const skip = postgresSkip()

async function inDatabase(work: (session: PostgresSession) => Promise<void>): Promise<void> {
  await using database = await postgres.database()
  const session = await pgDriver(database.url).connect()
  try {
    await work(session)
  } finally {
    await session.close()
  }
}

/** Every column and index that there is, but the table of steps. */
async function shape(session: PostgresSession): Promise<readonly unknown[]> {
  const columns = await session.rows({
    text: `select table_name::text, column_name::text, data_type::text, is_nullable::text from information_schema.columns
      where table_schema = current_schema() and table_name <> 'migration' order by 1, 2`,
    values: [],
  })
  const indexes = await session.rows({
    text: `select indexdef::text from pg_indexes where schemaname = current_schema() and tablename <> 'migration' order by 1`,
    values: [],
  })
  return [...columns, ...indexes]
}

test('each step can be taken back and made again, and leaves the tables as they were', { skip }, () =>
  inDatabase(async (session) => {
    const driver = postgresMigrationDriver(session, 'postgres://test')
    const first = await migrate(driver, { now: () => 1 })
    assert.equal(first.steps.length, migrationFacts.length)
    assert.deepEqual((await migrate(driver, { now: () => 2 })).steps, [])
    const newest = await shape(session)
    assert.ok(newest.length > 100)
    for (const { id } of migrationFacts.toReversed().slice(1)) {
      const there = await shape(session)
      assert.deepEqual((await migrate(driver, { now: () => 3, to: id, withoutCopy: true })).to, id)
      await migrate(driver, { now: () => 4, to: id + 1, withoutCopy: true })
      assert.deepEqual(await shape(session), there, `step ${id + 1}`)
      await migrate(driver, { now: () => 5, to: id, withoutCopy: true })
    }
    await migrate(driver, { now: () => 6, withoutCopy: true })
    assert.deepEqual(await shape(session), newest)
  }),
)

test('hot entries are found by an index of their own, not among all entries', { skip }, () =>
  inDatabase(async (session) => {
    await migrate(postgresMigrationDriver(session, 'postgres://test'), { now: () => 1 })
    const { text, args } = listQuery('postgres', { tiers: ['hot'], validAt: 1 }, null)
    const { sql, parameters } = statementMaker('postgres')(text)
    const plan = await session.rows({ text: `explain ${sql}`, values: bind(parameters, { ...args, user: 'ann', limit: 50 }) })
    assert.match(JSON.stringify(plan), /Index Scan (?:Backward )?using memory_entry_hot/)
  }),
)

test('a step that fails takes all of its run back', { skip }, () =>
  inDatabase(async (session) => {
    const driver = postgresMigrationDriver(session, 'postgres://test')
    await migrate(driver, { now: () => 1, to: 2 })
    // In the way of the third step.
    await session.exec('create table memory_passage (id int)')
    const before = await shape(session)
    await assert.rejects(migrate(driver, { now: () => 2, withoutCopy: true }), /memory_passage/)
    assert.deepEqual(await shape(session), before)
    await session.exec('drop table memory_passage')
    assert.equal((await migrate(driver, { now: () => 3, withoutCopy: true })).to, newestStep)
  }),
)

test('a step that writes rows anew asks for a copy that a person makes', { skip }, () =>
  inDatabase(async (session) => {
    const driver = postgresMigrationDriver(session, 'postgres://test')
    await migrate(driver, { now: () => 1, to: 5 })
    await assertRejects(migrate(driver, { now: () => 2 }), 'bad_input', /rewrites rows of postgres:\/\/test/)
    assert.equal((await migrate(driver, { now: () => 3, withoutCopy: true })).from, 5)
  }),
)
