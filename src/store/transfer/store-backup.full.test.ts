import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { zstdDecompressSync } from 'node:zlib'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import type { UserId } from '../../base/index.ts'
import type { BackupReport, RestoreReport, StoreStatus } from '../../config/index.ts'
import { createHasher } from '../chain.ts'
import { recordOf } from '../store-contract.ts'
import { assertRejects, storeFolder, type StoreFolder, tamper } from '../store-fixture.ts'
import { ask, fillStore, placeIn } from './transfer-fixture.ts'

async function filled(files: StoreFolder): Promise<void> {
  const store = await files.open()
  await fillStore(store, 60)
  await store.close()
}

/** Everything in the tables of a file, as text. */
function contentOf(path: string): string {
  const raw = new Sqlite(path, { readonly: true })
  const tables = raw
    .prepare(`select name from sqlite_master where type = 'table' and name not like 'memory_text%' order by name`)
    .pluck()
    .all()
  const rows = tables.map((name) => [name, raw.prepare(`select * from "${String(name)}"`).all()])
  raw.close()
  return JSON.stringify(rows)
}

/** The same without the two records that say it was restored. */
function restoredContentOf(path: string): string {
  const raw = new Sqlite(path)
  const rows = raw.prepare(`select name, phase from journal order by seq desc limit 2`).raw().all()
  assert.deepEqual(rows, [
    ['store.restore', 'outcome'],
    ['store.restore', 'intent'],
  ])
  raw.exec(`delete from journal where name = 'store.restore'`)
  raw.close()
  return contentOf(path)
}

test('a backup of a store that is being written is a consistent snapshot, reports its content, and verifies', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const store = await files.open({ exclusive: true })
  const writing = Promise.all(Array.from({ length: 200 }, (_, i) => store.append({ records: [recordOf(`w${i}`, 'intent')] })))
  const { path, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
  await writing
  assert.ok(manifest.head.seq >= 67 && manifest.head.seq <= 266)
  assert.equal(manifest.rows['journal'], manifest.head.seq)
  assert.equal(manifest.rows['memory_entry'], 40)
  assert.equal(statSync(path).mode & 0o077, 0)
  assert.deepEqual(readdirSync(join(files.folder, 'backups')), [path.split('/').at(-1)])
  // It begins with a frame of zstd, and that is a database which any program opens.
  const copy = join(files.folder, 'copy.db')
  writeFileSync(copy, zstdDecompressSync(readFileSync(path).subarray(0, manifest.bytes)))
  assert.ok(manifest.bytes < statSync(copy).size / 2 && manifest.unpacked === statSync(copy).size)
  const raw = new Sqlite(copy, { readonly: true })
  assert.equal(raw.prepare('select max(seq) from journal').pluck().get(), manifest.head.seq)
  raw.close()
  await store.close()
})

test('labels of files that stay, and of what programs were told since, outlive a restore', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const { path } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
  const later = await files.open()
  const names = [
    ['system/told-labels', 'plugin:box'],
    ['system/file-labels', '/shared/letter.txt'],
    ['notes', 'a'],
  ] as const
  const documents = names.map(([category, name]) => ({ category, name, value: ['private'] }))
  const projections = documents.map(({ value, ...of }) => ({ kind: 'document', ...of, body: JSON.stringify(value), record: 0 }) as const)
  await later.append({ records: [recordOf('told', 'exchange', { body: JSON.stringify({ documents }) })], projections })
  await later.close()
  const { problems } = await ask<RestoreReport>(place, { ask: 'restore', path, replace: true, by: 'ann' })
  assert.deepEqual(problems, [])
  const store = await files.open()
  const bodies = await Promise.all(names.map(async ([category, name]) => (await store.document(category, name))?.body))
  assert.deepEqual(bodies, ['["private"]', '["private"]', undefined])
  const [record] = await store.records({ phases: ['exchange'], order: 'newest_first', limit: 1, hydrate: true })
  assert.deepEqual(JSON.parse(record!.body), { documents: documents.slice(0, 2).toReversed() })
  await store.close()
})

test('a restored store is what was backed up, in every table, and goes on; what stood there is kept', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const { path, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
  const before = contentOf(files.path)
  const later = await files.open()
  await later.append({ records: [recordOf('later', 'intent')] })
  await later.close()
  await assertRejects(ask(place, { ask: 'restore', path, replace: false, by: 'ann' }), 'bad_input', /is not empty/)
  const { replaced } = await ask<RestoreReport>(place, { ask: 'restore', path, replace: true, by: 'ann' })
  assert.ok(replaced !== null)
  assert.equal(restoredContentOf(files.path), before)
  const kept = new Sqlite(replaced, { readonly: true })
  assert.equal(kept.prepare('select max(seq) from journal').pluck().get(), manifest.head.seq + 1)
  kept.close()
  const store = await files.open({ exclusive: true })
  assert.equal((await store.append({ records: [recordOf('on', 'intent')] })).firstSeq, manifest.head.seq + 1)
  const found = await store.memory.search({ filter: {}, text: { terms: ['ox', 'pulls'], contextWeight: 0.5, limit: 5 } })
  assert.equal(found.text.length, 5)
  await store.close()
  assert.deepEqual(
    (await ask<StoreStatus>(place, { ask: 'status' })).copies.map((copy) => copy.path),
    [replaced, path],
  )
})

