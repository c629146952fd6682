import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CallId } from '../../base/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { storeFolder } from '../store-fixture.ts'
import { sqliteMigrationDriver } from './database-file.ts'
import { packBytes, packText, unpacked } from './packed-value.ts'
import { openDatabase } from './sqlite-database.ts'

const mark = Buffer.from('9fd1c6a60e7b43e2', 'hex')
const event = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word"}}]}\\n\\n'
const body = JSON.stringify({ id: 'a#1', request: { text: 'an exchange' }, response: { text: event.repeat(5) } })
const exchange = {
  at: 1,
  actor: 'user:a',
  session: '',
  turn: '',
  call: 'a' as CallId,
  name: 'model.generate',
  phase: 'exchange',
  body,
} as const
const blob = Buffer.from('a long result of a tool, line by line\n'.repeat(200))

test('whatever is packed is unpacked as it was, also what looks packed', () => {
  fc.assert(fc.property(fc.string({ maxLength: 2_000 }), (text) => assert.equal(unpacked(packText(text)), text)))
  const bytes = fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 2_000 }))
  fc.assert(
    fc.property(bytes, ([isMarked, rest]) => {
      const value = isMarked ? Buffer.concat([mark, rest]) : Buffer.from(rest)
      assert.deepEqual(Buffer.from(unpacked(packBytes(value)) as Uint8Array), value)
    }),
  )
  assert.ok(packText(body).length < body.length / 3)
})

test('a damaged value is reported as damage', () => {
  const packed = packText(body) as Uint8Array
  for (const damaged of [packed.slice(0, -4), Buffer.concat([mark, Buffer.from([9]), packed.subarray(9)])])
    assert.throws(() => unpacked(damaged), { code: 'store_corrupt' })
})

test('exchanges and blobs take less room in the file and are read as they were written', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [exchange] })
  const marked = Buffer.concat([mark, Buffer.from('not packed')])
  const names = [await store.putBlob(blob), await store.putBlob(marked)]
  const [record] = await store.records({ after: 0, limit: 1, order: 'oldest_first', hydrate: true })
  assert.equal(record?.body, body)
  const stored = await Promise.all(names.map((name) => store.blob(name)))
  assert.deepEqual(
    stored.map((bytes) => Buffer.from(bytes!)),
    [blob, marked],
  )
  await store.close()
  const database = openDatabase({ path: files.path, readOnly: true })
  const [sizes] = database.query<{ body: number; bytes: number }>(
    'select (select length(body) from journal) as body, (select max(length(bytes)) from blob) as bytes',
  )
  database.close()
  assert.ok(sizes!.body < body.length / 3 && sizes!.bytes < blob.length / 10, JSON.stringify(sizes))
})

test('an older program gets them unpacked, and what it wrote is read', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [exchange] })
  const name = await store.putBlob(blob)
  await store.close()
  const database = openDatabase({ path: files.path, readOnly: false })
  await migrate(sqliteMigrationDriver(database), { to: 15, now: Date.now })
  assert.deepEqual(database.query('select typeof(body) as type, body, length(bytes) as bytes from journal, blob'), [
    { type: 'text', body, bytes: blob.length },
  ])
  database.close()
  const again = await files.open()
  assert.equal((await again.records({ after: 0, limit: 1, order: 'oldest_first', hydrate: true }))[0]?.body, body)
  assert.deepEqual(Buffer.from((await again.blob(name))!), blob)
  await again.close()
})
