/**
 * Kernels that are killed at random while a graph runs: a map with parallel branches, a loop, a wait, a nested graph, an agent. After the
 * last start the run has its result, no effect that must not be repeated was, none is missing that nobody doubts, and nothing is left open.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { compileCache } from '../support/compile-cache.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { scaled } from '../support/scale.ts'
import { sideBySide } from './side-by-side.ts'

const program = fileURLToPath(new URL('graph-to-kill.ts', import.meta.url))
const kills = scaled(200, 2)
const killsOfOneRun = scaled(6, 2)
/** The series stops there, however many kills it has done: a slow machine does fewer. */
const longestMs = 170_000

interface Ended {
  readonly run: {
    readonly status: string
    readonly output: { readonly all: string[]; readonly sure: string[]; readonly points: number }
    readonly failure: unknown
  }
  readonly agents: readonly { readonly name: string; readonly state: string }[]
}

/** @returns how the run ended; null if the process was killed before */
async function live(args: readonly string[], killAfterMs: number | null): Promise<Ended | null> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
  })
  const exited = once(child, 'exit')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  if (killAfterMs !== null) {
    await Promise.race([once(child.stdout, 'data'), exited])
    await Promise.race([sleep(killAfterMs), exited])
    child.kill('SIGKILL')
  }
  await exited
  const [, last = ''] = text.trim().split('\n')
  return last === '' ? null : (JSON.parse(last) as Ended)
}

/** @returns how often it was killed */
async function ordeal(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-graph-kills-'))
  const [database, effects] = [join(folder, 'guest.db'), join(folder, 'effects')]
  const args = [database, effects]
  try {
    let killed = 0
    for (; killed < killsOfOneRun; killed += 1) if ((await live(args, Math.random() * 90)) !== null) break
    const ended = await live(args, null)
    assert.ok(ended !== null, 'the last life comes to its end')
    assertWhole(ended, existsSync(effects) ? readFileSync(effects, 'utf8') : '')
    assertNothingOpen(await readLedger({ database }))
    return killed
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function assertWhole({ run, agents }: Ended, effects: string): void {
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  assert.deepEqual(run.output.all, ['did a', 'did b', 'did c', 'did d'])
  assert.equal(run.output.points, 7)
  assert.deepEqual(
    agents.map(({ state }) => state),
    ['done'],
    'one agent, which is over',
  )
  const lines = effects
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly name: string; readonly text: string; readonly id: string })
  for (const [text, found] of Map.groupBy(lines, (line) => `${line.name} ${line.text}`)) {
    const isOnce = text.startsWith('test.once')
    if (isOnce) assert.equal(found.length, 1, `${text} happened once`)
    assert.equal(new Set(found.map(({ id }) => id)).size, 1, `${text} has one id`)
  }
  const items = ['a', 'b', 'c', 'd']
  for (const [i, item] of items.entries()) {
    assert.ok(lines.some((line) => line.name === 'test.again' && line.text === item))
    if (run.output.sure[i] === 'yes') assert.ok(lines.some((line) => line.name === 'test.once' && line.text === item))
  }
}

test(`after ${kills} kills at random points each run has its result, and nothing happened twice`, { timeout: 200_000 }, async (t) => {
  const began = Date.now()
  let left = kills
  let done = 0
  await sideBySide(async () => {
    if (left <= 0 || Date.now() - began > longestMs) return false
    left -= killsOfOneRun
    const killed = await ordeal()
    left += killsOfOneRun - killed
    done += killed
    return true
  })
  t.diagnostic(`${done} kills`)
  assert.ok(done >= Math.min(kills, 1), `${done} kills`)
})
