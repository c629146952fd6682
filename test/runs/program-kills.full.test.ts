/**
 * A guest that is killed at random while a script makes calls: the run goes on in the next one, and no effect happens twice. The real
 * program, with everything that it started killed at once.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { killable } from '../support/killable.ts'
import { scaled } from '../support/scale.ts'

const kills = scaled(20)
const steps = 40

const manifest = `[program]
name = "steps"
version = "1.0.0"
description = "Writes a line for each step."

[rights]
calls = [{ call = "shell.exec", input = { command = "echo * >> log.txt" } }]
`

const script = `export default () => {
  const unknown = []
  for (let step = 1; step <= ${steps}; step++)
    try {
      oxbow.call('shell.exec', { command: 'echo ' + step + ' >> log.txt' })
    } catch (error) {
      if (error.code !== 'outcome_unknown' && error.code !== 'cancelled') throw error
      unknown.push(step)
    }
  return unknown
}`

interface Run {
  readonly id: string
  readonly status: string
  readonly result: readonly number[]
  readonly failure: unknown
}

void test(`after ${kills} kills a script has taken each step once, or knows which it cannot tell`, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  const folder = join(home, 'programs', 'steps')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(home, 'config.toml'),
    '[memory]\nembedder = "none"\n[agent]\nrights = ["operator"]\n[approval]\nprivileged = "allow"\n[flow]\nirreversible = "allow"\n',
  )
  writeFileSync(join(folder, 'program.toml'), manifest)
  writeFileSync(join(folder, 'SKILL.md'), 'Takes steps.')
  writeFileSync(join(folder, 'main.js'), script)
  const { serve, die, oxbow } = killable(home)
  const chance = seededNumbers(7)
  let guest = await serve()
  try {
    const started = await oxbow('program', 'run', 'steps', '--background')
    const id = /[0-9a-f]{8}-[0-9a-f-]+/.exec(started)?.[0]
    assert.ok(id !== undefined, started)
    let run: Run | undefined
    for (let kill = 0; kill < kills; kill++) {
      await sleep(chance() * 400)
      await die(guest)
      guest = await serve()
    }
    for (let left = 120; left > 0; left--) {
      run = JSON.parse(await oxbow('program', 'show', id, '--json')) as Run
      if (run.status !== 'running') break
      await sleep(500)
    }
    assert.equal(run?.status, 'success', JSON.stringify(run))
    const [user = ''] = readdirSync(join(home, 'users'))
    const lines = readFileSync(join(home, 'users', user, 'shared', 'log.txt'), 'utf8')
      .trim()
      .split('\n')
      .map(Number)
    assert.equal(new Set(lines).size, lines.length, `a step was taken twice: ${lines.join(' ')}`)
    const missing = Array.from({ length: steps }, (_, i) => i + 1).filter((step) => !lines.includes(step))
    for (const step of missing) assert.ok(run.result.includes(step), `step ${step} was not taken, and the script does not know that`)
    t.diagnostic(`${kills} kills; ${lines.length} steps taken, ${run.result.length} that nobody can tell about`)
  } finally {
    await die(guest)
    rmSync(home, { recursive: true, force: true })
  }
})
