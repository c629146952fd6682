/** What the first requests of three people's turns have, through a guest: the held-out half of test/recall-bench/people. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askedOfPerson, type AskedTurns, needsNothing, type TurnScore } from '../../bench/recall/turns/score-turns.ts'
import { type FrontDoor, openFrontDoor } from '../memory/front-door.ts'
import { recallsOf } from '../memory/turn-figures.ts'
import { people } from './people/people.ts'

const kinds = ['direct', 'reworded', 'tasks', 'chores', 'anybody'] as const satisfies readonly TurnScore['what'][]
type Figures = Record<(typeof kinds)[number], { asked: number; given: number; answered: number }> & { late: number }

async function measure({ told, asked }: AskedTurns, door: FrontDoor, into: Figures): Promise<void> {
  for (const each of told) await door.say(each)
  await door.indexed()
  const before = (await recallsOf(door)).late
  for (const what of kinds) {
    for (const [text, answer] of asked[what]) {
      const shown = await door.say(text)
      into[what].asked += 1
      if (shown !== '') into[what].given += 1
      if (answer !== '' && shown.includes(answer)) into[what].answered += 1
    }
  }
  into.late += (await recallsOf(door)).late - before
}

test('the first requests of three people have what docs/recall.md says', async (t) => {
  const none = () => ({ asked: 0, given: 0, answered: 0 })
  const figures: Figures = { direct: none(), reworded: none(), tasks: none(), chores: none(), anybody: none(), late: 0 }
  for (const person of people) {
    await using door = await openFrontDoor()
    await measure(askedOfPerson(person, 'held out'), door, figures)
  }
  t.diagnostic(JSON.stringify(figures))
  const { direct, reworded, tasks, late } = figures
  // On a machine that does much else a search may be late: then it is counted.
  assert.ok(direct.answered + late >= 32)
  assert.ok(reworded.answered + late >= 21)
  assert.ok(tasks.answered + late >= 13)
  const idle = kinds.filter(needsNothing).map((what) => figures[what])
  assert.ok(idle.reduce((sum, { given }) => sum + given, 0) <= 3)
})
