/** Laws of the steps of ranking, over any lists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FoundPassage, MemoryFound } from '../../store/index.ts'
import { type Candidate, fuseLists, inOrder, mergeParts } from './fuse-lists.ts'
import { boundTokens, collapse, cutTo, fitBudget, joinNeighbours } from './fit-budget.ts'
import { askedDays, dayTerms, termsOfDay } from './day-terms.ts'
import { holdsAt } from '../keep/memory-item.ts'
import { addPriors, priorOf, raiseExact } from './raise.ts'
import { exactBonus, importanceBonus, recencyBonus } from './recall-limits.ts'
import { candidateOf, entryOf, now } from './recall-fixture.ts'

const words = ['walk', 'soup', 'rain', 'theremin', 'ORD-1', 'blue']
const passageOf = (id: number, text: string, createdAt = id): FoundPassage => ({
  id,
  part: 0,
  start: 0,
  text,
  terms: text.toLowerCase(),
  context: '',
  entry: { ...entryOf(text, id, createdAt), id: `e${id}` },
})
const anyText = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 12 }).map((all) => all.join(' '))

/** Two lists over the same passages, each best first. */
const anyFound: fc.Arbitrary<MemoryFound> = fc
  .uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 })
  .chain((ids) =>
    fc.record({
      text: scoresOf(ids, 0.001, 20),
      vector: scoresOf(ids, -1, 1),
      passages: fc.tuple(...ids.map((id) => anyText.map((text) => passageOf(id, text)))),
    }),
  )
  .map(({ text, vector, passages }) => {
    const listed = new Set([...text, ...vector].map(({ passage }) => passage))
    return { text, vector, passages: passages.filter(({ id }) => listed.has(id)) }
  })

function scoresOf(ids: readonly number[], min: number, max: number) {
  return fc
    .tuple(
      ...ids.map((id) => fc.option(fc.double({ min, max, noNaN: true })).map((score) => (score === null ? null : { passage: id, score }))),
    )
    .map((all) => all.filter((hit) => hit !== null).sort((a, b) => b.score - a.score))
}

const anyFusion = fc.record({
  fusion: fc.constantFrom('weights' as const, 'reciprocal_rank' as const),
  weights: fc.double({ min: 0, max: 1, noNaN: true }).map((vector) => ({ vector, text: 1 - vector })),
  terms: fc.subarray(words),
  full: fc.integer({ min: 1, max: 30 }),
})

test('fusion keeps every hit once, with scores from 0 to 1, and keeps the order of a single list', () => {
  fc.assert(
    fc.property(anyFound, anyFusion, (found, options) => {
      const fused = fuseLists(found, options)
      assert.deepEqual(new Set(fused.map(({ passage }) => passage.id)), new Set(found.passages.map(({ id }) => id)))
      assert.equal(fused.length, found.passages.length)
      for (const { score } of fused) assert.ok(score >= 0 && score <= 1 + 1e-9, String(score))
      const alone = fuseLists(
        { text: found.text, vector: [], passages: found.passages.filter(({ id }) => found.text.some(({ passage }) => passage === id)) },
        options,
      )
      const byId = new Map(alone.map((each) => [each.passage.id, each.score]))
      const scores = found.text.map(({ passage }) => byId.get(passage) ?? -1)
      assert.deepEqual(
        scores,
        [...scores].sort((a, b) => b - a),
      )
    }),
  )
})

test('a candidate that is better in both lists is not worse after fusion', () => {
  fc.assert(
    fc.property(anyFound, anyFusion, (found, options) => {
      const fused = fuseLists(found, options)
      for (const a of fused) {
        for (const b of fused) {
          const betterText = (a.textScore ?? -Infinity) > (b.textScore ?? -Infinity)
          const betterVector = (a.vectorScore ?? -Infinity) > (b.vectorScore ?? -Infinity)
          // A cosine below 0 is worth no more than none.
          if (betterText && betterVector) assert.ok(a.score >= b.score - 1e-9)
        }
      }
    }),
  )
})

test('a single hit with few of the words scores lower than one with all', () => {
  const one = (text: string): number => {
    const found = { text: [{ passage: 1, score: 3 }], vector: [], passages: [passageOf(1, text)] }
    return (
      fuseLists(found, { fusion: 'weights', weights: { text: 1, vector: 0 }, terms: ['walk', 'soup', 'rain', 'blue'], full: 40 })[0]
        ?.score ?? 0
    )
  }
  assert.equal(one('walk soup rain blue'), 1)
  assert.ok(one('walk') < 0.7)
})

