/** What turns are given of memory, and what turns that need nothing are. */
import type { Measure } from '../measure.ts'
import { development } from './turns/development.ts'
import { fresh } from './turns/fresh.ts'
import { heldOut } from './turns/held-out.ts'
import { pastLives, pastWork } from './turns/past-talks.ts'
import { people } from '../../test/recall-bench/people/people.ts'
import { askedOf, askedOfPerson, scoreTurns, needsNothing, sumOf, type TurnScore } from './turns/score-turns.ts'
import { type Row, shown } from '../report.ts'

const passages = 2_000

export const given: Measure = {
  name: 'given',
  title: 'What turns are given of memory',
  how: `Twenty facts, each told in a session of its own, and questions, tasks and chores in others: three sets: the gate was chosen with the first, checked twice with the second, and never with the third, which another author wrote. And three people with 22 facts each, every second of their messages held out; "anybody" asks about a fact's subject without needing the fact. Alone, and behind ${passages} passages of work with an assistant or of other lives. How many turns were given something, and how many of them the fact that answers.`,
  async run() {
    const rows: Row[] = []
    for (const [past, talks] of [
      ['facts alone', []],
      ['work', pastWork(passages)],
      ['other lives', pastLives(passages)],
    ] as const) {
      for (const [half, set] of [
        ['development', development],
        ['held out', heldOut],
        ['fresh', fresh],
      ] as const) {
        rows.push(...rowsOf(`${past}, ${half}`, await scoreTurns(askedOf(set), talks)))
      }
      for (const which of ['tune', 'held out'] as const) {
        const scores = await Promise.all(people.map((person) => scoreTurns(askedOfPerson(person, which), talks)))
        rows.push(...rowsOf(`${past}, three people, ${which}`, sumOf(scores)))
      }
    }
    return rows
  },
}

function rowsOf(where: string, scores: readonly TurnScore[]): readonly Row[] {
  return scores
    .filter(({ turns }) => turns > 0)
    .map(({ what, turns, given: some, answered, memories }) =>
      shown(
        `${where}: ${what}`,
        `${some} of ${turns}`,
        needsNothing(what) ? `${memories} memories` : `${answered} have the fact; ${memories} memories`,
      ),
    )
}
