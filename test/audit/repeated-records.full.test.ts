/** A home whose journal an older version has left with calls that end twice: the next start records that the first end counts. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { createHasher, recordHash } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'
import type { JournalRecord, Phase } from '../../src/protocol/index.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

/** The version of the tables before calls began and ended once. */
const olderTables = '13'

test('calls that an older version has ended twice are reconciled by a record at the next start, once', async () => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-repeated-'))
  shareCompileCache(home)
  const oxbow = (...args: readonly string[]): { readonly status: number | null; readonly text: string } => {
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
    return { status, text: stdout + stderr }
  }
  const start = (): void => {
    const { status, text } = oxbow('call', 'time.now', '{}')
    assert.equal(status, 0, text)
  }
  try {
    assert.equal(oxbow('call', 'time.now', '{}').status, 0)
    const back = oxbow('store', 'migrate', '--to', olderTables, '--yes')
    assert.equal(back.status, 0, back.text)
    const [user = ''] = readdirSync(join(home, 'users'))
    const file = join(home, 'users', user, 'internal', 'oxbow.db')
    await repeatEnds(file, user as UserId)
    assert.equal(oxbow('store', 'migrate', '--yes').status, 0)
    const before = oxbow('audit', 'verify')
    assert.equal(before.status, 17, before.text)
    assert.match(before.text, /recorded twice, record \d+: it is a second end of a call that record \d+ has ended/)
    assert.match(before.text, /the next start records that only the first of each counts/)

    start()
    const after = oxbow('audit', 'verify')
    assert.equal(after.status, 0, after.text)
    assert.match(after.text, /2 records repeat the beginning or end of a call; only the first of each counts/)
    start()
    assert.equal(oxbow('audit', 'verify').status, 0)
    const db = new Sqlite(file, { readonly: true })
    const told = db.prepare(`select count(*) from journal where phase = 'exchange' and body like '{"repeats":[%'`).pluck().get()
    db.close()
    assert.equal(told, 1)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})

/** Ends a call of the terminal twice more, as a version did whose store let it. */
async function repeatEnds(file: string, user: UserId): Promise<void> {
  const hash = await createHasher()
  const db = new Sqlite(file)
  for (const phase of ['outcome', 'reconciled']) {
    const newest = db.prepare('select * from journal order by seq desc limit 1').get() as JournalRecord
    const ended = db.prepare(`select * from journal where name = 'time.now' and phase = 'outcome' and session = ''`).get() as JournalRecord
    const { hash: _, ...again } = { ...ended, phase: phase as Phase, seq: newest.seq + 1, previous: newest.hash }
    const row = { ...again, hash: recordHash(hash, user, again) }
    const columns = Object.keys(row)
    db.prepare(`insert into journal ("${columns.join('","')}") values (${columns.map((column) => `@${column}`).join()})`).run(row)
  }
  db.close()
}
