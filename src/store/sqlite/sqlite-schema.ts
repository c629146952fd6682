/** The tables in SQLite, as numbered steps. A step that was released is never changed: a new one follows it. */
import assert from 'node:assert/strict'
import { type Compilable, type CreateTableBuilder, type Kysely, sql } from 'kysely'
import type { Tables } from '../sql/tables.ts'
import { type Database, newestSchema } from './sqlite-database.ts'

type Step = (db: Kysely<Tables>) => readonly Compilable[]

/** Small tables that are found by key alone are stored in the order of their key. */
const byKey = <Name extends string, Column extends string>(table: CreateTableBuilder<Name, Column>): CreateTableBuilder<Name, Column> =>
  table.modifyEnd(sql`without rowid`)

const steps: readonly Step[] = [
  (db) => [
    // Rows are stored in the order of appending, so a scan by seq reads the file from front to back.
    db.schema
      .createTable('journal')
      .addColumn('user', 'text', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('at', 'integer', (c) => c.notNull())
      .addColumn('actor', 'text', (c) => c.notNull())
      .addColumn('session', 'text', (c) => c.notNull())
      .addColumn('turn', 'text', (c) => c.notNull())
      .addColumn('call', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('phase', 'text', (c) => c.notNull())
      .addColumn('body', 'text', (c) => c.notNull())
      .addColumn('previous', 'text', (c) => c.notNull())
      .addColumn('hash', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('journal_key', ['user', 'seq']),
    db.schema.createIndex('journal_session').on('journal').columns(['user', 'session', 'seq']),
    db.schema.createIndex('journal_call').on('journal').columns(['user', 'call', 'seq']),
    db.schema
      .createTable('blob')
      .addColumn('hash', 'text', (c) => c.notNull().primaryKey())
      .addColumn('bytes', 'blob', (c) => c.notNull()),
    byKey(
      db.schema
        .createTable('message')
        .addColumn('user', 'text', (c) => c.notNull())
        .addColumn('session', 'text', (c) => c.notNull())
        .addColumn('seq', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('message_key', ['user', 'session', 'seq']),
    ),
    byKey(
      db.schema
        .createTable('open_call')
        .addColumn('user', 'text', (c) => c.notNull())
        .addColumn('call', 'text', (c) => c.notNull())
        .addColumn('seq', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('open_call_key', ['user', 'call']),
    ),
    ...stateTables(db),
  ],
  (db) => [db.schema.alterTable('session').addColumn('scratchpad', 'text', (c) => c.notNull().defaultTo(''))],
]

function stateTables(db: Kysely<Tables>): readonly Compilable[] {
  return [
    byKey(
      db.schema
        .createTable('session')
        .addColumn('user', 'text', (c) => c.notNull())
        .addColumn('id', 'text', (c) => c.notNull())
        .addColumn('title', 'text', (c) => c.notNull())
        .addColumn('created_at', 'integer', (c) => c.notNull())
        .addColumn('active_at', 'integer', (c) => c.notNull())
        .addColumn('turns', 'integer', (c) => c.notNull())
        .addColumn('labels', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('session_key', ['user', 'id']),
    ),
    db.schema.createIndex('session_active').on('session').columns(['user', 'active_at', 'id']),
    byKey(
      db.schema
        .createTable('account')
        .addColumn('user', 'text', (c) => c.notNull())
        .addColumn('scope', 'text', (c) => c.notNull())
        .addColumn('micro_dollars', 'integer', (c) => c.notNull())
        .addColumn('tokens', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('account_key', ['user', 'scope']),
    ),
    byKey(
      db.schema
        .createTable('lane')
        .addColumn('user', 'text', (c) => c.notNull())
        .addColumn('session', 'text', (c) => c.notNull())
        .addColumn('owner', 'text', (c) => c.notNull())
        .addColumn('epoch', 'integer', (c) => c.notNull())
        .addColumn('lease_until', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('lane_key', ['user', 'session']),
    ),
  ]
}

/** Brings the tables to the newest version in one transaction; does nothing when they are there. */
export function migrate(database: Database, db: Kysely<Tables>): void {
  assert.equal(steps.length, newestSchema, 'every migration counts as one version')
  if (database.schema() === newestSchema) return
  database.transaction(() => {
    // Asked again under the lock: of two that start on an empty file one comes second.
    for (const step of steps.slice(database.schema())) {
      for (const statement of step(db)) database.exec(statement.compile().sql)
    }
    database.exec(`pragma user_version = ${newestSchema}`)
  })
}
