/** What somebody else made in a store's file, and indexes that are gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { recordOf } from '../store-contract.ts'
import { assertRejects, storeFolder, tamper } from '../store-fixture.ts'

const trigger = `create trigger tt after insert on memory_entry begin update memory_entry set labels = '' where "key" = new."key"; end`

async function filled(files: ReturnType<typeof storeFolder>): Promise<void> {
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome')] })
  await store.close()
}

for (const [what, statement] of [
  ['a trigger "tt" on memory_entry', trigger],
  ['a view "free"', 'create view free as select * from session'],
  ['a table "extra"', 'create table extra (a)'],
  ['a table "memory_text_00"', `create virtual table memory_text_00 using fts5vocab(memory_text_616e6e, row)`],
] as const) {
  test(`a store with ${what} is not started, and can be read to be checked`, async () => {
    await using files = storeFolder()
    await filled(files)
    tamper(files.path, statement)
    const refused = await files.open()
    await assertRejects(refused.opened(), 'store_failed', new RegExp(`contains ${what}, which Oxbow never creates`))
    await assertRejects(refused.append({ records: [recordOf('b', 'intent')] }), 'store_failed')
    const reading = await files.open({ readOnly: true })
    await reading.opened()
    assert.deepEqual(await reading.structure(), [`the database contains ${what}, which Oxbow never creates`])
    assert.equal((await reading.head()).seq, 2)
  })
}

test('indexes that are missing or changed are named, and made anew by the next start', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, 'drop index journal_call', 'create index journal_call on journal (call)', 'drop index memory_entry_id')
  const reading = await files.open({ readOnly: true })
  assert.deepEqual(await reading.structure(), [
    'the index journal_call is not the one that Oxbow makes',
    'the index memory_entry_id is missing',
  ])
  const store = await files.open()
  assert.equal((await store.append({ records: [recordOf('a', 'outcome')] })).duplicate, true)
  assert.deepEqual(await store.structure(), [])
  await store.close()
  const raw = new Sqlite(files.path)
  assert.throws(() =>
    raw.exec(
      `insert into journal select user, 3, at, actor, session, turn, call, name, phase, body, previous, hash, 0 from journal where seq = 2`,
    ),
  )
  raw.close()
})

test('an index that the rows do not allow any more is named, and the store is not written', async () => {
  await using files = storeFolder()
  await filled(files)
  const again = `insert into journal select user, 3, at, actor, session, turn, call, name, phase, body, previous, hash, 0 from journal where seq = 2`
  tamper(files.path, 'drop index journal_call', again)
  const store = await files.open()
  await assertRejects(store.append({ records: [recordOf('b', 'intent')] }), 'store_failed', /lacks the index journal_call/)
})
