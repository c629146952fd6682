import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { entryOf, itemOf, textSearch } from '../contract/memory-fixture.ts'
import { openMemoryStore } from '../open-store.ts'
import type { MemoryChange } from '../memory.ts'
import { ann } from '../store-fixture.ts'
import { scaled } from '../../../test/support/scale.ts'

const id = fc.integer({ min: 0, max: 11 })
/** An id has one place of its own, in the stream that it is put in. */
const put = fc.tuple(id, fc.constantFrom('s', 't'), fc.integer({ min: 1, max: 3 })).map(([number, stream, parts]): MemoryChange => {
  const entry = entryOf(`e${number}`, { stream, place: (number * 7) % 12 })
  return { change: 'put', item: itemOf(entry, ...Array.from({ length: parts }, (_, i) => `word ${i}`)) }
})
const erase = id.map((number): MemoryChange => ({ change: 'erase', id: `e${number}` }))
const patch = id.map((number): MemoryChange => ({ change: 'patch', id: `e${number}`, patch: { tags: ['x'] } }))

test('after any changes, the neighbours of a hit equal those in the database', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.oneof(put, put, erase, patch), { minLength: 1, maxLength: 8 }), { maxLength: 6 }),
      async (rounds) => {
        const store = await openMemoryStore({ user: ann })
        for (const changes of rounds) {
          await store.memory.change(changes)
          const { passages } = await store.memory.search(textSearch('word'))
          const beside = await store.memory.beside(
            passages.map((passage) => passage.id),
            2,
            1,
          )
          for (const { id: passage, entry } of passages)
            assert.deepEqual(beside.get(passage), await store.memory.around(entry.stream, entry.place, 2, 1))
        }
        await store.close()
      },
    ),
    { numRuns: scaled(40) },
  )
})
