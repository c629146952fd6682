/** The daemon is killed at random points: no guest is left alone, and none is there twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { scaled, seed } from '../support/scale.ts'
import { patienceMs } from '../support/patience.ts'
import { ended, openDaemonHome, until } from './daemon-fixture.ts'

test('a daemon that is killed at any point leaves no guest alone and none twice, and the next one has it again', async () => {
  await using home = openDaemonHome()
  const first = await home.daemon()
  assert.equal((await home.oxbow('start')).exit, 0)
  await ended(first, 'SIGKILL')
  /** When each was seen first: how many are putting their work away at the same time depends on the machine, but each ends. */
  const seen = new Map<number, number>()
  for (const [round, ms] of fc.sample(fc.integer({ min: 0, max: 700 }), { numRuns: scaled(200, 20), seed }).entries()) {
    const child = home.begin()
    await sleep(ms)
    await ended(child, 'SIGKILL')
    for (const pid of home.guests()) {
      const since = seen.get(pid) ?? performance.now()
      seen.set(pid, since)
      assert.ok(performance.now() - since < patienceMs, `process ${pid} goes on, round ${round}, killed after ${ms} ms; seed ${seed}`)
    }
  }
  // Guests end with it: within the time in which they put away what they do.
  await until(() => home.guests().length === 0)
  await home.daemon()
  await until(async () => {
    const { output } = await home.ask('status')
    return (output as unknown as { users: { state: string }[] }).users[0]?.state === 'running'
  })
  assert.equal(home.guests().length, 1)
  // The first head of a journal is signed a moment after its first record.
  await until(async () => /The journal verifies/.test((await home.oxbow('audit', 'verify')).text))
})
