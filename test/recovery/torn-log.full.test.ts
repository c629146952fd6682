/** The last thing that a dying machine wrote is half there: what was whole before it counts, and work goes on from it. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { test } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { emptied, makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { assertRecovered } from './aftermath.ts'
import { createDriver } from './driver.ts'
import { startJobs, type Jobs } from './jobs.ts'

/** A job is done and the guest killed, so that its records stand in SQLite's log and not in the database. */
async function doneAndKilled(workspace: TestWorkspace, jobs: Jobs): Promise<{ session: string; turns: readonly string[] }> {
  jobs.prepare(workspace)
  const driver = createDriver(workspace)
  await using guest = startGuest({ workspace, config: jobs.config })
  assert.equal(await driver.drive(guest, 1), true)
  await guest.kill()
  await emptied(workspace)
  return { session: driver.session, turns: driver.turns }
}

const logOf = (workspace: TestWorkspace): string => `${workspace.database}-wal`

/** SQLite's log: a header of 32 bytes, then frames of 24 bytes and a page. */
const frameBytes = 24 + 4096

test('a record that was being written when the machine died is missing, and all before it are present', async () => {
  using workspace = makeWorkspace()
  await using jobs = await startJobs(2)
  const begun = await doneAndKilled(workspace, jobs)
  const before = await readLedger(workspace)
  const log = readFileSync(logOf(workspace))
  // Half of a frame that looks like the last one.
  appendFileSync(logOf(workspace), log.subarray(-frameBytes).subarray(0, frameBytes / 2))
  const driver = createDriver(workspace, begun)
  await using guest = startGuest({ workspace, config: jobs.config })
  assert.equal(await driver.drive(guest, 2), true)
  await guest.stop()
  assert.deepEqual(await assertRecovered(workspace, driver, jobs), ['ran', 'ran'])
  const after = await readLedger(workspace)
  assert.deepEqual(after.entries.slice(0, before.entries.length), before.entries)
})

for (const { what, bytes } of [
  { what: 'one byte', bytes: 1 },
  { what: 'a whole frame', bytes: frameBytes },
  { what: 'several writes', bytes: 4 * frameBytes + 100 },
]) {
  test(`when the end of the log is lost (${what}), the turn resumes from what is left`, async () => {
    using workspace = makeWorkspace()
    await using jobs = await startJobs(2)
    const begun = await doneAndKilled(workspace, jobs)
    const before = await readLedger(workspace)
    truncateSync(logOf(workspace), statSync(logOf(workspace)).size - bytes)
    const driver = createDriver(workspace, begun)
    await using guest = startGuest({ workspace, config: jobs.config })
    assert.equal(await driver.drive(guest, 2), true)
    await guest.stop()
    await assertRecovered(workspace, driver, jobs)
    const after = await readLedger(workspace)
    const kept = after.entries.findIndex((entry, i) => entry.at !== before.entries[i]?.at)
    assert.ok(kept > 0 && kept < before.entries.length, 'something was lost, and not everything')
  })
}
