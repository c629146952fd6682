/** Entries: kept, replaced, patched, erased, listed; and the cursors of those who make them. */
import assert from 'node:assert/strict'
import type { SessionId } from '../../base/index.ts'
import {
  anything,
  embedAll,
  entryOf,
  firstDay,
  foundByText,
  itemOf,
  put,
  textSearch,
  vectorOf,
  type MemoryCase,
  emptySearchAnswers,
} from './memory-fixture.ts'

export function describeEntries(holds: MemoryCase): void {
  describeKeeping(holds)
  describeErasing(holds)
  describeReading(holds)
  describeStreams(holds)
  describeUsers(holds)
}

function describeKeeping(holds: MemoryCase): void {
  holds('an empty memory has nothing, and is asked without harm', async (memory) => {
    assert.deepEqual(await emptySearchAnswers(memory, 'word'), [])
    assert.deepEqual(await memory.stats(), { entries: 0, passages: 0, byKind: {}, models: [], bytes: (await memory.stats()).bytes })
    assert.equal(await memory.cursor('journal'), 0)
    assert.deepEqual(await memory.withoutVector('none', 10), [])
    await memory.change([])
  })

  holds('what was put is read back as it was, with all its fields and passages', async (memory) => {
    const entry = entryOf('one', {
      kind: 'document',
      type: 'knowledge',
      session: '0192f0a0-0000-7000-8000-00000000000a' as SessionId,
      stream: 'doc:/shared/plan.md',
      place: 7,
      author: '/shared/plan.md',
      tags: ['a "quoted" tag', 'colon:comma,dash-', 'ärger', '計画'],
      labels: ['private', 'untrusted'],
      validFrom: firstDay - 5,
      validTo: firstDay + 5,
      supersededBy: 'two',
      contradicts: ["o'four", 'three'],
      confirmedBy: ['five'],
      importance: 0.123456789,
      tier: 'hot',
      protection: 'high',
      accesses: 3,
      accessedAt: firstDay + 1,
      seq: 12,
      extra: '{"path":"/shared/plan.md"}',
    })
    const item = itemOf(entry, 'The first part.|before', 'The second part 計画 🙂.')
    await memory.change([{ change: 'put', item }])
    assert.deepEqual(await memory.items(['one', 'none']), [item])
    assert.deepEqual(await memory.withHash(entry.hash), ['one'])
    assert.deepEqual((await memory.stats()).byKind, { document: 1 })
  })

  holds('items come in the order in which they are asked for', async (memory) => {
    await memory.change([put('a', 'one'), put('b', 'two'), put('c', 'three')])
    assert.deepEqual(
      (await memory.items(['c', 'gone', 'a'])).map(({ entry }) => entry.id),
      ['c', 'a'],
    )
  })

  holds('putting an id again replaces the entry, its passages and its terms', async (memory) => {
    await memory.change([put('a', 'apples'), put('b', 'bread')])
    await memory.change([{ change: 'put', item: itemOf(entryOf('a', { kind: 'fact' }), 'cherries', 'dates') }])
    assert.deepEqual(await foundByText(memory, 'apples'), [])
    assert.deepEqual(await foundByText(memory, 'cherries'), ['a'])
    assert.deepEqual((await memory.stats()).byKind, { fact: 1, note: 1 })
    assert.equal((await memory.stats()).passages, 3)
  })
}

