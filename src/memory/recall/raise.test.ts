import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Apart, MemoryEntry } from '../../store/index.ts'
import { termsOf } from '../text/terms.ts'
import { dayTerms, termsOfDay } from './day-terms.ts'
import type { Candidate } from './fuse-lists.ts'
import { lowerUninformative, raiseAskedAbout, raiseSameTalk } from './raise.ts'
import { candidateOf, entryOf, now } from './recall-fixture.ts'
import { fitsFrom } from './recall-limits.ts'

function turnOf(text: string): Candidate {
  const context = ['pear tree', ...termsOfDay(now), ...dayTerms(text, now)].join(' ')
  return candidateOf({ id: 1, part: 0, start: 0, text, terms: '', context, entry: entryOf(text, 1, now) }, 0.5)
}
/** Those that are raised. */
const raised = (question: string, ...texts: string[]): string[] =>
  raiseAskedAbout(texts.map(turnOf), question).flatMap(({ score, passage }) => (score > 0.5 ? [passage.text] : []))

test('turns by a speaker that the question names are raised, turns that address them are not', () => {
  const [tom, ada] = ['Tom: I bought a canoe.', 'Ada Byron: Tom, you bought a canoe!']
  assert.deepEqual(raised('What did Tom buy?', tom, ada), [tom])
  assert.deepEqual(raised("What is in Tom's boat?", tom, ada), [tom])
  assert.deepEqual(raised('what did ada buy?', tom, ada), [ada])
  assert.deepEqual(raised('Do Ada Byron and Tom row?', tom, ada), [tom, ada])
  assert.deepEqual(raised('What did Tomas buy, or Byron?', tom, ada), [])
})

test('text that only resembles a speaker prefix is ignored', () => {
  assert.deepEqual(raised('What does the note say?', 'note: buy milk', 'https://note.example', 'Note:', 'Note that: x'), [])
})

test('turns that name a day are raised if the question asks when', () => {
  const [dated, bare] = ['We planted it last Friday.', 'We planted it at home.']
  assert.deepEqual(raised('When did we plant the pear tree?', dated, bare), [dated])
  assert.deepEqual(raised('Where did we plant the pear tree?', dated, bare), [])
})

test('turns that begin with a deed are raised if the question asks for all that somebody did', () => {
  const deeds = ['By the way, I got a canoe last week.', 'It was a big week. I just signed up for a race.']
  const others = ['It is not easy. It is long. I went home.', 'I was tired of it, and I felt so.', 'You went home.', 'I love canoes.']
  for (const question of ['What have both of us done with boats?', 'What has Tom done for fun?', 'Which races has Tom tried?'])
    assert.deepEqual(raised(question, ...deeds, ...others), deeds, question)
  for (const question of ['What did Tom buy?', 'Which race is it?', 'Where is the canoe?'])
    assert.deepEqual(raised(question, ...deeds, ...others), [], question)
})

test('raising never lowers, drops or reorders candidates, for any text and question', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), fc.string({ unit: 'binary' }), (texts, question) => {
      const list = texts.map(turnOf)
      const after = raiseAskedAbout(list, question)
      assert.deepEqual(
        after.map(({ passage }) => passage),
        list.map(({ passage }) => passage),
      )
      for (const { score } of after) assert.ok(score >= 0.5 && score <= 0.8)
    }),
  )
})

function turnAt(place: number, score: number, facts: Partial<MemoryEntry> = {}): Candidate {
  const entry = { ...entryOf(`turn ${place}`, place, now), ...facts }
  return candidateOf({ id: place, part: 0, start: 0, text: `turn ${place}`, terms: '', context: '', entry }, score)
}

/** As a store would tell it of turns at these places. */
function apartIn(list: readonly Candidate[], most = 4): readonly Apart[] {
  // Each entry by one of its passages.
  const placed = [...new Map(list.map(({ passage }) => [passage.entry.place, passage.id]))].map(([place, id]) => [id, place] as const)
  return placed.flatMap(([earlier, from]) =>
    placed.flatMap(([later, to]): Apart[] => (to > from && to - from <= most ? [[earlier, later, to - from]] : [])),
  )
}

const raise = (list: readonly Candidate[]): Candidate[] => raiseSameTalk(list, apartIn(list))
const scoresOf = (list: readonly Candidate[]): readonly number[] => raise(list).map(({ score }) => Number(score.toFixed(6)))

