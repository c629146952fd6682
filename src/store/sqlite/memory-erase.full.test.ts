import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import fc from 'fast-check'
import { embedAll, foundByText, put, vectorOf } from '../contract/memory-fixture.ts'
import type { MemoryChange } from '../memory.ts'
import { createStoreClient } from '../store-client.ts'
import { ann, storeFolder } from '../store-fixture.ts'
import { createSqliteLink } from './sqlite-store.ts'

/** @returns whether the bytes of a text stand in the database's file or its log */
function holds(path: string, text: string): boolean {
  return [path, `${path}-wal`].some((file) => {
    try {
      return readFileSync(file).includes(text)
    } catch {
      return false
    }
  })
}

test('the bytes of what was erased are in no file any more: not its text, its terms, its tags or its author', async () => {
  await using files = storeFolder()
  const store = await files.open()
  const planted = ['zanzibarix', 'zanzibarixstem', 'zanzibarixtag', 'zanzibarixauthor', 'zanzibarixextra', 'zanzibarixbefore']
  const passage = { part: 0, start: 0, text: 'zanzibarix', terms: 'zanzibarixstem shared', context: 'zanzibarixbefore' }
  const secret: MemoryChange = put('secret', '', { tags: ['zanzibarixtag'], author: 'zanzibarixauthor', extra: 'zanzibarixextra' })
  assert(secret.change === 'put')
  const others = (from: number): MemoryChange[] =>
    Array.from({ length: 300 }, (_, i) => put(`o${from + i}`, `shared other${from + i} words`))
  await store.memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, ...others(0)])
  await store.memory.change([{ change: 'put', item: { ...secret.item, passages: [passage] } }])
  await store.memory.change(others(300))
  await embedAll(store.memory, 'm', (text) => (text === 'zanzibarix' ? vectorOf(1.2345678, -7.654321) : vectorOf(1, 0)))
  await foundByText(store.memory, 'shared')
  for (const word of planted) assert(holds(files.path, word), `${word} is not in the file, so this proves nothing`)
  const vector = Buffer.from(vectorOf(1.2345678, -7.654321).buffer).toString('latin1')
  assert(readAll(files.path).includes(vector))
  await store.memory.change([{ change: 'erase', id: 'secret' }])
  for (const word of planted) assert(!holds(files.path, word), `${word} is in the file`)
  assert(!readAll(files.path).includes(vector))
  assert.equal((await foundByText(store.memory, 'shared', {}, 1_000)).length, 600)
})

function readAll(path: string): string {
  return readFileSync(path).toString('latin1') + readFileSync(`${path}-wal`).toString('latin1')
}

test('whatever is put, put again, patched and erased, words find what there is', async () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const words = fc.array(fc.constantFrom('ant', 'bee', 'cat', 'dog'), { maxLength: 6 }).map((list) => list.join(' '))
  const change: fc.Arbitrary<MemoryChange> = fc.oneof(
    fc.tuple(id, words).map(([name, text]) => put(name, text, { tags: ['t'] })),
    fc.tuple(id, fc.constantFrom('x', 'y z')).map(([name, tag]): MemoryChange => ({ change: 'patch', id: name, patch: { tags: [tag] } })),
    id.map((name): MemoryChange => ({ change: 'erase', id: name })),
  )
  await using files = storeFolder()
  const store = await files.open()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }), async (calls) => {
      for (const changes of calls) await store.memory.change(changes)
      const entries = await store.memory.list({}, 100)
      const items = await store.memory.items(entries.map((entry) => entry.id))
      for (const word of ['ant', 'bee', 'cat', 'dog']) {
        const having = items
          .filter(({ passages }) => passages.some(({ terms }) => terms.split(' ').includes(word)))
          .map(({ entry }) => entry.id)
        assert.deepEqual((await foundByText(store.memory, word)).toSorted(), having.toSorted())
      }
    }),
    { numRuns: 30 },
  )
  await store.close()
  const raw = new Sqlite(files.path)
  assert.equal(raw.pragma('integrity_check', { simple: true }), 'ok')
  raw.close()
})

test('a search whose thread died is answered by another', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  const store = createStoreClient(ann, link)
  await store.memory.change([put('a', 'apples')])
  assert.deepEqual(await foundByText(store.memory, 'apples'), ['a'])
  await link.threads().reader?.kill()
  assert.deepEqual(await foundByText(store.memory, 'apples'), ['a'])
  await store.close()
})

test('an idle guest that asks how far its index has come starts no thread for it', async () => {
  await using files = storeFolder()
  const link = createSqliteLink({ path: files.path, user: ann, durability: 'normal' })
  const store = createStoreClient(ann, link)
  assert.equal(await store.memory.cursor('journal'), 0)
  assert.equal(link.threads().reader, null)
  await store.close()
})

test('what one process writes another one finds, and what it erases is found by neither', async () => {
  await using files = storeFolder()
  const [one, two] = [await files.open(), await files.open()]
  await one.memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, put('a', 'apples')])
  assert.deepEqual(await foundByText(two.memory, 'apples'), ['a'])
  await two.memory.change([put('b', 'apples'), { change: 'erase', id: 'a' }])
  assert.deepEqual(await foundByText(one.memory, 'apples'), ['b'])
  await embedAll(two.memory, 'm', () => vectorOf(1, 0))
  const found = await one.memory.search({ filter: {}, vector: { model: 'm', vector: vectorOf(1, 0), limit: 5 } })
  assert.deepEqual(
    found.passages.map(({ entry }) => entry.id),
    ['b'],
  )
})