test('priors stay within their bound and never outrank exact matches', () => {
  const anyFacts = fc.record({
    createdAt: fc.integer({ min: -1e12, max: 4e12 }),
    importance: fc.double({ min: -1, max: 2, noNaN: true }),
    accesses: fc.integer({ min: -5, max: 1e6 }),
  })
  fc.assert(
    fc.property(anyFacts, (facts) => {
      const prior = priorOf({ ...entryOf('x', 0, facts.createdAt), ...facts }, now)
      assert.ok(prior >= 0 && prior <= recencyBonus + importanceBonus)
    }),
  )
  // The worst fused score with one exact name of one stands above the best without.
  assert.ok(exactBonus > 1 + recencyBonus + importanceBonus)
})

test('valid entries rank before ended ones, for any scores', () => {
  fc.assert(
    fc.property(anyFound, anyFusion, fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }), (found, options, ended) => {
      const list = fuseLists(found, options).map((each, i) => {
        const entry = { ...each.passage.entry, validTo: ended[i] === true ? now - 1 : null }
        return { ...each, passage: { ...each.passage, entry } }
      })
      const holds = inOrder(addPriors(list, now)).map((each) => each.holds)
      assert.deepEqual(
        holds,
        [...holds].sort((a, b) => Number(b) - Number(a)),
      )
    }),
  )
  const entry = { ...entryOf('x', 0, 0), supersededBy: 'y', updatedAt: 50 }
  assert.equal(holdsAt(entry, 49), true)
  assert.equal(holdsAt(entry, 50), false)
  assert.equal(holdsAt({ ...entry, validTo: 60 }, 55), true)
})

test('collapsing keeps the first duplicate, loses nothing, and is idempotent', () => {
  fc.assert(
    fc.property(anyFound, anyFusion, fc.integer({ min: 1, max: 30 }), (found, options, enough) => {
      const list = inOrder(fuseLists(found, options))
      const once = collapse(list, enough)
      assert.ok(once.length <= enough && (once.length > 0 || list.length === 0))
      assert.equal(once[0]?.passage.id, list[0]?.passage.id)
      assert.equal(new Set(once.map(({ passage }) => passage.text)).size, once.length)
      const again = collapse(once, enough)
      assert.deepEqual(ids(again), ids(once))
      if (enough >= list.length) {
        const told = once.flatMap(({ passage, standsFor }) => [passage.entry.id, ...standsFor])
        assert.deepEqual(told.sort(), list.map(({ passage }) => passage.entry.id).sort())
      }
    }),
  )
  const texts = ['The boiler in the cellar holds 480 litres of water today.', 'The boiler in the cellar holds 840 litres of water today.']
  assert.equal(
    collapse(
      texts.map((text, i) => candidateOf(passageOf(i, text))),
      5,
    ).length,
    2,
  )
})

test('the budget is kept for any counter, and joining neither loses nor repeats a word', () => {
  const counters = [boundTokens, (text: string): number => text.length, (text: string): number => Math.ceil(Buffer.byteLength(text) / 4)]
  fc.assert(
    fc.property(anyFound, anyFusion, fc.integer({ min: 0, max: 80 }), fc.constantFrom(...counters), (found, options, tokens, count) => {
      const list = inOrder(fuseLists(found, options))
      const fitted = fitBudget(list, tokens, count)
      const used = fitted.reduce((sum, { text }) => sum + count(text), 0)
      assert.ok(used <= tokens)
      const left = tokens - used
      const first = fitted[0]
      if (first === undefined) return
      const beside = found.passages.filter(({ id }) => id !== first.candidate.passage.id).slice(0, 2)
      const joined = joinNeighbours({ passage: first.candidate.passage, text: first.text }, beside, left, count)
      assert.ok(count(joined.text) <= count(first.text) + left)
      assert.equal(joined.text.split('\n').length, 1 + joined.chosen.length)
    }),
  )
  const whole = 'One two three four five six seven.'
  const parts = [0, 1].map((part) => ({ ...passageOf(1, whole.slice(part * 12, part * 12 + 20)), id: part, part, start: part * 12 }))
  const [a, b] = parts
  assert.ok(a !== undefined && b !== undefined)
  assert.equal(joinNeighbours({ passage: a, text: a.text }, [b], 1_000, boundTokens).text, whole.slice(0, 32))
})

