import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import postgresTexts from '../postgres/statements.json' with { type: 'json' }
import sqliteTexts from '../sqlite/statements.json' with { type: 'json' }
import migrationTexts from '../migrations/statements.json' with { type: 'json' }
import { buildMigrations } from '../migrations/migration-steps.ts'
import { layoutOf } from '../migrations/table-layout.ts'
import { buildStatements } from './statements.ts'
import { template } from './template.ts'
import { storeFolder } from '../store-fixture.ts'
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
  assert.deepEqual(sqliteTexts, { ...buildStatements('sqlite'), layout: layoutOf('sqlite') }, advice)
  assert.deepEqual(postgresTexts, { ...buildStatements('postgres'), layout: layoutOf('postgres') }, advice)
  assert.deepEqual(migrationTexts, { sqlite: buildMigrations('sqlite'), postgres: buildMigrations('postgres') }, advice)
})

test('a new store opens without the package that compiles statements: an installation has none', async () => {
  await using files = storeFolder()
  // The threads of the store take the hook over.
  const refuse = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) { if (name.startsWith('kysely')) throw new Error('asks for ' + name); return next(name, context) } })`
  const open = `const { openSqliteStore } = await import(${JSON.stringify(new URL('../sqlite/sqlite-store.ts', import.meta.url).href)})
    const store = await openSqliteStore({ path: ${JSON.stringify(files.path)}, user: 'ann', durability: 'normal' })
    await store.close()`
  const run = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(refuse)}`, '--input-type=module', '-e', open],
    { encoding: 'utf8' },
  )
  assert.equal(run.stderr, '')
  assert.equal(run.status, 0)
})
