import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { createHasher, recordHash } from '../chain.ts'
import { recordOf } from '../store-contract.ts'
import { ann, assertRejects, storeFolder, type StoreFolder } from '../store-fixture.ts'
import type { RecordQuery, Store } from '../store.ts'

const all: RecordQuery = { order: 'oldest_first', limit: 10_000, hydrate: true }
const body = JSON.stringify('x'.repeat(2_000))

/** Appends until `count` are acknowledged or one is refused. @returns how many were acknowledged */
async function fill(store: Store, count: number): Promise<number> {
  for (let i = 0; i < count; i++) {
    const refused = await store.append({ records: [recordOf(`c${i}`, 'refused', { body })] }).then(
      () => false,
      () => true,
    )
    if (refused) return i
  }
  return count
}

async function assertChain(store: Store, count: number): Promise<void> {
  const records = await store.records(all)
  const hash = await createHasher()
  assert.equal(records.length, count)
  records.forEach((record, i) => {
    assert.equal(record.seq, i + 1)
    assert.equal(record.previous, records[i - 1]?.hash ?? '0'.repeat(64))
    assert.equal(record.hash, recordHash(hash, ann, record))
  })
}

/** A file system of one megabyte; null, with the reason printed, where it cannot be made. */
function smallDisk(t: TestContext, files: StoreFolder): (Disposable & { readonly path: string }) | null {
  const disk = join(files.folder, 'disk')
  mkdirSync(disk)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'oxbow-test', disk], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    t.skip(`a small file system needs root and mount: ${mounted.stderr || String(mounted.error)}`)
    return null
  }
  return { path: disk, [Symbol.dispose]: () => void spawnSync('umount', ['--lazy', disk]) }
}

test('a full disk refuses the append with advice; what was acknowledged stays readable and verifies', async (t) => {
  await using files = storeFolder()
  using disk = smallDisk(t, files)
  if (disk === null) return
  await using small = storeFolder(disk.path)
  const reserve = join(disk.path, 'reserve')
  writeFileSync(reserve, new Uint8Array(100_000))
  const store = await small.open({ exclusive: true })
  await store.append({ records: [recordOf('first', 'intent')] })
  await store.openIntents()
  const kept = 1 + (await fill(store, 2_000))
  assert.ok(kept > 10 && kept < 1_000)
  assert.equal(store.fault()?.code, 'store_full')
  await assertRejects(store.append({ records: [recordOf('late', 'intent')] }), 'store_full', /disk is full/)
  await assertChain(store, kept)
  await store.close()

  // Started again on the disk that is still full: no crash, reading works, and writing is refused in the same words.
  fillUp(join(disk.path, 'filler'))
  const again = await small.open({ exclusive: true })
  await assertChain(again, kept)
  await fill(again, 2_000)
  await assertRejects(again.append({ records: [recordOf('late', 'intent')] }), 'store_full')
  await again.close()

  // With room again it goes on where it stood.
  truncateSync(reserve, 0)
  const after = await small.open({ exclusive: true })
  const head = await after.head()
  assert.equal((await after.append({ records: [recordOf('next', 'intent')] })).firstSeq, head.seq + 1)
  await assertChain(after, head.seq + 1)
  await after.close()
})

function fillUp(path: string): void {
  const file = openSync(path, 'a')
  // Ends with ENOSPC.
  assert.throws(() => {
    for (let i = 0; i < 10_000; i++) writeSync(file, new Uint8Array(512))
  })
  closeSync(file)
}

async function filledAndClosed(files: StoreFolder, count: number): Promise<void> {
  const store = await files.open()
  assert.equal(await fill(store, count), count)
  await store.close()
}

function overwrite(path: string, position: number, bytes: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, new Uint8Array(bytes).fill(0xa5), 0, bytes, position)
  closeSync(file)
}

test('a damaged page is reported when it is read, stops the writing, and leaves the rest readable', async () => {
  await using files = storeFolder()
  await filledAndClosed(files, 400)
  // Whole pages in the middle of the file: records, not the schema.
  overwrite(files.path, Math.floor(statSync(files.path).size / 8_192) * 4_096, 40_960)
  const store = await files.open()
  await store.opened()
  await assertRejects(store.records(all), 'store_corrupt', /damaged/)
  await assertRejects(store.append({ records: [recordOf('late', 'intent')] }), 'store_corrupt')
  assert.equal(store.fault()?.code, 'store_corrupt')
  assert.equal((await store.records({ ...all, limit: 10 })).length, 10)
})

