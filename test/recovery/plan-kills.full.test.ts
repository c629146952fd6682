/** A plan whose guest is killed at random points while it is applied goes on where it was, and repeats no effect. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import type { PlanView } from '../../src/services/plans/plan-calls.ts'
import { scaled, seed } from '../support/scale.ts'

const program = join(import.meta.dirname, 'plan-to-kill.ts')
const kills = scaled(300, 6)
const killsOfAPlan = 3
const addressees = ['a', 'b', 'c', 'd', 'e']

/** @param killAfterMs from when it has opened the guest; null: it lives @returns what it printed */
function live(folder: string, killAfterMs: number | null): Promise<string> {
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
      else resolve(said)
    })
  })
}

test(
  `${kills} kills at random points: the plan is applied, its files are whole, and no effect happened twice`,
  { timeout: 3_600_000 },
  async () => {
    const next = seededNumbers(seed)
    for (let done = 0; done < kills; done += killsOfAPlan) {
      const folder = mkdtempSync(join(tmpdir(), 'oxbow-plan-kills-'))
      try {
        assert.equal(await live(folder, null), 'made\n')
        for (let kill = 0; kill < killsOfAPlan; kill++) await live(folder, next() ** 2 * 2_000)
        const said = await live(folder, null)
        const plan = JSON.parse(said.split('\n')[1]!) as PlanView
        const effects = existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8').trim().split('\n') : []
        const told = `seed ${seed}: ${JSON.stringify(plan.applied)} ${effects.join(', ')}`
        assert.equal(plan.state, 'applied', told)
        assert.equal(new Set(effects).size, effects.length, told)
        // Only a step whose end a kill has hidden, and that the person has gone on behind, may be missing.
        const hidden = plan.applied!.done.filter(({ status }) => status === 'unknown').length
        const missing = addressees.filter((one) => !effects.includes(one))
        assert.ok(missing.length <= hidden, told)
        for (let n = 0; n < 20; n++) assert.equal(readFileSync(join(folder, `workspace/shared/f${n}.txt`), 'utf8'), 'new\n', told)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  },
)
