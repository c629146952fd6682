/** What an audit finds besides the rows of the journal: marks outside of its hashes, cursors, and what somebody made in the database. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordOf } from '../../store/store-contract.ts'
import { storeFolder, tamper } from '../../store/store-fixture.ts'
import { verifyJournal } from './audit-verify.ts'

const harms: readonly { what: string; statement: string; says: readonly string[] }[] = [
  {
    what: 'records that are marked as repeats',
    statement: `update journal set again = 1 where phase = 'outcome'`,
    says: [
      'record 2 is marked as one that repeats another, and repeats none',
      'record 4 is marked as one that repeats another, and repeats none',
    ],
  },
  {
    what: 'a beginning that is marked as a repeat',
    statement: 'update journal set again = 1 where seq = 3',
    says: ['record 3 is marked as one that repeats another, and repeats none'],
  },
  {
    what: 'a cursor of memory ahead of the journal',
    statement: `insert into memory_cursor values ('ann', 'journal', 9)`,
    says: ['memory has read the journal up to record 9 (journal), and it ends with record 4'],
  },
  { what: 'an index that is gone', statement: 'drop index journal_call', says: ['the index journal_call is missing'] },
  {
    what: 'a trigger',
    statement: `create trigger tt after insert on journal begin delete from session; end`,
    says: ['the database contains a trigger "tt" on journal, which Oxbow never creates'],
  },
]

for (const { what, statement, says } of harms) {
  test(`${what}: an audit names it`, async () => {
    await using files = storeFolder()
    const store = await files.open()
    const ended = (call: string) => [recordOf(call, 'intent', { session: '' }), recordOf(call, 'outcome', { session: '' })]
    await store.append({ records: [...ended('a'), ...ended('b')] })
    assert.equal((await verifyJournal(store, { seal: null })).ok, true)
    await store.close()
    tamper(files.path, statement)
    const reading = await files.open({ readOnly: true })
    const { ok, projections } = await verifyJournal(reading, { seal: null })
    assert.deepEqual([ok, projections], [false, says])
  })
}