test('joined text of a dialogue names the speakers', () => {
  const [asked, answered] = (['user', 'agent'] as const).map((author, i) => {
    const passage = passageOf(i, `words of the ${author}`)
    return { ...passage, entry: { ...passage.entry, kind: 'message' as const, author } }
  })
  assert.ok(asked !== undefined && answered !== undefined)
  const join = (own: FoundPassage, beside: readonly FoundPassage[]): string =>
    joinNeighbours({ passage: own, text: own.text }, beside, 1_000, boundTokens).text
  assert.equal(join(answered, [asked]), 'person: words of the user\nagent: words of the agent')
  assert.equal(join(asked, [answered]), join(answered, [asked]))
  assert.equal(join(answered, []), 'words of the agent')
})

test('a truncated text is a well-formed prefix that fits', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 0, max: 100 }), (text, tokens) => {
      const cut = cutTo(text, tokens, boundTokens)
      assert.ok(cut.isWellFormed() && boundTokens(cut) <= Math.max(tokens, 0))
      if (cut !== '' && cut !== text) assert.ok(text.startsWith(cut.slice(0, -1)))
    }),
  )
})

test('parts add candidates that the whole question missed, and never lower a score', () => {
  fc.assert(
    fc.property(anyFound, anyFound, anyFusion, (a, b, options) => {
      const lists = [fuseLists(a, options), fuseLists(b, options)]
      const merged = new Map(mergeParts(lists).map((each) => [each.passage.id, each]))
      assert.equal(merged.size, new Set(lists.flat().map(({ passage }) => passage.id)).size)
      for (const each of lists[0] ?? []) assert.ok((merged.get(each.passage.id)?.score ?? -1) >= each.score)
    }),
  )
})

test('exact phrases match in any Unicode form', () => {
  for (const [phrase, text] of [
    ['istanbul 34', 'Kod: İSTANBUL 34'],
    ['Straße 12', 'in der STRASSE 12'],
    ['quetzal', 'the quet\u00adzal'],
    ['ΟΔΟΣ ερμού', 'οδος Ερμού'],
  ] as const)
    assert.deepEqual(raiseExact([candidateOf(passageOf(0, text))], [phrase])[0]?.exact, [phrase])
})

test('exact names match in any case, as whole names, and each adds its share', () => {
  const list = ['see ord-1 now', 'see ORD-12 now', 'ORD-1 and v2.5', 'v2.5.1'].map((text, i) => candidateOf(passageOf(i, text)))
  const raised = raiseExact(list, ['ORD-1', 'v2.5'])
  assert.deepEqual(
    raised.map(({ exact }) => exact),
    [['ORD-1'], [], ['ORD-1', 'v2.5'], []],
  )
  assert.deepEqual(
    raised.map(({ score }) => score),
    [exactBonus / 2, 0, exactBonus, 0],
  )
})

test('date parsing never throws and yields existing days only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.oneof(fc.integer(), fc.double()), (text, at) => {
      for (const term of [...dayTerms(text, at), ...termsOfDay(at)]) assert.match(term, /^[dmy]-?\d+$/)
    }),
  )
  const wednesday = Date.UTC(2024, 2, 6, 12)
  for (const [text, first] of [
    ['we met yesterday', 'd20240305'],
    ['we met the day before yesterday', 'd20240304'],
    ['last Friday', 'd20240301'],
    ['next Friday', 'd20240308'],
    ['two weeks ago', 'd20240221'],
    ['on 2023-12-24', 'd20231224'],
    ['am 24.12.2023', 'd20231224'],
    ['May 5, 2021', 'd20210505'],
    ['the 5th of May', 'd20230505'],
    ['on the 29th', 'd20240229'],
    ['in March 2020', 'm202003'],
    ['last month', 'm202402'],
    ['three years ago', 'y2021'],
    ['in 1999', 'y1999'],
    ['31.02.2024', undefined],
    ['you may go', undefined],
    ['on the march', undefined],
  ] as const) {
    assert.equal(dayTerms(text, wednesday)[0], first, text)
  }
  assert.deepEqual(askedDays('What was on 5 May 2021?', wednesday), ['d20210505', 'm202105'])
  assert.deepEqual(askedDays('What was in 2021?', wednesday), ['y2021'])
})

const ids = (list: readonly Candidate[]): number[] => list.map(({ passage }) => passage.id)
