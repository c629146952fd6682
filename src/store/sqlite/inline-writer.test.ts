import assert from 'node:assert/strict'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { maxInlineChars, maxInlineRecords } from '../limits.ts'
import { recordOf } from '../store-contract.ts'
import { ann, assertRejects, storeFolder, type StoreFolder } from '../store-fixture.ts'
import { encodeBatch, type Write } from '../store-message.ts'
import type { Append } from '../store.ts'
import { openInlineWriter, type InlineWriter } from './inline-writer.ts'
import { openSqliteStore } from './sqlite-store.ts'

const appendOf = (...calls: readonly string[]): Append => ({ records: calls.map((call) => recordOf(call, 'refused')) })
const batchOf = (...appends: readonly Append[]) => encodeBatch(appends.map((append): Write => ({ kind: 'append', append })))

async function made(files: StoreFolder): Promise<InlineWriter> {
  const store = await files.open()
  await store.append(appendOf('first'))
  await store.close()
  return openInlineWriter({ path: files.path, user: ann, durability: 'normal' })
}

test('small appends are committed at once and follow the chain of the file', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const writing = writer.write(batchOf(appendOf('a'), appendOf('b', 'c')))
  const raw = new Sqlite(files.path, { readonly: true })
  assert.deepEqual(raw.prepare('select "call" from journal order by seq').pluck().all(), ['first', 'a', 'b', 'c'])
  assert.deepEqual(await writing, [2, 3])
  const links = raw.prepare('select previous, hash from journal order by seq').all() as { previous: string; hash: string }[]
  assert.equal(
    links.every(({ previous }, i) => i === 0 || previous === links[i - 1]?.hash),
    true,
  )
  raw.close()
  writer.close()
})

test('what may take long is left to the thread: many records, long texts, blobs, erasures and memory', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const many = Array.from({ length: maxInlineRecords + 1 }, (_, i) => appendOf(`c${i}`))
  assert.equal(writer.write(batchOf(...many)), null)
  assert.equal(
    writer.write(batchOf({ records: [recordOf('long', 'refused', { body: JSON.stringify('x'.repeat(maxInlineChars)) })] })),
    null,
  )
  const others: readonly Write[] = [
    { kind: 'blob', bytes: new Uint8Array(3) },
    { kind: 'erase', seqs: [1], reason: 'r' },
    { kind: 'memory', changes: [] },
  ]
  for (const write of others) assert.equal(writer.write(encodeBatch([write])), null, write.kind)
  assert.ok((await writer.write(batchOf(...many.slice(1)))) !== null)
  writer.close()
})

test('of a batch with a write that cannot be stored nothing is written here; the thread refuses that write alone', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const unstorable: Append = { records: [recordOf('bad', 'refused', { at: Number.NaN })] }
  assert.equal(writer.write(batchOf(appendOf('a'), unstorable, appendOf('b'))), null)
  assert.deepEqual(await writer.write(batchOf(appendOf('c'))), [2])
  writer.close()
})

test('while another process holds the file, the event loop runs on and the thread waits for the lock', async () => {
  await using files = storeFolder()
  const store = await openSqliteStore({ path: files.path, user: ann, durability: 'normal' })
  // After the first appends the calling thread has a connection of its own.
  for (const call of ['a', 'b', 'c']) await store.append(appendOf(call))
  const other = new Sqlite(files.path)
  other.exec('begin immediate')
  const writing = store.append(appendOf('d'))
  // A timer of this thread ends the lock: a thread that waited for it would never run the timer.
  setTimeout(() => other.exec('commit'), 50)
  assert.deepEqual(await writing, { firstSeq: 4, duplicate: false })
  assert.deepEqual(await store.append(appendOf('e')), { firstSeq: 5, duplicate: false })
  other.close()
  await store.close()
})

test('a file that is damaged under it is reported, and the store writes no more', async () => {
  await using files = storeFolder()
  const writer = await made(files)
  const raw = new Sqlite(files.path)
  raw.exec('drop table journal')
  raw.close()
  await assertRejects(Promise.resolve(writer.write(batchOf(appendOf('a')))), 'store_failed')
  writer.close()
})
