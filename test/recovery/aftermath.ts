/** What must be true of a workspace when the guest is gone for good and all jobs are done. */
import assert from 'node:assert/strict'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { emptied, type TestWorkspace } from '../support/workspace.ts'
import type { Driver } from './driver.ts'
import { assertJobDone, assertToldOnce, type Jobs } from './jobs.ts'

/** @returns how the `once` effect of each job ended. */
export async function assertRecovered(workspace: TestWorkspace, driver: Driver, jobs: Jobs): Promise<readonly ('ran' | 'unknown')[]> {
  await emptied(workspace)
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  assertToldOnce(jobs.lastRequest(), driver.done)
  // The bytes of exchanges are in the journal and not for terminals.
  const ofSession = ledger.entries.filter((entry) => entry.session === driver.session && entry.phase !== 'exchange')
  assert.deepEqual(
    driver.seen,
    ofSession.filter((entry) => entry.seq <= (driver.seen.at(-1)?.seq ?? 0)),
    'a terminal that came back with its cursor has missed nothing',
  )
  return driver.turns.slice(0, driver.done).map((turn, job) => assertJobDone(job, turn, ledger, workspace))
}
