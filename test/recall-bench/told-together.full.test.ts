/** What was told in one session stands in the first requests of others: sixty facts of many lives, and forty by another author, through a guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manyLivesTogether, outsideTogether } from '../../bench/recall/turns/told-together.ts'
import { type FrontDoor, openFrontDoor } from '../memory/front-door.ts'
import { recallsOf } from '../memory/turn-figures.ts'

const kinds = ['direct', 'reworded', 'chores'] as const
type Figures = Record<(typeof kinds)[number], { asked: number; given: number; answered: number; characters: number }> & { late: number }

/** As docs/recall.md has them. */
const sets = [
  { name: 'many lives, tune', of: () => [manyLivesTogether('tune')], direct: 29, reworded: 19, idle: 5 },
  { name: 'many lives, held out', of: () => [manyLivesTogether('held out')], direct: 28, reworded: 12, idle: 6 },
  { name: 'another author', of: outsideTogether, direct: 38, reworded: 25, idle: 2 },
] as const

async function measure({ said, asked }: ReturnType<typeof manyLivesTogether>, door: FrontDoor, into: Figures): Promise<void> {
  await door.talk(said)
  await door.indexed()
  const before = (await recallsOf(door)).late
  for (const what of kinds) {
    for (const [text, answer] of asked[what]) {
      const shown = await door.say(text)
      into[what].asked += 1
      into[what].characters += shown.length
      if (shown !== '') into[what].given += 1
      if (answer !== '' && shown.includes(answer)) into[what].answered += 1
    }
  }
  into.late += (await recallsOf(door)).late - before
}

for (const { name, of, direct, reworded, idle } of sets) {
  test(`the first requests have what was told in another session (${name})`, async (t) => {
    const none = () => ({ asked: 0, given: 0, answered: 0, characters: 0 })
    const figures: Figures = { direct: none(), reworded: none(), chores: none(), late: 0 }
    for (const each of of()) {
      await using door = await openFrontDoor()
      await measure(each, door, figures)
    }
    t.diagnostic(JSON.stringify(figures))
    // On a machine that does much else a search may be late: then it is counted.
    assert.ok(figures.direct.answered + figures.late >= direct)
    assert.ok(figures.reworded.answered + figures.late >= reworded)
    assert.ok(figures.chores.given <= idle)
  })
}
