/** What turns of three people are given, by recall itself. `people.full.test.ts` has the same through a guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askedOfPerson, needsNothing, scoreTurns, sumOf, type TurnScore } from '../../bench/recall/turns/score-turns.ts'
import { people } from './people/people.ts'
import type { Half } from './people/person.ts'

/** Least answered of 33 direct and 33 reworded questions and 24 tasks, and most of 108 turns that need nothing that are given something. */
const bounds: Readonly<Record<Half, { direct: number; reworded: number; tasks: number; given: number }>> = {
  tune: { direct: 33, reworded: 26, tasks: 12, given: 3 },
  'held out': { direct: 33, reworded: 22, tasks: 14, given: 3 },
}

for (const half of ['tune', 'held out'] as const) {
  test(`turns of three people are given what they need (${half})`, async (t) => {
    const scores = sumOf(await Promise.all(people.map((person) => scoreTurns(askedOfPerson(person, half), []))))
    t.diagnostic(JSON.stringify(scores))
    const answered = (what: TurnScore['what']): number => scores.find((each) => each.what === what)!.answered
    for (const what of ['direct', 'reworded', 'tasks'] as const) assert.ok(answered(what) >= bounds[half][what], what)
    const idle = scores.filter(({ what }) => needsNothing(what))
    assert.equal(
      idle.reduce((sum, { turns }) => sum + turns, 0),
      108,
    )
    assert.ok(idle.reduce((sum, { given }) => sum + given, 0) <= bounds[half].given)
  })
}
