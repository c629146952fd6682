/** Turns of a real guest that change a project of the person by commands of a real shell, undone one by one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longSeries } from '../support/scale.ts'
import { playTurns } from './real-series.ts'

const turnsOfAGuest = 120

test('an undo brings back every file, link and mode that a turn of commands changed, and its undo what the turn did', async () => {
  const seeds = longSeries(8)
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { changed, conflicts, refused } = await playTurns(seed, turnsOfAGuest)
    console.error(`seed ${seed}: ${changed} turns changed files, ${conflicts} files were left, ${refused} undos were refused`)
    assert.ok(changed > turnsOfAGuest / 3)
    assert.ok(conflicts + refused < changed / 4)
  }
})
