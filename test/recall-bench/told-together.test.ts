/** What turns are given of what was told in one session, by recall itself. `told-together.full.test.ts` has the same through a guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scoreTurns, sumOf, type TurnScore } from '../../bench/recall/turns/score-turns.ts'
import { answered, manyLivesTogether, outsideTogether } from '../../bench/recall/turns/told-together.ts'

/** Least answered, and most of the turns that need nothing that are given something. */
const sets = [
  { name: 'many lives, tune', of: () => [manyLivesTogether('tune')], direct: 30, reworded: 20, idle: 4 },
  { name: 'many lives, held out', of: () => [manyLivesTogether('held out')], direct: 29, reworded: 13, idle: 5 },
  { name: 'another author', of: outsideTogether, direct: 40, reworded: 26, idle: 1 },
] as const

for (const { name, of, direct, reworded, idle } of sets) {
  test(`turns are given what was told in one session (${name})`, async (t) => {
    const scores = sumOf(await Promise.all(of().map(({ said, asked }) => scoreTurns({ told: [], asked }, [answered(said)]))))
    t.diagnostic(JSON.stringify(scores.filter(({ turns }) => turns > 0)))
    const score = (what: TurnScore['what']): TurnScore => scores.find((each) => each.what === what)!
    assert.ok(score('direct').answered >= direct)
    assert.ok(score('reworded').answered >= reworded)
    assert.ok(score('chores').given <= idle)
  })
}
