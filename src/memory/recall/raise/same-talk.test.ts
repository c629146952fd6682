import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Apart, MemoryEntry } from '../../../store/index.ts'
import type { Candidate } from '../candidate.ts'
import { candidateOf, entryOf, now } from '../recall-fixture.ts'
import { fitsFrom } from '../recall-limits.ts'
import { raiseSameTalk } from './same-talk.ts'

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

test('turns two and four away from one that fits are raised, the nearer ones more; its neighbours and it itself are not', () => {
  const around = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((place) => turnAt(place, place === 7 ? fitsFrom + 0.5 : 0.1))
  assert.deepEqual(scoresOf(around), [0.15, 0.1, 0.2, 0.1, fitsFrom + 0.5, 0.1, 0.2, 0.1, 0.15, 0.1])
})

test('a turn that does not fit raises nothing, and nothing is near where nobody says so', () => {
  assert.deepEqual(scoresOf([turnAt(1, fitsFrom), turnAt(3, 0.2)]), [fitsFrom, 0.2])
  assert.deepEqual(raiseSameTalk([turnAt(1, 0.9), turnAt(3, 0.2)], []), [turnAt(1, 0.9), turnAt(3, 0.2)])
})

test('notes and sections of documents are no talk', () => {
  for (const kind of ['note', 'document'] as const) {
    assert.deepEqual(scoresOf([turnAt(1, 0.9), turnAt(3, 0.2, { kind })]), [0.9, 0.2], `a ${kind} is raised`)
    assert.deepEqual(scoresOf([turnAt(1, 0.9, { kind }), turnAt(3, 0.2)]), [0.9, 0.2], `a ${kind} raises`)
  }
})

test('of a long turn in several passages the best one counts, and each of them is raised', () => {
  const second = turnAt(1, 0.5)
  const long = [turnAt(1, 0.9), { ...second, passage: { ...second.passage, id: 100, part: 1 } }]
  assert.deepEqual(scoresOf([...long, turnAt(3, 0.6)]), [0.94, 0.54, 0.7])
})

test('no score falls, none is lost, and what raises is what was given, in whatever order', () => {
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