test('neither a folder nor a pipe is a backup, and a path that the file system refuses is reported as such', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  await assertRejects(ask(place, { ask: 'restore', path: files.folder, replace: false, by: 'ann' }), 'bad_input', /it is not a file/)
  execFileSync('mkfifo', [join(files.folder, 'pipe')])
  const pipe = join(files.folder, 'pipe')
  await assertRejects(ask(place, { ask: 'restore', path: pipe, replace: true, by: 'ann' }), 'bad_input', /it is not a file/)
  for (const name of ['x'.repeat(300), 'x'.repeat(250)]) {
    await assertRejects(ask(place, { ask: 'backup', path: join(files.folder, name) }), 'store_failed', /cannot be written \(ENAMETOOLONG\)/)
  }
  writeFileSync(place.backups, 'no folder')
  await assertRejects(ask(place, { ask: 'backup', path: '' }), 'store_failed', /cannot be written \(EEXIST\)/)
})

test('a database without tables is not backed up, and says what makes them', async () => {
  await using files = storeFolder()
  writeFileSync(files.path, '')
  await assertRejects(ask(placeIn(files.folder), { ask: 'backup', path: '' }), 'not_found', /has no tables yet/)
  assert.deepEqual(readdirSync(join(files.folder, 'backups')), [])
})

test('a backup is restored where no store is', async () => {
  await using files = storeFolder()
  await filled(files)
  const { path } = await ask<BackupReport>(placeIn(files.folder), { ask: 'backup', path: join(files.folder, 'b') })
  await using empty = storeFolder()
  const { replaced } = await ask<RestoreReport>(placeIn(empty.folder), { ask: 'restore', path, replace: false, by: 'ann' })
  assert.equal(replaced, null)
  assert.equal(restoredContentOf(empty.path), contentOf(files.path))
  assert.deepEqual(
    readdirSync(empty.folder).filter((name) => name.includes('restoring')),
    [],
  )
})

test('a backup with a trigger or a view is refused', async () => {
  const hostile = [
    `create trigger quiet after update on session begin update session set labels = '' where rowid = new.rowid; end`,
    'create view free as select * from session',
  ]
  for (const statement of hostile) {
    await using files = storeFolder()
    await filled(files)
    const raw = new Sqlite(files.path)
    raw.exec(statement)
    raw.close()
    const path = join(files.folder, 'backup')
    await ask(placeIn(files.folder), { ask: 'backup', path })
    await using empty = storeFolder()
    await assertRejects(
      ask(placeIn(empty.folder), { ask: 'restore', path, replace: false, by: 'ann' }),
      'bad_input',
      /contains a (trigger|view)/,
    )
    assert.equal(existsSync(empty.path), false)
  }
})

test('a backup that is truncated, changed or of another user is refused, and the store stays unchanged', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const path = join(files.folder, 'backup')
  const { manifest } = await ask<BackupReport>(place, { ask: 'backup', path })
  const good = readFileSync(path)
  const before = readFileSync(files.path)
  const refused = async (bytes: Uint8Array, why: RegExp): Promise<void> => {
    writeFileSync(path, bytes)
    await assertRejects(ask(place, { ask: 'restore', path, replace: true, by: 'ann' }), 'bad_input', why)
  }
  for (const length of [0, 10, 5_000, good.length - 1, good.length - 30]) await refused(good.subarray(0, length), /truncated|damaged/)
  const middle = Buffer.from(good)
  const at = Math.floor(manifest.bytes / 2)
  middle[at] = (middle[at] ?? 0) ^ 1
  await refused(middle, /changed or is damaged/)
  // A checksum that lies: the manifest is made to fit the changed database.
  const lying = Buffer.from(
    good
      .toString('latin1')
      .replace(/"hash":"([0-9a-f])([0-9a-f]{63})"(?=\}\n)/, (_, a: string, b: string) => `"hash":"${a === '0' ? '1' : '0'}${b}"`),
    'latin1',
  )
  assert.notDeepEqual(lying, good)
  await refused(lying, /changed or is damaged/)
  await refused(Buffer.from(good.toString('latin1').replace(/"seq":\d\d,/, '"seq":11,'), 'latin1'), /does not end where its manifest says/)
  await refused(Buffer.concat([good, good.subarray(-24)]), /damaged/)
  const database = good.subarray(0, manifest.bytes)
  for (const unpacked of [10, manifest.unpacked! - 1, manifest.unpacked! + 1])
    await refused(await sealed(database, { ...manifest, unpacked }), /not as long as its manifest says/)
  await refused(await sealed(zstdDecompressSync(database), manifest), /cannot be decompressed/)
  writeFileSync(path, good)
  await assertRejects(
    ask({ ...place, user: 'bob' as UserId }, { ask: 'restore', path, replace: true, by: 'ann' }),
    'bad_input',
    /of user "ann", not of bob/,
  )
  await assertRejects(ask(place, { ask: 'restore', path: join(files.folder, 'none'), replace: true, by: 'ann' }), 'not_found')
  assert.deepEqual(readFileSync(files.path), before)
  assert.equal(existsSync(`${files.path}.restoring`), false)
})

