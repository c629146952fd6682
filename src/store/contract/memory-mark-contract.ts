/** Every change of a memory is told to the journal, in the same commit. */
import assert from 'node:assert/strict'
import type { StoredMark } from '../memory.ts'
import { marksCall, type RowMark } from '../memory/memory-marks.ts'
import { entryOf, itemOf, type MemoryCase } from './memory-fixture.ts'
import { foldPhrase } from '../phrase-scan.ts'
import type { Store } from '../store.ts'

const note = (id: string, text: string, more: Parameters<typeof entryOf>[1] = {}) =>
  ({ change: 'put', item: itemOf(entryOf(id, { kind: 'note', ...more }), text) }) as const

interface Told {
  readonly memory_base?: true
  readonly memory_rows: readonly RowMark[]
}

async function told(store: Store): Promise<readonly Told[]> {
  const records = await store.records({ order: 'oldest_first', limit: 1_000, hydrate: true })
  assert.ok(
    records.every(
      ({ name, call, phase, actor }) => [name, call, phase, actor].join() === [marksCall, marksCall, 'exchange', 'kernel'].join(),
    ),
  )
  return records.map(({ body }) => JSON.parse(body) as Told)
}

/** A memory and its newest mark. */
async function markOf(store: Store, id: string): Promise<{ readonly stored: StoredMark; readonly entry: string; readonly text: string }> {
  const stored = (await store.memory.marks(0, 1_000)).find((each) => each.id === id)
  assert.ok(stored !== undefined)
  const rows = (await told(store)).flatMap(({ memory_rows: marks }) => marks).filter(([of]) => of === stored.mark)
  return { stored, entry: rows.at(-1)?.[1] ?? '', text: rows.findLast((row) => row[2] !== null)?.[2] ?? '' }
}

async function assertFits(store: Store, id: string): Promise<void> {
  const { stored, entry, text } = await markOf(store, id)
  assert.deepEqual([entry, text], [stored.entry, stored.text], id)
}

export function describeMarks(holds: MemoryCase): void {
  holds('each row that a change leaves has a mark in the journal, which its item fits as it is read', async (memory, { store }) => {
    await memory.change([
      note('a', 'apples \u{1f34e} \ud800', { tags: ['b', 'a'], labels: ['untrusted', 'private'], validFrom: -8.64e15 }),
      note('m', 'said', { kind: 'message' }),
    ])
    await memory.change([note('b', 'bread|of the day')])
    const all = await told(store)
    assert.deepEqual(
      all.map((each) => [each.memory_base, each.memory_rows.map(([, , text, before]) => [text?.length, before])]),
      [
        [
          true,
          [
            [16, null],
            [16, null],
          ],
        ],
        [undefined, [[16, null]]],
      ],
    )
    for (const id of ['a', 'b', 'm']) await assertFits(store, id)
    assert.deepEqual(
      (await memory.marks(0, 2)).map(({ id, kind }) => [id, kind]),
      [
        ['a', 'note'],
        ['m', 'message'],
      ],
    )
  })

  holds('a patch tells what it found; what only counts and weighs is not told', async (memory, { store }) => {
    await memory.change([note('a', 'apples')])
    const before = await markOf(store, 'a')
    await memory.change([
      { change: 'patch', id: 'a', patch: { accesses: 3, accessedAt: 5, importance: 0.1, tier: 'hot', protection: 'high', extra: '{}' } },
    ])
    await memory.change([
      { change: 'patch', id: 'none', patch: { labels: ['private'] } },
      note('a', 'apples'),
      { change: 'cursor', cursor: { name: 'x', seq: 0 } },
    ])
    assert.equal((await store.head()).seq, 1)
    await memory.change([
      { change: 'patch', id: 'a', patch: { labels: ['private'] } },
      { change: 'patch', id: 'a', patch: { supersededBy: 'b', validTo: 7 } },
    ])
    const all = await told(store)
    const [first, second] = all.at(-1)?.memory_rows ?? []
    assert.deepEqual([first?.[3], second?.[3], first?.[2], second?.[2]], [before.entry, first?.[1], null, null])
    await assertFits(store, 'a')
  })

  describeErasedMarks(holds)
}

function describeErasedMarks(holds: MemoryCase): void {
  holds('a text that is written anew is told, and so is what is erased, without its id or text', async (memory, { store }) => {
    await memory.change([note('a-secret-id', 'apples')])
    const before = await markOf(store, 'a-secret-id')
    await memory.change([{ change: 'put', item: itemOf(entryOf('a-secret-id', { kind: 'note' }), 'ap', 'ples') }])
    const [row] = (await told(store)).at(-1)?.memory_rows ?? []
    assert.deepEqual([row?.[1] === before.entry, row?.[2] === before.text, row?.[3]], [true, false, before.entry])
    await memory.change([
      { change: 'erase', id: 'a-secret-id' },
      { change: 'erase', id: 'none' },
    ])
    const all = await told(store)
    assert.deepEqual(all.at(-1)?.memory_rows, [[before.stored.mark, null, null, row?.[1]]])
    assert.doesNotMatch(JSON.stringify(all), /secret|apples/)
  })

  holds('a mark is no word: whoever searches the journal for a phrase, to forget it, does not find it there', async (memory, { store }) => {
    await memory.change([note('a', 'apples')])
    const { stored } = await markOf(store, 'a')
    assert.deepEqual((await store.scan({ after: 0, before: 2, phrases: [foldPhrase(stored.mark), foldPhrase('memory')] })).records, [])
  })
}
