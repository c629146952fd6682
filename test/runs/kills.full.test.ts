/**
 * Guests that are killed at random while all kinds of work that are runs go on in them: after the last start each has its end, none was
 * begun twice, none is left without its parent, and no effect has happened twice.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createChance, overSeeds } from '../recovery/side-by-side.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { isLongSeries, scaled } from '../support/scale.ts'
import { ConnectionEnded } from '../support/terminal.ts'
import { emptied, makeWorkspace, type TestWorkspace } from '../support/workspace.ts'
import { answer, assertWhole, config, type Ended, makeClock, scenario, work } from './users-of-runs.ts'

const parts = scaled(4, 1)
const kills = scaled(100, 10)
const killsInOneWorkspace = 5
/** No further workspace begins after this long: on a busy machine fewer kills are better than an hour. `OXBOW_TEST_SERIES=long` makes all. */
const boundMs = isLongSeries ? Infinity : 100_000
const timeoutMs = isLongSeries ? 3_600_000 : 600_000
/** A kill comes at most so long after the guest began to start, was ready, or had all work begun: each third, by chance. */
const longestMs = 1_000

/** @returns null when the guest was killed before all had ended */
async function live(guest: TestGuest, workspace: TestWorkspace, onBegun: () => void): Promise<Ended | null> {
  const started = await guest.started
  if (started.type === 'fatal') throw new Error(JSON.stringify(started))
  if (started.type === 'gone') return null
  try {
    using terminal = await openReady(guest, workspace)
    return await work(terminal, workspace, onBegun)
  } catch (error) {
    if (!(error instanceof ConnectionEnded)) throw error
    const { signal, stderr } = await guest.ended()
    assert.equal(signal, 'SIGKILL', stderr)
    return null
  }
}

/** @returns how often a guest was killed */
async function ordeal(seed: number): Promise<number> {
  const chance = createChance(seed)
  using workspace = makeWorkspace()
  await using model = await startModel(scenario)
  const plugins = [await makeClock(workspace.home)]
  const start = (): TestGuest => startGuest({ workspace, config: { ...config, model: model.config }, plugins, answer })
  for (let life = 0; life < killsInOneWorkspace; life++) {
    await using guest = start()
    const begun = Promise.withResolvers<unknown>()
    const from = [Promise.resolve(), guest.started, Promise.race([begun.promise, guest.gone])][Math.floor(chance() * 3)]!
    const afterMs = chance() * longestMs
    void from.then(() => sleep(afterMs)).then(() => guest.kill())
    await live(guest, workspace, () => begun.resolve(null))
    await guest.kill()
    await emptied(workspace)
  }
  await using guest = start()
  const ended = await live(guest, workspace, () => {})
  assert.ok(ended !== null)
  assert.equal((await guest.stop()).exitCode, 0)
  await emptied(workspace)
  assertWhole(ended, workspace, await readLedger(workspace))
  return killsInOneWorkspace
}

for (let part = 0; part < parts; part++)
  test(`${kills} kills lose no run and repeat nothing, part ${part + 1} of ${parts}`, { timeout: timeoutMs }, async (t) => {
    const count = kills / killsInOneWorkspace
    const done = await overSeeds(t, { count, boundMs, ordeal: (seed) => ordeal(seed + part * 1_000_000) })
    t.diagnostic(`${done.length} workspaces, ${done.reduce((sum, each) => sum + each, 0)} kills`)
  })
