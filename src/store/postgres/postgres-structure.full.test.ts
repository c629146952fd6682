/** What somebody else made on a store's tables in Postgres, and indexes that are gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserId } from '../../base/index.ts'
import { recordOf } from '../store-contract.ts'
import { assertRejects } from '../store-fixture.ts'
import type { OpeningStore } from '../store.ts'
import { postgresSkip, usePostgres } from './postgres-fixture.ts'
import { openPostgresStore } from './postgres-store.ts'

const postgres = usePostgres()
const skip = postgresSkip()

const open = (url: string, readOnly = false): Promise<OpeningStore> =>
  openPostgresStore({ url, user: 'ann' as UserId, pool: 2, durability: 'normal', exclusive: false, readOnly })

async function fill(url: string): Promise<void> {
  const store = await open(url)
  await store.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome')] })
  assert.deepEqual(await store.structure(), [])
  await store.close()
}

for (const [what, ...statements] of [
  [
    'a trigger "quiet" on memory_entry',
    `create function quiet() returns trigger as $$ begin new.labels := ''; return new; end $$ language plpgsql`,
    'create trigger quiet before insert on memory_entry for each row execute function quiet()',
  ],
  ['a rule "quiet" on session', 'create rule quiet as on delete to session do instead nothing'],
  ['a view "document"', 'alter table document rename to elsewhere', 'create view document as select * from elsewhere'],
] as const) {
  test(`a database with ${what} is not started, and can be read to be checked`, { skip }, async () => {
    await using database = await postgres.database()
    await fill(database.url)
    for (const statement of statements) await database.sql(statement)
    const refused = await open(database.url)
    await assertRejects(refused.opened(), 'store_failed', new RegExp(`contains ${what}, which Oxbow never creates`))
    await refused.close()
    const reading = await open(database.url, true)
    const [first] = await reading.structure()
    assert.equal(first, `the database contains ${what}, which Oxbow never creates`)
    assert.equal((await reading.head()).seq, 2)
    await reading.close()
  })
}

test('what others keep in the same schema is theirs', { skip }, async () => {
  await using database = await postgres.database()
  await fill(database.url)
  await database.sql('create table orders (id bigint primary key)')
  await database.sql('create view recent as select * from orders')
  const store = await open(database.url)
  await store.opened()
  assert.deepEqual(await store.structure(), [])
  await store.close()
})

test('indexes that are missing or changed are named, and made anew by the next start', { skip }, async () => {
  await using database = await postgres.database()
  await fill(database.url)
  await database.sql('drop index journal_call')
  await database.sql('create index journal_call on journal ("user", call)')
  await database.sql('drop index memory_entry_id')
  const reading = await open(database.url, true)
  assert.deepEqual(await reading.structure(), [
    'the index journal_call is not the one that Oxbow makes',
    'the index memory_entry_id is missing',
  ])
  await reading.close()
  const store = await open(database.url)
  await store.opened()
  assert.deepEqual(await store.structure(), [])
  await store.close()
  await assert.rejects(
    database.sql(
      `insert into journal select "user", 3, at, actor, session, turn, call, name, phase, body, previous, hash, 0 from journal where seq = 2`,
    ),
  )
})

test('an index that the rows do not allow any more is named', { skip }, async () => {
  await using database = await postgres.database()
  await fill(database.url)
  await database.sql('drop index journal_call')
  await database.sql(
    `insert into journal select "user", 3, at, actor, session, turn, call, name, phase, body, previous, hash, 0 from journal where seq = 2`,
  )
  const store = await open(database.url)
  await assertRejects(store.opened(), 'store_failed', /lacks the index journal_call/)
  await store.close()
})
