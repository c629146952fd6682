import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import type { JournalRecord } from '../../protocol/index.ts'
import { createHasher, firstFormatHash, parseErased, recordHolds } from '../chain.ts'
import { recordOf } from '../store-contract.ts'
import { ann, storeFolder } from '../store-fixture.ts'
import { packBytes } from './packed-value.ts'

const secret = 'the-bytes-that-must-go'

/** How often the text stands in the file and in its log. */
function found(path: string, text: string): number {
  return [path, `${path}-wal`]
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file).toString('latin1').split(text).length - 1)
    .reduce((sum, n) => sum + n, 0)
}

test('the bytes of erased bodies and blobs are gone from the file and from its log, while a reader is there', async () => {
  await using files = storeFolder()
  const store = await files.open()
  const short = JSON.stringify({ text: secret })
  const long = JSON.stringify({ text: secret.repeat(1_000) })
  for (let i = 0; i < 50; i++) {
    await store.append({
      records: [recordOf(`c${i}`, 'refused', { body: short }), recordOf(`d${i}`, 'refused', { body: long + ' '.repeat(i) })],
    })
  }
  await store.records({ order: 'oldest_first', limit: 1, hydrate: true })
  const packed = Buffer.from(packBytes(Buffer.from(long)))
    .toString('latin1')
    .slice(9, 60)
  assert(found(files.path, secret) >= 50 && found(files.path, packed) > 0, 'the text is there before')
  const seqs = Array.from({ length: 100 }, (_, i) => i + 1)
  assert.deepEqual(await store.erase(seqs, 'asked'), { bodies: 100, blobs: 50, kept: [] })
  for (const text of [secret, packed]) assert.equal(found(files.path, text), 0)
  await store.close()
  for (const text of [secret, packed]) assert.equal(found(files.path, text), 0)
})

test('a journal of the first format can be erased too: a short body loses the proof of its record, a blob does not', async () => {
  await using files = storeFolder()
  const writing = await files.open()
  const long = JSON.stringify({ text: secret.repeat(300) })
  await writing.append({ records: ['{"text":"short"}', long, long].map((body, i) => recordOf(`c${i}`, 'refused', { body })) })
  await writing.close()
  await asFirstFormat(files.path)
  const store = await files.open()
  await store.append({ records: [recordOf('new', 'refused', { body: long })] })
  assert.deepEqual(await store.erase([1, 2], ''), { bodies: 2, blobs: 0, kept: [] })
  assert.deepEqual(await store.erase([3, 4], ''), { bodies: 2, blobs: 1, kept: [] })
  assert.equal(found(files.path, secret), 0)
  const hash = await createHasher()
  const stored = await store.records({ order: 'oldest_first', limit: 10, hydrate: false })
  assert.deepEqual(
    stored.map((record) => recordHolds(hash, ann, record)),
    ['unknown', 'first_format', 'first_format', true],
  )
  const read = await store.records({ order: 'oldest_first', limit: 10, hydrate: true })
  assert.deepEqual(
    read.map(({ body }) => parseErased(body)?.bytes),
    [16, long.length, long.length, long.length],
  )
})

/** Hashes every record as an older program did. */
async function asFirstFormat(path: string): Promise<void> {
  const hash = await createHasher()
  const raw = new Sqlite(path)
  let previous = '0'.repeat(64)
  for (const row of raw.prepare('select * from journal order by seq').all() as JournalRecord[]) {
    const next = firstFormatHash(hash, ann, { ...row, previous })
    raw.prepare('update journal set previous = ?, hash = ? where seq = ?').run(previous, next, row.seq)
    previous = next
  }
  raw.close()
}
