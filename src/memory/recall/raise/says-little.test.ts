import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { termsOf } from '../../text/terms.ts'
import type { Candidate } from '../candidate.ts'
import { candidateOf, entryOf, now } from '../recall-fixture.ts'
import { lowerSayingLittle } from './says-little.ts'

function turnOf(text: string, kind: 'message' | 'note' = 'message', score = 0.5): Candidate {
  const entry = { ...entryOf(text, 1, now), kind }
  return candidateOf({ id: 1, part: 0, start: 0, text, terms: termsOf(text).join(' '), context: '', entry }, score)
}

const scoreOf = (text: string, kind?: 'message' | 'note'): number => lowerSayingLittle([turnOf(text, kind)])[0]?.score ?? -1
const long = 'We fired the blue bowl in the big kiln behind the old mill near Leeds yesterday evening.'

test('a turn that tells something stays, one that asks falls, and one that does both falls by the part that asks', () => {
  assert.equal(scoreOf(long), 0.5)
  const [asked, both] = [scoreOf(long.replace('.', '?')), scoreOf(`${long} What did you do?`)]
  assert.ok(asked < both && both < 0.5, `${asked} ${both}`)
  assert.ok(scoreOf(`${long}？`) < 0.5)
  assert.ok(scoreOf(`“${long.replace('.', '?')}”`) < 0.5)
})

test('a turn with few words that tell something falls, and one without any the most', () => {
  const [some, none] = [scoreOf('Ada: Wow, pottery!'), scoreOf('And so it is.')]
  assert.ok(none < some && some < 0.5, `${none} ${some}`)
})

test('what is no turn is short for a reason', () => {
  for (const text of ['Ask Ada?', 'tea', long]) assert.equal(scoreOf(text, 'note'), 0.5)
})

test('no score falls below 0 or rises, and none is lost, whatever a text says', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.double({ min: 0, max: 3, noNaN: true }))), (given) => {
      const list = given.map(([text, score]) => turnOf(`${text}?`, 'message', score))
      const after = lowerSayingLittle(list)
      assert.deepEqual(
        after.map(({ passage }) => passage),
        list.map(({ passage }) => passage),
      )
      for (const [i, { score }] of after.entries()) assert.ok(score >= 0 && score <= (list[i]?.score ?? -1))
    }),
  )
})