test('a file that is no database is refused as damaged, and is not touched', async () => {
  await using files = storeFolder()
  const text = 'These are the notes of somebody else.\n'.repeat(200)
  writeFileSync(files.path, text)
  const store = await files.open()
  await assertRejects(store.opened(), 'store_corrupt')
  await assertRejects(store.append({ records: [recordOf('a', 'intent')] }), 'store_corrupt')
  await assertRejects(store.head(), 'store_corrupt')
  assert.equal(readFileSync(files.path, 'utf8'), text)
})

test('a log whose tail was torn off gives every whole commit before the tear, and the chain goes on', async () => {
  await using files = storeFolder()
  const store = await files.open()
  assert.equal(await fill(store, 60), 60)
  await using torn = storeFolder()
  copyFileSync(files.path, torn.path)
  copyFileSync(`${files.path}-wal`, `${torn.path}-wal`)
  truncateSync(`${torn.path}-wal`, statSync(`${torn.path}-wal`).size - 100)
  const recovered = await torn.open()
  // The tear is in the last commit; one record went with it, which a power cut takes from `normal` and a signed head shows.
  await assertChain(recovered, 59)
  assert.equal((await recovered.append({ records: [recordOf('next', 'intent')] })).firstSeq, 60)
  await assertChain(recovered, 60)
})

test('a log with damage in the middle gives what was committed before the damage', async () => {
  await using files = storeFolder()
  const store = await files.open()
  assert.equal(await fill(store, 60), 60)
  await using torn = storeFolder()
  copyFileSync(files.path, torn.path)
  copyFileSync(`${files.path}-wal`, `${torn.path}-wal`)
  overwrite(`${torn.path}-wal`, Math.floor(statSync(`${torn.path}-wal`).size / 2), 64)
  const recovered = await torn.open()
  const { seq } = await recovered.head()
  assert.ok(seq > 5 && seq < 59)
  await assertChain(recovered, seq)
})

test('a store that is opened while the disk is full says that it is, and opens when there is room', async (t) => {
  await using files = storeFolder()
  using disk = smallDisk(t, files)
  if (disk === null) return
  await using small = storeFolder(disk.path)
  await filledAndClosed(small, 5)
  const rest = openSync(join(disk.path, 'rest'), 'a')
  assert.throws(() => {
    for (;;) writeSync(rest, new Uint8Array(4_096))
  }, /ENOSPC/)
  closeSync(rest)
  const full = await small.open()
  await assertRejects(full.opened(), 'store_full', /oxbow\.db cannot be opened: the disk is full/)
  await full.close()
  truncateSync(join(disk.path, 'rest'))
  await assertChain(await small.open(), 5)
})

test('a file that could not be opened for reading once, as without a free descriptor, is opened by the next who reads', async () => {
  await using files = storeFolder()
  const store = await files.open({ exclusive: true })
  await store.append({ records: [recordOf('a', 'intent')] })
  renameSync(files.path, `${files.path}.away`)
  await Promise.all([store.sessions(1), store.memory.stats()].map((read) => assertRejects(read, 'not_found', /no journal/)))
  renameSync(`${files.path}.away`, files.path)
  assert.equal((await store.records(all)).length, 1)
  assert.deepEqual(await store.memory.models(), [])
  await store.close()
})

test('a store whose tables could not be made says so to whoever reads, too, and not that it is to be started once', async () => {
  await using files = storeFolder()
  // Stands for a disk that fills just then.
  const raw = new Sqlite(files.path)
  raw.exec('create table journal (other)')
  raw.close()
  const store = await files.open()
  await assertRejects(store.head(), 'store_failed', /table "journal" already exists/)
  await assertRejects(store.append({ records: [recordOf('a', 'intent')] }), 'store_failed', /table "journal" already exists/)
  await store.close()
})

test('a folder that is not there or cannot be written is a failure that names the file', async (t) => {
  await using files = storeFolder()
  const missing = storeFolder(join(files.folder, 'none'))
  const store = await missing.open()
  await assertRejects(store.opened(), 'store_failed', /none\/oxbow\.db/)
  await assertRejects(store.append({ records: [recordOf('a', 'intent')] }), 'store_failed')
  await store.close()

  using disk = smallDisk(t, files)
  if (disk === null) return
  await using frozen = storeFolder(disk.path)
  await filledAndClosed(frozen, 5)
  spawnSync('mount', ['-o', 'remount,ro', disk.path])
  const reading = await frozen.open()
  await assertRejects(reading.opened(), 'store_failed', /disk\/oxbow\.db cannot be opened/)
  await assertRejects(reading.append({ records: [recordOf('a', 'intent')] }), 'store_failed')
})