/** A backup with this database, whose manifest fits. */
async function sealed(database: Buffer, manifest: object): Promise<Buffer> {
  const hash = (await createHasher())(database)
  const text = Buffer.from(JSON.stringify({ ...manifest, bytes: database.length, hash }))
  const end = `\noxbow-backup ${String(text.length).padStart(10, '0')}\n`
  return Buffer.concat([database, Buffer.from('\n'), text, Buffer.from(end)])
}

test('a backup by an older version, which has its database as it is, is restored', async () => {
  await using files = storeFolder()
  await filled(files)
  const { path, manifest } = await ask<BackupReport>(placeIn(files.folder), { ask: 'backup', path: '' })
  const { unpacked: _unpacked, ...older } = manifest
  writeFileSync(path, await sealed(zstdDecompressSync(readFileSync(path).subarray(0, manifest.bytes)), older))
  await using empty = storeFolder()
  await ask<RestoreReport>(placeIn(empty.folder), { ask: 'restore', path, replace: false, by: 'ann' })
  const status = await ask<StoreStatus>(placeIn(empty.folder), { ask: 'status' })
  assert.deepEqual([status.state, status.head.seq], ['current', manifest.head.seq + 2])
})

test('a backup with a valid checksum but a broken chain is refused', async () => {
  await using files = storeFolder()
  await filled(files)
  tamper(files.path, `update journal set actor = 'mallory' where seq = 7`)
  const path = join(files.folder, 'backup')
  await ask(placeIn(files.folder), { ask: 'backup', path })
  await using empty = storeFolder()
  await assertRejects(ask(placeIn(empty.folder), { ask: 'restore', path, replace: false, by: 'ann' }), 'bad_input', /record 7/)
  assert.equal(existsSync(empty.path), false)
})

test('a backup of an older version is brought up to date on its way back', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  await ask(place, { ask: 'migrate', to: 2, dryRun: false, withoutCopy: true })
  const { path, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
  assert.deepEqual([manifest.schema, manifest.head.seq], [2, 67])
  await using empty = storeFolder()
  await ask<RestoreReport>(placeIn(empty.folder), { ask: 'restore', path, replace: false, by: 'ann' })
  const status = await ask<StoreStatus>(placeIn(empty.folder), { ask: 'status' })
  assert.deepEqual([status.state, status.head.seq, status.rows['message']], ['current', 69, 60])
})

test('of older backups as many are kept as are asked for, and nothing else in the folder is removed', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  let ms = 1_795_000_000_000
  const backup = (keep?: number): Promise<BackupReport> =>
    ask(place, { ask: 'backup', path: '', ...(keep !== undefined && { keep }) }, { now: () => (ms += 1_000) })
  const [first, second] = [await backup(), await backup()]
  const notes = join(place.backups, 'notes.oxbow-backup')
  writeFileSync(notes, 'mine')
  const { path, removed } = await backup(2)
  assert.deepEqual(removed, [first.path])
  for (const kept of [second.path, path, notes]) assert.equal(existsSync(kept), true, kept)
})

test('a backup never replaces a file, and a replaced store is kept even when it is damaged', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const path = join(files.folder, 'backup')
  await ask(place, { ask: 'backup', path })
  await assertRejects(ask(place, { ask: 'backup', path }), 'bad_input', /already exists/)
  await assertRejects(ask(place, { ask: 'backup', path: files.folder }), 'bad_input', /is a folder/)
  const lost = join(files.folder, 'no such folder')
  await assertRejects(
    ask(place, { ask: 'backup', path: join(lost, 'a.oxbow-backup') }),
    'not_found',
    /There is no folder .*no such folder\./,
  )
  assert.equal(existsSync(lost), false)
  truncateSync(files.path, 30_000)
  appendFileSync(files.path, 'damage')
  const damaged = readFileSync(files.path)
  const { replaced } = await ask<RestoreReport>(place, { ask: 'restore', path, replace: true, by: 'ann' })
  assert.deepEqual(readFileSync(replaced ?? ''), damaged)
  assert.equal((await (await files.open()).head()).seq, 69)
})

test('a store that a guest holds is neither restored nor vacuumed nor migrated', async () => {
  await using files = storeFolder()
  await filled(files)
  const place = placeIn(files.folder)
  const path = join(files.folder, 'backup')
  await ask(place, { ask: 'backup', path })
  const guest = await files.open({ exclusive: true })
  await guest.opened()
  await assertRejects(ask(place, { ask: 'restore', path, replace: true, by: 'ann' }), 'workspace_busy')
  await assertRejects(ask(place, { ask: 'vacuum' }), 'workspace_busy')
  await assertRejects(ask(place, { ask: 'migrate', dryRun: false, withoutCopy: false }), 'workspace_busy')
  assert.equal((await guest.head()).seq, 67)
})
