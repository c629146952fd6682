/** The audit finds edits to what the store keeps outside the journal: every table and every column of the schema, edited with plain SQL. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { openSqliteStore } from '../../src/store/index.ts'
import { verifyJournal } from '../../src/services/index.ts'
import type { UserId } from '../../src/base/index.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-edited-'))
let file = ''
let user = ''

/** What follows from no record, or from sources of its own, as docs/audit.md says: what memory finds by, secrets, and what plugins keep. */
const others = /^(?:journal|blob|migration|memory_(?!entry$|passage$).*|secret|wrapped_key|zoey|sqlite_.*)$/
/** Of memory: keys, what recall and tidying count and weigh, and what is null in each of these rows. */
const uncompared =
  /^memory_(?:entry\.(?:key|version|updated_at|importance|tier|protection|accesses|accessed_at|seq|stream_key|hash_key|extra|valid_to)|passage\.(?:id|length))$/
/** A lane is a lease: who holds it and until when is no fact of the journal. */
const leases = new Set(['lane.owner', 'lane.epoch', 'lane.lease_until'])

function oxbow(...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

/** Nothing is open after a clean stop, and the offline model costs nothing: see below, and `audit-verify.test.ts`. */
const emptyHere = new Set(['open_call', 'account'])

interface Column {
  readonly table: string
  readonly name: string
  readonly type: string
}

function columnsOf(path: string): readonly Column[] {
  const db = new Sqlite(path, { readonly: true })
  const tables = db.prepare(`select name from sqlite_master where type = 'table'`).all() as { name: string }[]
  const found = tables
    .filter(({ name }) => !others.test(name))
    .flatMap(({ name: table }) =>
      (db.prepare(`select name, type from pragma_table_info('${table}')`).all() as { name: string; type: string }[]).map((each) => ({
        table,
        ...each,
      })),
    )
  db.close()
  return found.filter(({ name }) => name !== 'user')
}

/** @returns what an audit says of a copy of the file after these statements */
async function problemsAfter(...statements: readonly string[]): Promise<readonly string[]> {
  const copy = join(home, 'copy.db')
  for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
  copyFileSync(file, copy)
  const db = new Sqlite(copy)
  for (const statement of statements) assert.ok(db.prepare(statement).run().changes > 0, statement)
  db.close()
  const store = await openSqliteStore({ path: copy, user: user as UserId, durability: 'normal', readOnly: true })
  try {
    const report = await verifyJournal(store, { seal: null })
    assert.equal(report.first_bad, null)
    assert.equal(report.ok, report.projections.length === 0)
    return report.projections
  } finally {
    await store.close()
  }
}

before(() => {
  mkdirSync(join(home, 'c'))
  shareCompileCache(home)
  assert.equal(oxbow('state', 'save', 'notes/x', '"a note"').status, 0)
  assert.equal(oxbow('run', 'list the files').status, 0)
  assert.equal(oxbow('call', 'budget.set', '{"scope":"user","window":"day","calls":100000}').status, 0)
  assert.equal(oxbow('run', 'list the files').status, 0)
  user = readdirSync(join(home, 'users'))[0] ?? ''
  file = join(home, 'users', user, 'internal', 'oxbow.db')
  const db = new Sqlite(file)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
})
after(() => rmSync(home, { recursive: true, force: true }))

test('a store that nobody has edited is as the journal says', async () => {
  assert.deepEqual(await problemsAfter(), [])
  const columns = columnsOf(file)
  assert.deepEqual([...new Set(columns.map(({ table }) => table))].toSorted(), [
    'account',
    'budget_use',
    'document',
    'lane',
    'memory_entry',
    'memory_passage',
    'message',
    'open_call',
    'session',
  ])
})

test('every column that is edited, and every table that is emptied, is found', async () => {
  const tables = new Set<string>()
  for (const { table, name, type } of columnsOf(file)) {
    tables.add(table)
    if (leases.has(`${table}.${name}`) || uncompared.test(`${table}.${name}`) || emptyHere.has(table)) continue
    // By more than there are rows: no number takes another row's, as where two messages have adjacent records.
    const changed = type.toLowerCase() === 'integer' ? `"${name}" + 10000` : `"${name}" || 'x'`
    const problems = await problemsAfter(`update "${table}" set "${name}" = ${changed}`)
    assert.ok(problems.length > 0, `${table}.${name} was edited`)
  }
  for (const table of tables)
    if (!emptyHere.has(table)) assert.ok((await problemsAfter(`delete from "${table}"`)).length > 0, `${table} was emptied`)
})

test('labels that are cleared, and a call that is kept as open, are named', async () => {
  const labelled = await problemsAfter(`update session set labels = 'private'`)
  assert.match(labelled.join(), /session .* has another title, labels or other columns than the journal says/)
  const opened = await problemsAfter(
    `insert into open_call (user, call, seq) select user, call, seq from journal where phase = 'intent' limit 1`,
  )
  assert.match(opened.join(), /call .* of record \d+ is kept as open, and is not/)
})

test('the verb names what was edited', () => {
  const db = new Sqlite(file)
  db.exec('delete from message')
  db.close()
  const { status, text } = oxbow('audit', 'verify')
  assert.equal(status, 17)
  assert.match(text, /outside the journal: the conversation of session .* lacks record \d+/)
})
