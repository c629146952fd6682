import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBuilder as postgresBuilder } from '../postgres/postgres-builder.ts'
import { createBuilder as sqliteBuilder } from '../sqlite/sqlite-builder.ts'
import { eraseStatements } from './erase-statements.ts'
import { readStatements, recordsStatement } from './read-statements.ts'
import { template } from './template.ts'
import type { UserTables } from './user-tables.ts'
import { writeStatements } from './write-statements.ts'

/**
 * Never called: each line that is expected not to compile is an error of the type checker when it does. So this holds that a
 * statement without a user cannot be written.
 */
function doesNotCompile(db: UserTables): void {
  // @ts-expect-error tables are reached through a user only
  template(() => db.selectFrom('journal').selectAll())
  // @ts-expect-error the values of this statement have no user
  template<{ hash: string }>((slot) => db.of(slot).selectFrom('blob').select('bytes').where('hash', '=', slot('hash')))
  // @ts-expect-error nor have these
  template<{ scope: string }>((slot) => db.of(slot).deleteFrom('account').where('scope', '=', slot('scope')))
  const insert = db.of(() => assert.fail()).insertInto('blob')
  // @ts-expect-error a row without its user
  insert.values({ hash: '', bytes: new Uint8Array() })
  // And this does compile.
  template<{ user: string; hash: string }>((slot) => db.of(slot).selectFrom('blob').select('bytes').where('hash', '=', slot('hash')))
}

test('a statement without a user does not compile, and every statement there is is bound to one', () => {
  assert.equal(typeof doesNotCompile, 'function')
  for (const builder of [sqliteBuilder(), postgresBuilder()]) {
    const records = recordsStatement(builder, { order: 'oldest_first', limit: 1, hydrate: false })
    const all = { ...readStatements(builder), ...writeStatements(builder), ...eraseStatements(builder), records }
    for (const [name, { sql, parameters }] of Object.entries(all)) {
      assert.match(sql, sql.startsWith('insert') ? /^insert into "\w+" \([^)]*"user"/ : /"user" = (\?|\$\d+)/, name)
      assert.ok(
        parameters.some((value) => (value as { slot?: string } | null)?.slot === 'user'),
        name,
      )
    }
  }
})
