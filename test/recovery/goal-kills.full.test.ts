/** A goal whose guest is killed at random points goes on where it was, and repeats no effect. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import type { GoalView } from '../../src/services/goals/goal-view.ts'
import { scaled, seed } from '../support/scale.ts'

const program = join(import.meta.dirname, 'goal-to-kill.ts')
const kills = scaled(60, 6)
const killsOfAGoal = 6

/** @returns what it printed; '' where it was killed before */
function live(folder: string, killAfterMs: number, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let errors = ''
    child.stdout.on('data', (chunk) => (said += String(chunk)))
    child.stderr.on('data', (chunk) => (errors += String(chunk)))
    const timer = setTimeout(() => child.kill(signal), killAfterMs)
    child.on('exit', (code) => {
      clearTimeout(timer)
      if (code !== 0 && code !== null) reject(new Error(`it failed with ${code}: ${errors}`))
      else resolve(said)
    })
  })
}

test(
  `${kills} kills at random points: the goal ends, its files are whole, and no effect happened twice`,
  { timeout: 900_000 },
  async () => {
    const next = seededNumbers(seed)
    for (let done = 0; done < kills; done += killsOfAGoal) {
      const folder = mkdtempSync(join(tmpdir(), 'oxbow-goal-kills-'))
      try {
        let said = ''
        for (let kill = 0; kill < killsOfAGoal && said === ''; kill++) said = await live(folder, 400 + next() * 3_000)
        if (said === '') said = await live(folder, 200_000, 'SIGTERM')
        const goal = JSON.parse(said) as GoalView
        const effects = existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8').trim().split('\n') : []
        const told = `seed ${seed}: ${JSON.stringify(goal.end)} ${effects.join(', ')}`
        assert.equal(goal.status, 'reached', told)
        assert.deepEqual(
          goal.rounds.map(({ answers }) => answers),
          [['yes']],
          told,
        )
        assert.equal(goal.generations.at(-1)!.review?.judges.length, 3, told)
        assert.equal(new Set(effects).size, effects.length, told)
        for (const part of ['one', 'two', 'three'])
          assert.equal(readFileSync(join(folder, 'workspace', 'shared', part), 'utf8'), part, told)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  },
)
