/** Search by words: BM25 as it is written down, the same in every store. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { MemoryStore } from '../memory.ts'
import { anything, entryOf, firstDay, foundByText, itemOf, put, textSearch, type MemoryCase } from './memory-fixture.ts'

/** A document of the naive ranking: how often each word counts, and how long it is. */
interface Doc {
  readonly id: string
  readonly terms: readonly string[]
  readonly context: readonly string[]
}

/** BM25 as FTS5 has it; an entry's kind and session count as two words of its length. */
function naiveScores(docs: readonly Doc[], words: readonly string[], contextWeight: number): Map<string, number> {
  const lengths = docs.map(({ terms, context }) => terms.length + context.length + 2)
  const average = lengths.reduce((sum, length) => sum + length, 0) / docs.length
  const scores = new Map<string, number>()
  docs.forEach(({ id, terms, context }, i) => {
    let score = 0
    for (const word of words) {
      const having = docs.filter((doc) => doc.terms.includes(word) || doc.context.includes(word)).length
      const idf = Math.max(1e-6, Math.log((docs.length - having + 0.5) / (having + 0.5)))
      const count = (list: readonly string[]): number => list.filter((term) => term === word).length
      const weight = count(terms) + contextWeight * count(context)
      score += (idf * weight * 2.2) / (weight + 1.2 * (1 - 0.75 + (0.75 * (lengths[i] ?? 0)) / average))
    }
    if (score > 0) scores.set(id, score)
  })
  return scores
}

const letters = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox', '日本', 'naïve', 'c++', 'a/b', "o'hara", '-x', 'x_y', '"', '{}', '*']

export function describeText(holds: MemoryCase): void {
  describeRanking(holds)
  describeFinding(holds)
  describeTerms(holds)
}

function describeRanking(holds: MemoryCase): void {
  holds('any word may match, and a rare word weighs more than a common one', async (memory) => {
    await memory.change([put('a', 'common rare'), put('b', 'common'), put('c', 'common other'), put('d', 'else'), put('e', 'more')])
    assert.deepEqual((await foundByText(memory, 'common rare'))[0], 'a')
    assert.deepEqual((await foundByText(memory, 'rare else')).toSorted(), ['a', 'd'])
    assert.deepEqual(await foundByText(memory, 'absent'), [])
  })

  holds('terms of the turn before find a passage too, and weigh less than its own', async (memory) => {
    await memory.change([put('own', 'lake'), put('before', 'house|lake'), put('c', 'tree'), put('d', 'sky'), put('e', 'sea')])
    assert.deepEqual(await foundByText(memory, 'lake'), ['own', 'before'])
  })

  holds('the scores match a plain implementation of BM25', async (memory) => {
    const word = fc.constantFrom(...letters)
    const doc = fc.record({ terms: fc.array(word, { maxLength: 8 }), context: fc.array(word, { maxLength: 4 }) })
    let round = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(doc, { minLength: 1, maxLength: 12 }),
        fc.uniqueArray(word, { minLength: 1, maxLength: 4 }),
        async (drawn, words) => {
          await eraseAll(memory)
          const docs = drawn.map((one, i) => ({ ...one, id: `r${round}d${i}` }))
          round++
          await memory.change(docs.map(({ id, terms, context }) => put(id, `${terms.join(' ')}|${context.join(' ')}`)))
          const expected = naiveScores(docs, words, 0.5)
          const { text, passages } = await memory.search(textSearch(words.join(' ')))
          const scores = new Map(text.map((hit) => [passages.find(({ id }) => id === hit.passage)?.entry.id ?? '', hit.score]))
          assert.deepEqual([...scores.keys()].toSorted(), [...expected.keys()].toSorted())
          for (const [id, score] of expected) assert.ok(Math.abs((scores.get(id) ?? 0) - score) <= 1e-7 * Math.abs(score) + 1e-12, id)
          const order = text.map((hit) => hit.score)
          assert.deepEqual(
            order,
            order.toSorted((a, b) => b - a),
          )
        },
      ),
      { numRuns: 12 },
    )
  })

  holds('of equal scores the newer entry goes first, then the passage that was kept earlier', async (memory) => {
    const words = (id: string, day: number) => put(id, 'same words here', { createdAt: firstDay + day })
    await memory.change([words('old', 1), words('new', 3), words('mid1', 2), words('mid2', 2), put('x', 'else'), put('y', 'else more')])
    assert.deepEqual(await foundByText(memory, 'same words'), ['new', 'mid1', 'mid2', 'old'])
    assert.deepEqual(await foundByText(memory, 'same words', anything, 2), ['new', 'mid1'])
    await memory.change(Array.from({ length: 120 }, (_, i) => words(`n${i}`, 10 + i)))
    assert.deepEqual(await foundByText(memory, 'same', anything, 3), ['n119', 'n118', 'n117'])
  })

  holds('a found passage comes once, with its entry, also when words and vector find it', async (memory) => {
    await memory.change([{ change: 'model', model: 'm', dims: 2, state: 'active' }, put('a', 'apples')])
    await memory.change([{ change: 'vectors', model: 'm', vectors: [{ passage: 1, vector: new Float32Array([1, 0]) }] }])
    const search = { ...textSearch('apples'), vector: { model: 'm', vector: new Float32Array([2, 0]), limit: 3 } }
    const { text, vector, passages } = await memory.search(search)
    assert.deepEqual([text.length, vector.length, vector[0]?.score], [1, 1, 1])
    const { id: _id, ...found } = passages[0] ?? assert.fail('nothing was found')
    assert.deepEqual(found, { part: 0, start: 0, text: 'apples', terms: 'apples', context: '', entry: entryOf('a') })
    assert.equal(passages.length, 1)
  })
}

