/** Two hundred guests die at times that nobody chose: while they start, recover, work or wait. Several may die in one turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'
import { assertRecovered } from './aftermath.ts'
import { createDriver, type Driver } from './driver.ts'
import { startJobs } from './jobs.ts'
import { overSeeds } from './side-by-side.ts'
import { scaled } from '../support/scale.ts'

const kills = scaled(200, 6)
const killsInOneWorkspace = scaled(25, 6)
/** Kills fall into this many times what a start, or a job, takes on this machine: every moment of both can be hit, and the next. */
const spread = 1.3
/** Where the machine has become faster since it was measured, a life ends after so many jobs. */
const jobsInOneLife = 7
/** More than so many lives can finish. */
const jobsInOneWorkspace = killsInOneWorkspace * jobsInOneLife + 2

/** One life in peace. @returns how long a guest takes to start and a job to be done, hands started for it. */
async function measure(start: () => TestGuest, driver: Driver): Promise<{ startMs: number; jobMs: number }> {
  const from = performance.now()
  await using guest = start()
  await guest.started
  const ready = performance.now()
  assert.equal(await driver.drive(guest, driver.done + 1), true)
  const done = performance.now()
  assert.equal((await guest.stop()).exitCode, 0)
  return { startMs: ready - from, jobMs: done - ready }
}

/** One workspace, one conversation, many lives. */
async function ordeal(seed: number): Promise<{ jobs: number; unknown: number }> {
  const chance = seededNumbers(seed)
  using workspace = makeWorkspace()
  await using jobs = await startJobs(jobsInOneWorkspace, { pauseMs: 5 })
  jobs.prepare(workspace)
  const driver = createDriver(workspace)
  const { config } = jobs
  const pace = await measure(() => startGuest({ workspace, config }), driver)
  for (let life = 0; life < killsInOneWorkspace; life++) {
    await using guest = startGuest({ workspace, config })
    // Every fourth dies in its first moments, while it starts or recovers.
    const early = chance() < 0.25
    if (!early) await guest.started
    const timer = setTimeout(() => void guest.kill(), chance() * spread * (early ? pace.startMs : pace.jobMs))
    const lives = await driver.drive(guest, driver.done + jobsInOneLife)
    clearTimeout(timer)
    if (lives) await guest.kill()
    await emptied(workspace)
  }
  await using guest = startGuest({ workspace, config })
  assert.equal(await driver.drive(guest, driver.done + 1), true)
  assert.equal((await guest.stop()).exitCode, 0)
  const ends = await assertRecovered(workspace, driver, jobs)
  return { jobs: ends.length, unknown: ends.filter((end) => end === 'unknown').length }
}

test(`${kills} kills at random times lose nothing and repeat nothing`, async (t) => {
  const ended = await overSeeds(t, { count: kills / killsInOneWorkspace, ordeal })
  const sumOf = (part: 'jobs' | 'unknown'): number => ended.reduce((sum, each) => sum + each[part], 0)
  t.diagnostic(`${kills} kills, ${sumOf('jobs')} jobs done, ${sumOf('unknown')} once effects reported as unknown`)
})
