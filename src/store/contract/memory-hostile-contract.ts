/** Hostile input from people, documents and models is never taken for a command, and all of it is bounded. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { anything, entryOf, foundByText, put, textSearch, type MemoryCase } from './memory-fixture.ts'

const hostile = [
  '"',
  '""',
  '" OR "',
  'a" OR scope : "k:note',
  '*',
  'a*',
  '^a',
  '{terms} : x',
  'NEAR(a b)',
  'AND',
  '-',
  "'; drop table memory_entry; --",
  '%',
  '_',
  '\\',
  '$1',
  ':user',
  '?',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u001f',
  '\u202e',
  '(((((',
]

export function describeHostile(holds: MemoryCase): void {
  describeTexts(holds)
  describeBounds(holds)
}

function describeTexts(holds: MemoryCase): void {
  holds('no text of a question is taken for a command of any index', async (memory) => {
    await memory.change([put('a', 'apples'), put('b', 'bread')])
    for (const text of hostile) {
      const { text: hits } = await memory.search(textSearch(text))
      assert.deepEqual(hits, [], JSON.stringify(text))
      const all = await memory.search({ filter: anything, text: { terms: [text, 'apples'], contextWeight: 0.5, limit: 5 } })
      assert.equal(all.text.length, 1, JSON.stringify(text))
    }
  })

  holds('no text, id, tag, session or stream is taken for a command of the database', async (memory) => {
    const names = hostile.filter((text) => !text.includes('\u001f') && text.isWellFormed() && !text.includes('\u0000'))
    await memory.change(
      names.map((name, i) => put(`${name}${i}`, `${name} shared`, { tags: [name], stream: name, session: name as never, author: name })),
    )
    for (const [i, name] of names.entries()) {
      assert.deepEqual(await foundByText(memory, 'shared', { tags: [name] }), [`${name}${i}`], name)
      assert.deepEqual(await foundByText(memory, 'shared', { sessions: [name as never] }), [`${name}${i}`], name)
      assert.deepEqual(
        (await memory.list({ tags: [name], sessions: [name as never] }, 5)).map(({ id }) => id),
        [`${name}${i}`],
      )
      assert.equal((await memory.around(name, 0, 1, 1)).length, 1)
    }
    await memory.change(names.map((name, i) => ({ change: 'erase', id: `${name}${i}` })))
    assert.equal((await memory.stats()).passages, 0)
  })

  holds('NUL and lone surrogates become U+FFFD, and everything else is kept as it is', async (memory) => {
    const text = fc.string({ unit: 'binary', maxLength: 40 })
    let round = 0
    await fc.assert(
      fc.asyncProperty(text, text, async (body, terms) => {
        const id = `t${round++}`
        const passage = { part: 0, start: 0, text: body, terms, context: terms }
        await memory.change([{ change: 'put', item: { entry: entryOf(id, { extra: body }), passages: [passage] } }])
        const [item] = await memory.items([id])
        const kept = body.toWellFormed().replaceAll('\u0000', '\ufffd')
        assert.deepEqual([item?.passages[0]?.text, item?.entry.extra], [kept, kept])
        await memory.change([{ change: 'erase', id }])
      }),
      { numRuns: 30 },
    )
    assert.equal((await memory.stats()).passages, 0)
  })

  holds('a question of a hundred thousand terms, or of one of ten megabytes, is answered', async (memory) => {
    await memory.change([put('a', 'apples')])
    const terms = ['apples', ...Array.from({ length: 100_000 }, (_, i) => `t${i}`)]
    assert.equal((await memory.search({ filter: anything, text: { terms, contextWeight: 0.5, limit: 5 } })).text.length, 1)
    const long = { filter: anything, text: { terms: ['x'.repeat(10 * 1024 * 1024), 'apples'], contextWeight: 0.5, limit: 5 } }
    assert.equal((await memory.search(long)).text.length, 1)
  })

  holds('a passage beyond the bound is refused and says so; a word too long is kept and found by its beginning', async (memory) => {
    await assert.rejects(memory.change([put('a', 'x'.repeat(10 * 1024 * 1024))]), { code: 'bad_input', message: /characters/ })
    const word = 'w'.repeat(5_000)
    await memory.change([put('b', word), put('c', Array.from({ length: 20_000 }, (_, i) => `n${i}`).join(' '))])
    assert.deepEqual(await foundByText(memory, word), ['b'])
    assert.deepEqual(await foundByText(memory, 'n19999'), ['c'])
  })
}

function describeBounds(holds: MemoryCase): void {
  holds('invalid numbers, tags and counts are refused, and nothing is written', async (memory) => {
    const bad = [
      { createdAt: Number.NaN },
      { validTo: Infinity },
      { accesses: -1 },
      { importance: Number.NaN },
      { tags: ['a\u001fb'] },
      { tags: [''] },
      { id: '' },
      { id: 'x'.repeat(10_000) },
      { extra: 'x'.repeat(1024 * 1024) },
      { tags: Array.from({ length: 1_000 }, (_, i) => `t${i}`) },
    ]
    for (const more of bad)
      await assert.rejects(memory.change([put('ok', 'x'), put('a', 'x', more)]), { code: 'bad_input' }, JSON.stringify(more).slice(0, 60))
    assert.equal((await memory.stats()).entries, 0)
  })

  holds('invalid, negative or huge limits are harmless', async (memory) => {
    await memory.change([put('a', 'apples', { place: 3 })])
    for (const limit of [0, -1, Number.NaN, Infinity, 1e12, 0.5]) {
      const expected = limit >= 1 ? 1 : 0
      assert.equal((await memory.search(textSearch('apples', anything, limit))).text.length, expected)
      assert.equal((await memory.list(anything, limit)).length, expected)
      assert.equal((await memory.around('s', 1, limit, limit)).length, expected)
      await memory.withoutVector('m', limit)
    }
  })
}
