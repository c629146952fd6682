/** A guest that is killed around the times at which a task of a plugin is due: the task runs once for each time at most, and goes on. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { treeHash } from '../../src/plugins/index.ts'
import type { HostedPlugin } from '../../src/types/index.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { inTime } from '../support/patience.ts'
import { scaled } from '../support/scale.ts'
import { makeWorkspace } from '../support/workspace.ts'

const kills = scaled(50, 1)
const everyMs = 1_000

const source = `
import { appendFileSync } from 'node:fs'
export default { name: 'clock', tasks: [{ name: 'strike', every_s: 1, async run(runtime, due) {
  appendFileSync('/data/struck', due + '\\n')
  await new Promise((resolve) => setTimeout(resolve, 30))
} }] }`

void test(`after ${kills} kills of the guest no task has run twice for one time`, { timeout: 600_000 }, async (t) => {
  using workspace = makeWorkspace()
  const folder = join(workspace.home, 'clock')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), source)
  const plugin: HostedPlugin = {
    name: 'clock',
    version: '1.0.0',
    program: 'plugin-host',
    folder,
    tree_hash: await treeHash(folder),
    entries: ['index.mjs'],
    rights: [],
    hosts: [],
    secrets: [],
    paths: [],
    hooks: [],
    public_routes: [],
    config: {},
  }
  const config = {
    agent: { rights: ['plugin.clock'] },
    schedules: { min_interval_s: 1 },
    memory: { embedder: 'none', index_messages: false },
  }
  const start = (): TestGuest => startGuest({ workspace, config, plugins: [plugin] })
  const struck = (): readonly number[] => {
    const path = join(workspace.internal, 'plugins/clock/struck')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(Number) : []
  }
  const strikes = async (more: number): Promise<void> => {
    const before = struck().length
    while (struck().length < before + more) await pause(5)
  }
  for (let round = 0; round <= kills; round++) {
    await using guest = start()
    assert.equal((await guest.started).type, 'ready')
    await inTime(strikes(round === kills ? 2 : 1), () => `a strike in round ${round}; there were ${struck().join(', ')}`)
    // From the middle of a run to the middle of the next one.
    if (round < kills) await pause(Math.random() * everyMs)
    await guest.kill()
  }
  const times = struck()
  t.diagnostic(`${times.length} runs`)
  assert.deepEqual([...new Set(times)], times)
  assert.ok(times.every((due) => (due - times[0]!) % everyMs === 0))
})
