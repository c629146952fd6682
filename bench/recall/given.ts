/** What turns are given of memory, and what turns that need nothing are. */
import type { Measure } from '../measure.ts'
import { development } from './turns/development.ts'
import { fresh } from './turns/fresh.ts'
import { heldOut } from './turns/held-out.ts'
import { pastLives, pastWork } from './turns/past-talks.ts'
import { scoreTurns } from './turns/score-turns.ts'
import { type Row, shown } from '../report.ts'

const passages = 2_000

export const given: Measure = {
  name: 'given',
  title: 'What turns are given of memory',
  how: `Twenty facts, each told in a session of its own, and questions, tasks and chores in others: three sets, of which the gate was chosen by the first, looked at twice with the second, and never with the third, which another author wrote. Alone, and behind ${passages} passages of work with an assistant or of other lives. How many turns were given something, and how many of them the fact that answers.`,
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
        for (const { what, turns, given: some, answered, memories } of await scoreTurns(set, talks))
          rows.push(
            shown(
              `${past}, ${half}: ${what}`,
              `${some} of ${turns}`,
              what === 'chores' ? `${memories} memories` : `${answered} have the fact; ${memories} memories`,
            ),
          )
      }
    }
    return rows
  },
}