function describeErasing(holds: MemoryCase): void {
  holds('a patch changes what it names, and never loses passages, terms or vectors', async (memory) => {
    await memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, put('a', 'apples|pears')])
    await embedAll(memory, 'm', () => vectorOf(1, 0))
    await memory.change([
      { change: 'patch', id: 'a', patch: { tags: ['fruit'], tier: 'cold', importance: 0.9, accesses: 4, validTo: firstDay } },
      { change: 'patch', id: 'unknown', patch: { tier: 'hot' } },
    ])
    const [item] = await memory.items(['a'])
    assert.deepEqual(
      item,
      itemOf(entryOf('a', { tags: ['fruit'], tier: 'cold', importance: 0.9, accesses: 4, validTo: firstDay }), 'apples|pears'),
    )
    assert.deepEqual(await foundByText(memory, 'pears', { tags: ['fruit'], tiers: ['cold'] }), ['a'])
    assert.deepEqual(await memory.withoutVector('m', 10), [])
    assert.equal((await memory.stats()).entries, 1)
  })

  holds('what was erased is nowhere: not in entries, passages, terms, vectors or hashes', async (memory) => {
    await memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, put('a', 'secret apples'), put('b', 'plain apples')])
    await embedAll(memory, 'm', () => vectorOf(1, 0))
    await memory.change([
      { change: 'erase', id: 'a' },
      { change: 'erase', id: 'never' },
    ])
    assert.deepEqual(await emptySearchAnswers(memory, 'secret'), [])
    assert.deepEqual(await memory.items(['a']), [])
    assert.deepEqual(await memory.withHash('hash of a'), [])
    const found = await memory.search({ filter: anything, vector: { model: 'm', vector: vectorOf(1, 0), limit: 5 } })
    assert.deepEqual(
      found.passages.map(({ entry }) => entry.id),
      ['b'],
    )
    const { entries, passages, models } = await memory.stats()
    assert.deepEqual([entries, passages, models[0]?.vectors], [1, 1, 1])
  })

  holds('a cursor commits with what was indexed, and not without it', async (memory) => {
    await memory.change([put('a', 'apples'), { change: 'cursor', cursor: { name: 'journal', seq: 5 } }])
    await assert.rejects(
      memory.change([
        put('b', 'bread'),
        { change: 'cursor', cursor: { name: 'journal', seq: 9 } },
        { change: 'vectors', model: 'unknown', vectors: [{ passage: 1, vector: vectorOf(1) }] },
      ]),
      { code: 'bad_input' },
    )
    assert.equal(await memory.cursor('journal'), 5)
    assert.deepEqual(await foundByText(memory, 'bread'), [])
    assert.deepEqual(await memory.items(['b']), [])
  })

  holds('changes asked at once all take place, in order', async (memory) => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => memory.change([put('same', `word${i}`), put(`own${i}`, 'common')])))
    assert.deepEqual(await foundByText(memory, 'word39'), ['same'])
    assert.deepEqual(await foundByText(memory, 'word38'), [])
    assert.equal((await foundByText(memory, 'common', anything, 100)).length, 40)
  })
}

function describeReading(holds: MemoryCase): void {
  holds('entries are listed newest first, page by page without gaps', async (memory) => {
    await memory.change(
      Array.from({ length: 25 }, (_, i) => put(`e${String(i).padStart(2, '0')}`, 'x', { createdAt: firstDay + Math.floor(i / 3) })),
    )
    const ids: string[] = []
    for (let last: { createdAt: number; id: string } | undefined; ;) {
      const page = await memory.list(anything, 4, last)
      ids.push(...page.map(({ id }) => id))
      last = page.at(-1)
      if (last === undefined) break
    }
    assert.deepEqual(
      ids,
      Array.from({ length: 25 }, (_, i) => `e${String(i).padStart(2, '0')}`).toSorted((a, b) => {
        const [x, y] = [a, b].map((id) => Math.floor(Number(id.slice(1)) / 3)) as [number, number]
        return x === y ? (a < b ? 1 : -1) : y - x
      }),
    )
  })

  holds('equal texts are found by their hash', async (memory) => {
    await memory.change([put('a', 'x', { hash: 'h' }), put('b', 'x', { hash: 'h' }), put('c', 'y', { hash: 'i' })])
    assert.deepEqual([...(await memory.withHash('h'))].toSorted(), ['a', 'b'])
  })
}

