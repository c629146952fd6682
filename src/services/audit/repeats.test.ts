/** Journals of versions whose store let a call begin and end twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { createHasher, recordHash } from '../../store/index.ts'
import { migrate } from '../../store/migrations/migration-runner.ts'
import { sqliteMigrationDriver } from '../../store/sqlite/database-file.ts'
import { openDatabase } from '../../store/sqlite/sqlite-database.ts'
import { recordOf } from '../../store/store-contract.ts'
import { ann, storeFolder } from '../../store/store-fixture.ts'
import type { JournalRecord, NewRecord } from '../../protocol/index.ts'
import type { Journal } from '../../kernel/index.ts'
import { verifyJournal } from './audit-verify.ts'
import { reconcileRepeats } from './repeats.ts'

/** Appends records as a version without the index of calls did. */
async function appendUnchecked(path: string, added: readonly NewRecord[]): Promise<void> {
  const hash = await createHasher()
  const database = openDatabase({ path, readOnly: false })
  await migrate(sqliteMigrationDriver(database), { to: 13, now: Date.now })
  database.close()
  const db = new Sqlite(path)
  for (const record of added) {
    const before = db.prepare('select seq, hash from journal order by seq desc limit 1').get() as { seq: number; hash: string }
    const unhashed = { ...record, seq: before.seq + 1, previous: before.hash }
    const whole: JournalRecord = { ...unhashed, hash: recordHash(hash, ann, unhashed) }
    const row = { user: ann, ...whole }
    const columns = Object.keys(row)
    db.prepare(`insert into journal ("${columns.join('","')}") values (${columns.map((name) => `@${name}`).join()})`).run(row)
    if (record.phase !== 'intent') db.prepare('delete from open_call where call = ?').run(record.call)
  }
  db.close()
}

test('what an older journal has twice stays, is named, is refused from now on, and is reconciled by a record', async () => {
  await using files = storeFolder()
  const older = await files.open()
  await older.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome'), recordOf('b', 'intent')] })
  await older.close()
  const twice = [recordOf('a', 'outcome'), recordOf('a', 'reconciled'), recordOf('b', 'intent'), recordOf('b', 'outcome')]
  await appendUnchecked(files.path, twice)

  const store = await files.open()
  await store.opened()
  const report = await verifyJournal(store, { seal: null })
  assert.deepEqual([report.ok, report.first_bad, report.records], [false, null, 7])
  assert.deepEqual(report.repeated, {
    records: 3,
    unexplained: [
      { seq: 4, why: 'it is a second end of a call that record 2 has ended' },
      { seq: 5, why: 'it is a second end of a call that record 2 has ended' },
      { seq: 6, why: 'it begins a call that record 3 has begun' },
    ],
  })
  assert.deepEqual(await store.append({ records: [recordOf('a', 'outcome')] }), { firstSeq: 2, duplicate: true })
  assert.deepEqual(await store.indexRows('again', ['', 0], 2), [
    ['a', 4],
    ['a', 5],
  ])
  assert.deepEqual(await store.indexRows('again', ['a', 5], 2), [['b', 6]])
  // At each start of a guest.
  const append: Journal['append'] = async (entries) =>
    store.append({
      records: entries.map(({ caller, call, name, phase, body }) => ({ at: 1, ...caller, call, name, phase, body: JSON.stringify(body) })),
    })
  await reconcileRepeats(store, { append })
  await reconcileRepeats(store, { append })
  const now = await verifyJournal(store, { seal: null })
  assert.deepEqual([now.ok, now.records, now.repeated, now.projections], [true, 10, { records: 3, unexplained: [] }, []])
})

test('the database itself refuses a second end, whoever writes', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'intent'), recordOf('a', 'outcome')] })
  await store.close()
  const db = new Sqlite(files.path)
  const copied = (phase: string): string =>
    `insert into journal (user, seq, at, actor, session, turn, call, name, phase, body, previous, hash)
     select user, 3, at, actor, session, turn, call, name, '${phase}', body, previous, hash from journal where seq = 2`
  for (const phase of ['intent', 'outcome', 'reconciled']) assert.throws(() => db.exec(copied(phase)), /UNIQUE constraint failed/)
  db.exec(copied('exchange'))
  db.close()
})
