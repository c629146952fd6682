/** Recall over a real store and the real text engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recalled } from './recalled.ts'
import { boundTokens } from './fit-budget.ts'
import { dayMs, now, openRecallBed } from './recall-fixture.ts'

const ids = (found: readonly Recalled[]): string[] => found.map(({ id }) => id)
const small = [
  'We went for a walk in the rain.',
  'The soup was far too hot today.',
  'Nobody answers the phone any more.',
  'My brother painted his fence blue.',
]

test('an exact identifier ranks before similar ones', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep([
    'Order ORD-48213 is the lamp.',
    'Order ORD-48231 is the chair.',
    'The order of the lamp, the order number of the lamp, an order.',
    ...small,
  ])
  const found = await bed.ask('What was in order ORD-48231?')
  assert.equal(found[0]?.id, 'e1')
  assert.deepEqual(found[0]?.why.exact, ['ORD-48231'])
  assert.deepEqual(found.find(({ id }) => id === 'e0')?.why.exact, [])
})

test('a quoted phrase ranks before the same words in another order', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['Night train to the red square, and a red night.', 'We took the red night train home.', ...small])
  assert.equal((await bed.ask('Who said "red night train"?'))[0]?.id, 'e1')
})

test('any word may match, and a rare word weighs more than common ones', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep([
    'The walk today was long.',
    'My walk today was short.',
    'Today a walk again.',
    'A theremin stands in the hall.',
    ...small,
  ])
  const found = await bed.ask('walk today theremin giraffe')
  assert.equal(found[0]?.id, 'e3')
  assert.ok(ids(found).includes('e0'))
})

test('vectors find entries that share no word with the question', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep([...small, 'Our kitten sleeps on the sofa.'])
  const [first] = await bed.ask('Which cat naps on the couch?')
  assert.equal(first?.id, 'e4')
  assert.equal(first.why.vectorRank, 1)
})

test('a superseded fact ranks after its successor and is marked as no longer valid', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep([
    { text: 'Ann lives in Denver, in Denver she lives.', supersededBy: 'e1', validFrom: now - 90 * dayMs, validTo: now - 30 * dayMs },
    { text: 'Ann moved, her home is Valencia.', validFrom: now - 30 * dayMs },
    ...small,
  ])
  const found = await bed.ask('Where does Ann live, in Denver?')
  const [old, fresh] = [found.find(({ id }) => id === 'e0'), found.find(({ id }) => id === 'e1')]
  assert.equal(fresh?.holds, true)
  assert.equal(old?.holds, false)
  assert.ok(found.indexOf(fresh) < found.indexOf(old))
})

test('as of an earlier day the fact valid then is found, and the later one is not', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep([
    { text: 'Ann lives in Denver.', supersededBy: 'e1', validFrom: now - 90 * dayMs, validTo: now - 30 * dayMs },
    { text: 'Ann lives in Valencia.', validFrom: now - 30 * dayMs },
  ])
  const found = await bed.ask('Where does Ann live?', { filter: { validAt: now - 60 * dayMs } })
  assert.deepEqual(ids(found), ['e0'])
  assert.equal(found[0]?.holds, true)
})

test('results carry labels, and text with other labels is not joined', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['Look what I found.', { text: 'The page says that penguins knit.', labels: ['untrusted'] }, 'How odd.'])
  const [first] = await bed.ask('penguins')
  assert.deepEqual(first?.passage.entry.labels, ['untrusted'])
  assert.equal(first.text, 'The page says that penguins knit.')
})

test('near-duplicates become one result, which names the others', async () => {
  await using bed = await openRecallBed('none')
  const long = 'The boiler in the cellar was repaired by a man from the county who came twice and left his hat on the stairs'
  await bed.keep([long, `${long}.`, `${long}!`, 'The boiler is cold.', ...small])
  const found = await bed.ask('boiler repaired')
  const same = found.filter(({ passage }) => passage.text.startsWith(long))
  assert.equal(same.length, 1)
  assert.equal(same[0]?.why.standsFor.length, 2)
  assert.ok(ids(found).includes('e3'))
})

test('a fact stands alone: what was extracted before and after it is about something else', async () => {
  await using bed = await openRecallBed('none')
  const fact = { kind: 'fact', type: 'fact', stream: 'facts' } as const
  await bed.keep([
    { ...fact, text: 'We decided to use PostgreSQL for the billing service.' },
    { ...fact, text: 'My daughter Anna is allergic to peanuts.' },
    { ...fact, text: 'My sister Rosa lives in Porto.' },
  ])
  const [found] = await bed.ask('peanuts', { limit: 1 })
  assert.equal(found?.text, 'My daughter Anna is allergic to peanuts.')
})

test('neighbouring turns are joined to a hit in order, unless they are results themselves or filtered out', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep(['What is in that case?', 'A theremin.', 'How wonderful!', ...small])
  assert.equal((await bed.ask('theremin', { limit: 1 }))[0]?.text, 'What is in that case?\nA theremin.\nHow wonderful!')
  const before = await bed.ask('theremin', { limit: 1, filter: { before: { stream: 's1', place: 1 } } })
  assert.equal(before[0]?.text, 'What is in that case?\nA theremin.')
})

test('the token budget is kept, with the built-in estimate and with a given counter', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep(Array.from({ length: 40 }, (_, i) => `Penguin number ${i} ${'walked over the ice and back again '.repeat((i % 7) + 1)}`))
  for (const tokens of [0, 1, 5, 30, 100, 1_000]) {
    const found = await bed.ask('penguin ice', { tokens, limit: 20 })
    assert.ok(found.reduce((sum, { text }) => sum + boundTokens(text), 0) <= tokens, String(tokens))
    if (tokens >= 30) assert.ok(found.length > 0)
  }
})

test('words of Chinese, Japanese, Korean and Thai are found inside sentences', async () => {
  await using bed = await openRecallBed('none')
  await bed.keep([
    '我昨天在北京买了一辆自行车。',
    '来週、東京で新しい仕事を始めます。',
    '우리 고양이는 소파에서 잠을 잔다.',
    'แมวของฉันนอนบนโซฟา',
    ...small,
  ])
  for (const [question, id] of [
    ['自行车', 'e0'],
    ['東京の仕事', 'e1'],
    ['고양이', 'e2'],
    ['แมว', 'e3'],
  ] as const) {
    assert.equal((await bed.ask(question))[0]?.id, id, question)
  }
})

test('a question of stop words, of nothing, of a megabyte or of index syntax is harmless', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep([...small, 'NEAR the sea'])
  assert.deepEqual(await bed.ask(''), [])
  assert.deepEqual(await bed.ask(' \n\t '), [])
  assert.deepEqual(await bed.ask('???'), [])
  for (const odd of [
    'what is the',
    'soup '.repeat(200_000),
    '"',
    'a" OR 1=1 --',
    'NEAR(a b, 5)',
    'soup*',
    'terms:soup AND NOT',
    '\0',
    '\ud800',
    `"${'x'.repeat(5_000)}`,
    '(((',
  ]) {
    assert.ok(Array.isArray(await bed.ask(odd)), odd.slice(0, 20))
  }
  assert.equal((await bed.ask('soup '.repeat(200_000)))[0]?.id, 'e1')
})

test('words alone find entries without an embedder and before vectors exist', async () => {
  await using none = await openRecallBed('none')
  await none.keep(small)
  assert.equal((await none.ask('hot soup'))[0]?.id, 'e1')

  await using building = await openRecallBed('words-50k')
  const bare = await openRecallBed('none')
  await bare.keep(small)
  const { createRecall } = await import('./create-recall.ts')
  const recall = createRecall({ store: bare.store.memory, text: building.text, now: () => now })
  const [first] = await recall.recall({ text: 'hot soup', filter: {}, limit: 3, tokens: 100 })
  assert.equal(first?.id, 'e1')
  assert.equal(first.why.vectorRank, null)
  await bare[Symbol.asyncDispose]()
})

test('each part of a question that asks several things is answered near the top', async () => {
  await using bed = await openRecallBed('none')
  const days = ['early', 'late', 'twice', 'badly', 'again']
  const others = Array.from({ length: 30 }, (_, i) => `Nothing new, said number ${i}, and went on.`)
  await bed.keep([
    ...days.map((how) => `On Monday the boiler in the cellar was ${how} repaired.`),
    'It is the cello that Clara has.',
    ...others,
  ])
  const found = await bed.ask('Who repaired the boiler in the cellar on Monday and what does Clara own?')
  assert.ok(ids(found).slice(0, 2).includes('e5'), ids(found).join())
})

test('"last Friday" is found by its date, and a date without a year is the latest one before', async () => {
  await using bed = await openRecallBed('none')
  // A Wednesday.
  const said = Date.UTC(2026, 4, 20)
  await bed.keep([{ text: 'I passed it last Friday.', createdAt: said }, { text: 'I failed it yesterday.', createdAt: said }, ...small])
  assert.equal((await bed.ask('What was on 15 May 2026?'))[0]?.id, 'e0')
  assert.equal((await bed.ask('What was on May 19?'))[0]?.id, 'e1')
})

test('both fusions find entries, and reciprocal rank is optional', async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep(small.map((text) => ({ text, kind: 'note' })))
  const weighed = await bed.ask('hot soup', { fusion: 'weights' })
  const ranked = await bed.ask('hot soup', { fusion: 'reciprocal_rank' })
  assert.deepEqual([weighed[0]?.id, ranked[0]?.id], ['e1', 'e1'])
  // First in both lists: all there is, and then what is known beforehand.
  assert.ok(Math.abs((ranked[0]?.score ?? 0) - 1 - (ranked[0]?.why.prior ?? 0)) < 1e-9)
  assert.notEqual(weighed[1]?.score, ranked[1]?.score)
})

test("words near the question's count one by one and are reported", async () => {
  await using bed = await openRecallBed('words-50k')
  await bed.keep([...small, 'The physician was kind to her.', 'She was kind to her neighbours.'])
  const [first, ...others] = await bed.ask('Which doctor was she with?')
  assert.equal(first?.id, 'e4')
  for (const other of others) assert.ok((first.why.closeness ?? 0) > (other.why.closeness ?? 1), other.id)
  const ranked = await bed.ask('Which doctor was she with?', { fusion: 'reciprocal_rank' })
  assert.deepEqual(new Set(ranked.map(({ why }) => why.closeness)), new Set([null]))
})
