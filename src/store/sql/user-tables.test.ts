import assert from 'node:assert/strict'
import { test } from 'node:test'
import postgresTexts from '../postgres/statements.json' with { type: 'json' }
import sqliteTexts from '../sqlite/statements.json' with { type: 'json' }
import { buildStatements } from './statements.ts'
import { template } from './template.ts'
import type { UserTables } from './user-tables.ts'

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
  for (const { read, write, erase, records } of [buildStatements('sqlite'), buildStatements('postgres')]) {
    const all = { ...read, ...write, ...erase, ...records }
    for (const [name, { sql, parameters }] of Object.entries(all)) {
      assert.match(sql, sql.startsWith('insert') ? /^insert into "\w+" \([^)]*"user"/ : /"user" = (\?|\$\d+)/, name)
      assert.ok(
        parameters.some((value) => (value as { slot?: string } | null)?.slot === 'user'),
        name,
      )
    }
  }
})

test('what is written down is what the sources say now', () => {
  const advice = 'run: node scripts/make-statements.ts'
  assert.deepEqual(sqliteTexts, buildStatements('sqlite'), advice)
  assert.deepEqual(postgresTexts, buildStatements('postgres'), advice)
})