function describeFinding(holds: MemoryCase): void {
  holds('a search that wants a rare word finds the same with it, and nothing when all its words are in every passage', async (memory) => {
    await memory.change([...Array.from({ length: 80 }, (_, i) => put(`s${i}`, 'same words')), put('r', 'same rare')])
    const search = textSearch('same rare')
    const rare = { ...search, text: { terms: ['same', 'rare'], contextWeight: 0.5, limit: 20, onlyRare: ['same', 'rare'] } }
    assert.deepEqual(await memory.search(rare), await memory.search(search))
    // A term that `onlyRare` does not list does not count, however rare it is.
    const words = ['same', 'words']
    const same = await memory.search({ ...search, text: { terms: [...words, 'unseen'], contextWeight: 0.5, limit: 20, onlyRare: words } })
    assert.deepEqual(same, { text: [], vector: [], passages: [], common: true })
  })

  holds('words of every passage are common, unless they are in few; an empty memory has none that is rare', async (memory) => {
    const areCommon = async (...terms: string[]): Promise<boolean> => {
      const { common } = await memory.search({ filter: {}, text: { terms, contextWeight: 0.5, limit: 5, onlyRare: terms } })
      return common === true
    }
    assert(await areCommon('same'))
    await memory.change(Array.from({ length: 40 }, (_, i) => put(`a${i}`, 'same words')))
    assert(!(await areCommon('same')))
    await memory.change(Array.from({ length: 40 }, (_, i) => put(`b${i}`, i % 2 === 0 ? 'same words' : 'words|same')))
    assert(await areCommon('same', 'words'))
    assert(!(await areCommon('same', 'unheard')))
  })
}

function describeTerms(holds: MemoryCase): void {
  holds('every passage of a long entry is found by its own words', async (memory) => {
    const texts = Array.from({ length: 40 }, (_, i) => `part${i} shared`)
    await memory.change([{ change: 'put', item: itemOf(entryOf('long'), ...texts) }])
    const { passages } = await memory.search(textSearch('part17'))
    assert.deepEqual(
      passages.map(({ part, text, start }) => [part, text, start]),
      [[17, 'part17 shared', texts.slice(0, 17).join('').length]],
    )
  })

  holds('words of every script and every sign are terms as they are', async (memory) => {
    const words = [
      '東京',
      'กรุงเทพ',
      '서울에',
      'שלום',
      'مرحبا',
      '𠜎𠜱',
      '🙂',
      'e\u0301',
      'a\u200db',
      'x\u3000y',
      'src/a-b_c.ts',
      '#12',
      '--',
      'a:b',
      '(',
      ')',
      'near',
      'and',
      'or',
      'not',
    ]
    await memory.change(words.map((word, i) => put(`w${i}`, word)))
    for (const [i, word] of words.entries()) assert.deepEqual(await foundByText(memory, word), [`w${i}`], word)
  })

  holds('capitals of ASCII are the same as small letters, and nothing else is folded', async (memory) => {
    await memory.change([
      put('a', 'x', {}),
      { change: 'put', item: { entry: entryOf('b'), passages: [{ part: 0, start: 0, text: 'T', terms: 'Lake ÄRGER', context: '' }] } },
    ])
    assert.deepEqual(await foundByText(memory, 'lAKE'), ['b'])
    assert.deepEqual(await foundByText(memory, 'ÄRGER'), ['b'])
    assert.deepEqual(await foundByText(memory, 'ärger'), [])
  })
}

async function eraseAll(memory: MemoryStore): Promise<void> {
  const entries = await memory.list(anything, 1_000)
  await memory.change(entries.map(({ id }) => ({ change: 'erase', id })))
}
