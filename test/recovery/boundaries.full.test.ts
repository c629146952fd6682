/** A guest dies before and after every write of a turn; the next one finishes the turn. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { emptied, makeWorkspace } from '../support/workspace.ts'
import { assertRecovered } from './aftermath.ts'
import { createDriver } from './driver.ts'
import { sideBySide } from './side-by-side.ts'
import { startJobs } from './jobs.ts'
import { isFull, scaled, seed } from '../support/scale.ts'
import { builtFile } from '../support/built.ts'

const faultyGuest = builtFile(new URL('./faulty-guest.ts', import.meta.url))

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
    await using faulty = startGuest({
      workspace,
      config,
      entry: faultyGuest,
      args: [shell === 'ask' ? `${side}:${place}:parked` : `${side}:${place}`],
    })
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

/** The quick tests die at every eighth place, from one that the seed says; the neighbours of a place leave much the same behind. */
const stride = scaled(1, 8)

/** The places on one side of a write, until a life is long enough to end its turn. @returns how often each end was seen. */
async function dieEverywhere(t: TestContext, side: 'before' | 'after', shell: 'allow' | 'ask'): Promise<Readonly<Record<string, number>>> {
  const seen: Record<string, number> = { died: 0, ran: 0, unknown: 0 }
  const first = 1 + (seed % Math.min(stride, fewest[shell]))
  t.diagnostic(`places from ${first}, every ${stride}`)
  let next = first
  let over = false
  await sideBySide(async () => {
    if (over) return false
    const place = next
    next += stride
    assert.ok(place < tooMany)
    const { died, once } = await dieAt(side, place, shell).catch((error: unknown) => {
      throw new Error(`${side} write ${place}`, { cause: error })
    })
    if (died) seen['died'] = (seen['died'] ?? 0) + 1
    else over = true
    seen[once] = (seen[once] ?? 0) + 1
    return true
  })
  assert.ok((seen['died'] ?? 0) >= Math.floor((fewest[shell] - first) / stride) + 1, 'a turn with three tool calls has more writes')
  return seen
}

/** Fewer writes than the intents and outcomes of a whole turn; of one from the question to a person on. */
const fewest = { allow: 15, ask: 6 }

// What a death before a write leaves behind is what one after the write before it left, but for what was on its way.
for (const side of isFull ? (['before', 'after'] as const) : (['after'] as const)) {
  test(`a turn finishes whatever write its guest dies ${side}`, async (t) => {
    const seen = await dieEverywhere(t, side, 'allow')
    t.diagnostic(JSON.stringify(seen))
    assert.ok(seen['ran']! > 0, 'the once effect was seen to run')
    if (isFull) assert.ok(seen['unknown']! > 0, 'and to end unknown')
  })
}

test('a turn in which a person approves a call finishes whatever write its guest dies after from the question on', async (t) => {
  const seen = await dieEverywhere(t, 'after', 'ask')
  t.diagnostic(JSON.stringify(seen))
})