function describeStreams(holds: MemoryCase): void {
  holds('what stands next to several passages is found at once, as a question for each would answer', async (memory) => {
    const streams = (['s', 't'] as const).flatMap((stream) => [1, 2, 3, 4, 5].map((place) => ({ stream, place })))
    // Neighbours have two passages each: entries are counted, not passages.
    await memory.change(
      streams.map(({ stream, place }) => {
        const texts = place === 3 ? [`odd ${stream}`] : ['even', 'more']
        return { change: 'put', item: itemOf(entryOf(`${stream}${place}`, { stream, place }), ...texts) }
      }),
    )
    await memory.change([put('alone', 'odd', { stream: '' }), put('last', 'odd odd odd', { stream: 'u' })])
    const { passages } = await memory.search(textSearch('odd'))
    assert.equal(passages.length, 4)
    const ids = passages.map(({ id }) => id)
    const beside = await memory.beside([...ids, 1_000], 1, 2)
    assert.deepEqual([...beside.keys()], [...ids, 1_000])
    for (const { id, entry } of passages) {
      const around = entry.stream === '' ? [] : await memory.around(entry.stream, entry.place, 1, 2)
      assert.deepEqual(beside.get(id), around)
    }
    assert.deepEqual(beside.get(1_000), [])
  })

  holds('a search tells which of its hits are near each other in a stream, by entries', async (memory) => {
    // Like the places of messages, these have gaps and come in any order.
    const keep = (stream: string, places: readonly number[], texts: (place: number) => readonly string[]) =>
      memory.change(
        places.map((place) => ({ change: 'put', item: itemOf(entryOf(`${stream}${place}`, { stream, place }), ...texts(place)) })),
      )
    await keep('s', [10, 70, 30, 35, 90, 50], (place) => (place === 35 ? ['even', 'more'] : place === 50 ? ['odd', 'odd odd'] : ['odd']))
    await keep('t', [11, 36], () => ['odd'])
    await keep('', [12, 13], () => ['odd'])
    const found = await memory.search({ ...textSearch('odd'), apart: 3 })
    const name = new Map(found.passages.map(({ id, entry }) => [id, entry.id]))
    const pairs = found.apart?.map(([earlier, later, entries]) => `${name.get(earlier)} ${name.get(later)} ${entries}`)
    // Each pair of entries once, however many passages of them were found.
    assert.deepEqual(pairs?.toSorted(), [
      's10 s30 1',
      's10 s50 3',
      's30 s50 2',
      's30 s70 3',
      's50 s70 1',
      's50 s90 2',
      's70 s90 1',
      't11 t36 1',
    ])
    assert.equal((await memory.search(textSearch('odd'))).apart, undefined)
    assert.deepEqual((await memory.search({ ...textSearch('odd'), apart: 0 })).apart, [])
  })

  holds('around a place in a stream are its neighbours, in order, and nothing of other streams', async (memory) => {
    await memory.change([
      ...[1, 2, 3, 4, 5, 6].map((place) => put(`p${place}`, `text ${place}`, { place })),
      put('elsewhere', 'text', { stream: 'other', place: 3 }),
    ])
    const around = async (before: number, after: number) => (await memory.around('s', 3, before, after)).map(({ entry }) => entry.id)
    assert.deepEqual(await around(1, 2), ['p2', 'p4', 'p5'])
    assert.deepEqual(await around(9, 0), ['p1', 'p2'])
    assert.deepEqual(await around(0, 0), [])
  })
}

function describeUsers(holds: MemoryCase): void {
  holds('users are apart: neither found, counted, changed nor erased by another', async (memory, { other }) => {
    if (other === undefined) return
    const bob = await other()
    try {
      await memory.change([
        { change: 'model', model: 'm', dims: 2, state: 'active' },
        put('a', 'apples'),
        { change: 'cursor', cursor: { name: 'j', seq: 3 } },
      ])
      await embedAll(memory, 'm', () => vectorOf(1, 0))
      await bob.memory.change([
        { change: 'erase', id: 'a' },
        { change: 'patch', id: 'a', patch: { tier: 'hot' } },
        put('b', 'apples apples'),
      ])
      assert.deepEqual(await foundByText(memory, 'apples'), ['a'])
      assert.deepEqual(await foundByText(bob.memory, 'apples'), ['b'])
      assert.deepEqual([(await memory.stats()).entries, (await bob.memory.stats()).models], [1, []])
      assert.deepEqual([await bob.memory.items(['a']), await bob.memory.cursor('j'), await bob.memory.withHash('hash of a')], [[], 0, []])
      assert.deepEqual(await bob.memory.list(anything, 10), [entryOf('b')])
      await assert.rejects(bob.memory.search({ filter: anything, vector: { model: 'm', vector: vectorOf(1, 0), limit: 5 } }), {
        code: 'bad_input',
      })
    } finally {
      await bob.close()
    }
  })
}
