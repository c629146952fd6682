import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Candidate } from '../candidate.ts'
import { dayTerms, termsOfDay } from '../day-terms.ts'
import { candidateOf, entryOf, now } from '../recall-fixture.ts'
import { raiseAskedAbout } from './asked-about.ts'

function turnOf(text: string): Candidate {
  const context = ['pear tree', ...termsOfDay(now), ...dayTerms(text, now)].join(' ')
  return candidateOf({ id: 1, part: 0, start: 0, text, terms: '', context, entry: entryOf(text, 1, now) }, 0.5)
}
/** Those that are raised. */
const raised = (question: string, ...texts: string[]): string[] =>
  raiseAskedAbout(texts.map(turnOf), question).flatMap(({ score, passage }) => (score > 0.5 ? [passage.text] : []))

test('turns of whom a question names are raised, and not those that call them', () => {
  const [tom, ada] = ['Tom: I bought a canoe.', 'Ada Byron: Tom, you bought a canoe!']
  assert.deepEqual(raised('What did Tom buy?', tom, ada), [tom])
  assert.deepEqual(raised("What is in Tom's boat?", tom, ada), [tom])
  assert.deepEqual(raised('what did ada buy?', tom, ada), [ada])
  assert.deepEqual(raised('Do Ada Byron and Tom row?', tom, ada), [tom, ada])
  assert.deepEqual(raised('What did Tomas buy, or Byron?', tom, ada), [])
})

test('what only looks like a speaker is none', () => {
  assert.deepEqual(raised('What does the note say?', 'note: buy milk', 'https://note.example', 'Note:', 'Note that: x'), [])
})

test('asked when, turns that name a day are raised', () => {
  const [dated, bare] = ['We planted it last Friday.', 'We planted it at home.']
  assert.deepEqual(raised('When did we plant the pear tree?', dated, bare), [dated])
  assert.deepEqual(raised('Where did we plant the pear tree?', dated, bare), [])
})

test('nothing is lowered, lost or put in another order, whatever a text or a question says', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), fc.string({ unit: 'binary' }), (texts, question) => {
      const list = texts.map(turnOf)
      const after = raiseAskedAbout(list, question)
      assert.deepEqual(
        after.map(({ passage }) => passage),
        list.map(({ passage }) => passage),
      )
      for (const { score } of after) assert.ok(score >= 0.5 && score <= 0.7)
    }),
  )
})
