/** A guest dies before and after every write of a turn; the next one finishes the turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startGuest } from '../support/guest-process.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'
import { assertRecovered } from './aftermath.ts'
import { createDriver } from './driver.ts'
import { sideBySide } from './side-by-side.ts'
import { startJobs } from './jobs.ts'

const faultyGuest = fileURLToPath(new URL('./faulty-guest.ts', import.meta.url))

/** More writes than any turn makes: reaching it means that the fault is never hit, and the test proves nothing. */
const tooMany = 100

/** One job over two lives. @returns whether the first life died, and how the `once` effect ended. */
async function dieAt(side: 'before' | 'after', place: number, shell: 'allow' | 'ask'): Promise<{ died: boolean; once: string }> {
  using workspace = makeWorkspace()
  await using jobs = await startJobs(1, { shell })
  jobs.prepare(workspace)
  const driver = createDriver(workspace)
  const { config } = jobs
  let died = false
  {
    await using faulty = startGuest({ workspace, config, entry: faultyGuest, args: [`${side}:${place}`] })
    died = !(await driver.drive(faulty, 1))
  }
  await emptied(workspace)
  await using guest = startGuest({ workspace, config })
  assert.equal(await driver.drive(guest, 1), true)
  const { exitCode, stderr } = await guest.stop()
  assert.equal(exitCode, 0, stderr)
  const [once = ''] = await assertRecovered(workspace, driver, jobs)
  return { died, once }
}

for (const shell of ['allow', 'ask'] as const) {
  test(`a turn finishes whatever write its guest dies before or after, when commands are ${shell === 'ask' ? 'approved by a person' : 'allowed'}`, async (t) => {
    const ends: Record<string, number> = {}
    for (const side of ['before', 'after'] as const) {
      let next = 1
      let over = false
      let deaths = 0
      await sideBySide(async () => {
        if (over) return false
        const place = next++
        assert.ok(place < tooMany)
        const { died, once } = await dieAt(side, place, shell).catch((error: unknown) => {
          throw new Error(`${side} write ${place}`, { cause: error })
        })
        if (died) deaths += 1
        else over = true
        ends[once] = (ends[once] ?? 0) + 1
        return true
      })
      t.diagnostic(`${deaths} deaths ${side} a write`)
      assert.ok(deaths >= 15, 'a turn with three tool calls has at least 15 writes')
    }
    t.diagnostic(`the once effect: ${JSON.stringify(ends)}`)
    assert.ok((ends['ran'] ?? 0) > 0 && (ends['unknown'] ?? 0) > 0, 'both ends were seen')
  })
}
