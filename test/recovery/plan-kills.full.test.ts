/** A plan whose guest is killed at random points while it is applied goes on where it was, and repeats no effect. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import type { PlanView } from '../../src/services/plans/plan-calls.ts'
import { longSeries, seed } from '../support/scale.ts'

const program = join(import.meta.dirname, 'plan-to-kill.ts')
/** All of them with `OXBOW_TEST_SERIES=long`, which takes hours. `OXBOW_TEST_MINUTES` ends the series earlier, and says how far it came. */
const kills = longSeries(300)
const endsAt = Date.now() + Number(process.env['OXBOW_TEST_MINUTES'] ?? Infinity) * 60_000
const killsOfAPlan = 3
const addressees = ['a', 'b', 'c', 'd', 'e']

/** @param killAfterMs from when it has opened the guest; null: it lives @returns what it printed, and whether it was killed before its end */
function live(folder: string, killAfterMs: number | null): Promise<{ readonly said: string; readonly isKilled: boolean }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let errors = ''
    let timer: NodeJS.Timeout | null = null
    child.stdout.on('data', (chunk) => {
      said += String(chunk)
      if (killAfterMs !== null) timer ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    })
    child.stderr.on('data', (chunk) => (errors += String(chunk)))
    child.on('exit', (code) => {
      if (timer !== null) clearTimeout(timer)
      if (code !== 0 && code !== null) reject(new Error(`it failed with ${code}: ${errors}`))
      else resolve({ said, isKilled: code === null })
    })
  })
}

test(
  `${kills} kills at random points: the plan is applied, its files are whole, and no effect happened twice`,
  { timeout: 14_400_000 },
  async (t) => {
    const seen = { kills: 0, hits: 0, plans: 0, hidden: 0 }
    const next = seededNumbers(seed)
    for (; seen.kills < kills && Date.now() < endsAt; seen.kills += killsOfAPlan) {
      const folder = mkdtempSync(join(tmpdir(), 'oxbow-plan-kills-'))
      try {
        assert.equal((await live(folder, null)).said, 'made\n')
        for (let kill = 0; kill < killsOfAPlan; kill++) if ((await live(folder, next() ** 2 * 2_000)).isKilled) seen.hits += 1
        const { said } = await live(folder, null)
        const plan = JSON.parse(said.split('\n')[1]!) as PlanView
        const effects = existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8').trim().split('\n') : []
        const told = `seed ${seed}: ${JSON.stringify(plan.applied)} ${effects.join(', ')}`
        assert.equal(plan.state, 'applied', told)
        assert.equal(new Set(effects).size, effects.length, told)
        // Only a step whose end a kill has hidden, and that the person has gone on behind, may be missing.
        const hidden = plan.applied!.done.filter(({ status }) => status === 'unknown').length
        const missing = addressees.filter((one) => !effects.includes(one))
        assert.ok(missing.length <= hidden, told)
        seen.plans += 1
        seen.hidden += hidden
        for (let n = 0; n < 20; n++) assert.equal(readFileSync(join(folder, `workspace/shared/f${n}.txt`), 'utf8'), 'new\n', told)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
    t.diagnostic(`${seen.plans} plans, ${seen.kills} kills, ${seen.hits} of them before the end; ${seen.hidden} effects were hidden by one`)
  },
)