test('turns two and four places from a good match are raised, the nearer more; direct neighbours and the match itself are not', () => {
  const around = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((place) => turnAt(place, place === 7 ? fitsFrom + 0.5 : 0.1))
  assert.deepEqual(scoresOf(around), [0.15, 0.1, 0.2, 0.1, fitsFrom + 0.5, 0.1, 0.2, 0.1, 0.15, 0.1])
})

test('a poor match raises nothing, and only reported distances count', () => {
  assert.deepEqual(scoresOf([turnAt(1, fitsFrom), turnAt(3, 0.2)]), [fitsFrom, 0.2])
  assert.deepEqual(raiseSameTalk([turnAt(1, 0.9), turnAt(3, 0.2)], []), [turnAt(1, 0.9), turnAt(3, 0.2)])
})

test('notes and document sections do not raise each other', () => {
  for (const kind of ['note', 'document'] as const) {
    assert.deepEqual(scoresOf([turnAt(1, 0.9), turnAt(3, 0.2, { kind })]), [0.9, 0.2], `a ${kind} is raised`)
    assert.deepEqual(scoresOf([turnAt(1, 0.9, { kind }), turnAt(3, 0.2)]), [0.9, 0.2], `a ${kind} raises`)
  }
})

test('the best passage of a long turn counts, and all its passages are raised', () => {
  const second = turnAt(1, 0.5)
  const long = [turnAt(1, 0.9), { ...second, passage: { ...second.passage, id: 100, part: 1 } }]
  assert.deepEqual(scoresOf([...long, turnAt(3, 0.6)]), [0.94, 0.54, 0.7])
})

test('no score falls, no candidate is lost, and order does not matter', () => {
  const turn = fc.record({ place: fc.integer({ min: 0, max: 12 }), score: fc.double({ min: 0, max: 3, noNaN: true }) })
  fc.assert(
    fc.property(fc.uniqueArray(turn, { selector: ({ place }) => place }), (given) => {
      const list = given.map(({ place, score }) => turnAt(place, score))
      const after = raise(list)
      assert.deepEqual(
        after.map(({ passage }) => passage),
        list.map(({ passage }) => passage),
      )
      for (const [i, { score }] of after.entries()) assert.ok(score >= list[i]!.score)
      const back = raise(list.toReversed()).toReversed()
      for (const [i, { score }] of back.entries()) assert.ok(Math.abs(score - after[i]!.score) < 1e-9)
    }),
  )
})

function questionTurn(text: string, kind: 'message' | 'note' = 'message', score = 0.5): Candidate {
  const entry = { ...entryOf(text, 1, now), kind }
  return candidateOf({ id: 1, part: 0, start: 0, text, terms: termsOf(text).join(' '), context: '', entry }, score)
}

const scoreOf = (text: string, kind?: 'message' | 'note'): number => lowerUninformative([questionTurn(text, kind)])[0]?.score ?? -1
const long = 'We fired the blue bowl in the big kiln behind the old mill near Leeds yesterday evening.'

test('statements keep their score, questions lose, and mixed turns lose by the part that asks', () => {
  assert.equal(scoreOf(long), 0.5)
  const [asked, both] = [scoreOf(long.replace('.', '?')), scoreOf(`${long} What did you do?`)]
  assert.ok(asked < both && both < 0.5, `${asked} ${both}`)
  assert.ok(scoreOf(`${long}？`) < 0.5)
  assert.ok(scoreOf(`“${long.replace('.', '?')}”`) < 0.5)
})

test('a turn with few telling words is lowered, one without any the most', () => {
  const [some, none] = [scoreOf('Ada: Wow, pottery!'), scoreOf('And so it is.')]
  assert.ok(none < some && some < 0.5, `${none} ${some}`)
})

test('short notes and documents are not lowered', () => {
  for (const text of ['Ask Ada?', 'tea', long]) assert.equal(scoreOf(text, 'note'), 0.5)
})

test('no score falls below 0 or rises, and no candidate is lost, for any text', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.double({ min: 0, max: 3, noNaN: true }))), (given) => {
      const list = given.map(([text, score]) => questionTurn(`${text}?`, 'message', score))
      const after = lowerUninformative(list)
      assert.deepEqual(
        after.map(({ passage }) => passage),
        list.map(({ passage }) => passage),
      )
      for (const [i, { score }] of after.entries()) assert.ok(score >= 0 && score <= (list[i]?.score ?? -1))
    }),
  )
})
