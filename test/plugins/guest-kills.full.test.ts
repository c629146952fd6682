/**
 * Guests, and hosts of plugins, that die at random while an action of a plugin runs and makes calls of its own: each turn ends with what is
 * known of the action, nothing is done twice, and no host outlives its guest.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { treeHash } from '../../src/plugins/index.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { createDriver, type Driver } from '../recovery/driver.ts'
import { jobText } from '../recovery/jobs.ts'
import { overSeeds } from '../recovery/side-by-side.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { assertNothingOpen, type Entry, readLedger } from '../support/ledger.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { isShortSeries, scaled } from '../support/scale.ts'
import { emptied, makeWorkspace, type TestWorkspace } from '../support/workspace.ts'

const kills = scaled(200)
const killsInOneWorkspace = 10
/** A workspace takes 10 s, and more on a busy machine. */
const boundMs = isShortSeries ? 25_000 : 300_000
const jobsInOneLife = 5
const steps = [1, 2, 3]
/** To look through all processes is work. */
const lookMs = 30

const source = `
import { appendFileSync } from 'node:fs'
export default { name: 'steps', actions: [{ name: 'act', description: 'Takes three steps.',
  parameters: [{ name: 'token', type: 'string', required: true }],
  handler: async (runtime, message, state, { parameters: { token } }) => {
    appendFileSync('/data/begun', token + '\\n')
    for (const step of [${steps.join()}]) {
      const taken = await runtime.call('shell.exec', { command: 'echo ' + token + '.' + step + ' >> log.txt' })
      if (!taken.ok) return { success: false, text: taken.text }
    }
    return { success: true, text: 'took all steps of ' + token }
  } }] }`

async function makePlugin({ home }: TestWorkspace): Promise<HostedPlugin> {
  const folder = join(home, 'plugin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), source)
  const base = { version: '1.0.0', program: 'plugin-host', entries: ['index.mjs'], hosts: [], secrets: [], paths: [], config: {} } as const
  return { ...base, name: 'steps', folder, tree_hash: await treeHash(folder), rights: ['shell.run'] }
}

const reply = (job: number): string => `Job ${job} is done.`

function startJobs(count: number): Promise<TestModel> {
  const turns = Array.from({ length: count }, (_, job) => ({
    match: jobText(job),
    steps: [{ events: [{ tool_call: { name: 'steps_act', arguments: { token: `${job}` } } }] }, { events: [{ text: reply(job) }] }],
  }))
  return startModel({ turns })
}

/** Processes of the plugin's host, its launcher among them. */
function hostProcesses({ internal }: TestWorkspace): readonly number[] {
  const mounted = `/${relative(tmpdir(), internal)}/plugins/steps /data `
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(mounted) ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}

async function untilNoHost(workspace: TestWorkspace): Promise<void> {
  for (const until = performance.now() + 20_000; hostProcesses(workspace).length > 0; await sleep(5))
    assert.ok(performance.now() < until, 'no host outlives its guest')
}

/** Kills the host of a life so long after it has appeared. @returns 0 if the guest has ended before */
async function killHost(workspace: TestWorkspace, { gone }: TestGuest, afterMs: number): Promise<0 | 1> {
  const life = { isOver: false }
  void gone.then(() => (life.isOver = true))
  while (!life.isOver && hostProcesses(workspace).length === 0) await sleep(lookMs)
  await sleep(afterMs)
  if (life.isOver) return 0
  for (const pid of hostProcesses(workspace)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended with another of them.
    }
  }
  return 1
}

/** Lives until the plugin is known, and one job in peace. @returns how long a start and a job take */
async function measure(start: () => TestGuest, workspace: TestWorkspace, driver: Driver): Promise<{ startMs: number; jobMs: number }> {
  const from = performance.now()
  await using guest = start()
  assert.equal((await guest.started).type, 'ready')
  const startMs = performance.now() - from
  const kept = join(workspace.internal, 'plugins', '.exports')
  while (!existsSync(kept) || readdirSync(kept).length === 0) await sleep(5)
  await sleep(50)
  const ready = performance.now()
  assert.equal(await driver.drive(guest, 1), true)
  return { startMs, jobMs: performance.now() - ready }
}

interface Ordeal {
  readonly hostKills: number
  readonly ends: readonly string[]
}

/** One workspace, many lives; in each the host dies once, if it lives, and then the guest. */
async function ordeal(seed: number): Promise<Ordeal> {
  const chance = seededNumbers(seed)
  using workspace = makeWorkspace()
  await using model = await startJobs(killsInOneWorkspace * jobsInOneLife + 3)
  const config = {
    model: { ...model.config, max_output_tokens: 1_000 },
    agent: { rights: ['shell.run', 'plugin.steps'] },
    approval: { side_effecting: 'allow', privileged: 'allow' },
    memory: { index_messages: false },
  }
  const plugins = [await makePlugin(workspace)]
  const start = (): TestGuest => startGuest({ workspace, config, plugins })
  const driver = createDriver(workspace)
  const pace = await measure(start, workspace, driver)
  let hostKills = 0
  for (let life = 0; life < killsInOneWorkspace; life++) {
    await using guest = start()
    // Every fourth guest dies while it starts or recovers.
    const dieMs = chance() < 0.25 ? chance() * pace.startMs : pace.startMs + chance() * 3 * pace.jobMs
    const timer = setTimeout(() => void guest.kill(), dieMs)
    const hostKill = killHost(workspace, guest, chance() * pace.jobMs)
    const lives = await driver.drive(guest, driver.done + jobsInOneLife)
    clearTimeout(timer)
    if (lives) await guest.kill()
    hostKills += await hostKill
    await untilNoHost(workspace)
    await emptied(workspace)
  }
  await using guest = start()
  assert.equal(await driver.drive(guest, driver.done + 1), true)
  assert.equal((await guest.stop()).exitCode, 0)
  await untilNoHost(workspace)
  await emptied(workspace)
  return { hostKills, ends: await judge(workspace, driver) }
}

async function judge(workspace: TestWorkspace, driver: Driver): Promise<readonly string[]> {
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  const taken = workspace.lines('log.txt')
  assert.equal(new Set(taken).size, taken.length, `no step was taken twice: ${taken.join(' ')}`)
  const begun = readFileSync(join(workspace.internal, 'plugins/steps/begun'), 'utf8').trim().split('\n')
  assert.equal(new Set(begun).size, begun.length, `no action began twice: ${begun.join(' ')}`)
  return driver.turns.slice(0, driver.done).map((turn, job) => {
    const said = ledger.of(turn).filter(({ phase }) => phase === 'outcome')
    assert.deepEqual(said.map(textOf), [reply(job)], `turn ${job} ended once, with an answer`)
    const ends = ledger.entries.filter(
      ({ name, turn: own, phase }) => own === turn && name === 'steps.act' && /outcome|reconciled/.test(phase),
    )
    assert.equal(ends.length, 1, `the action of job ${job} has one end`)
    return endOf(job, ends[0]!, taken, begun)
  })
}

const textOf = ({ body }: Entry): unknown => (body as { reply?: string }).reply

/** What is on record of an action agrees with what happened. */
function endOf(job: number, { body }: Entry, taken: readonly string[], begun: readonly string[]): string {
  const { status, ok, code = '', text = '' } = body as { status: string; ok?: boolean; code?: string; text?: string }
  const done = steps.filter((step) => taken.includes(`${job}.${step}`)).length
  const what = `job ${job}: ${JSON.stringify(body)}, ${done} steps`
  assert.deepEqual(
    taken.filter((line) => line.startsWith(`${job}.`)),
    steps.slice(0, done).map((step) => `${job}.${step}`),
    what,
  )
  if (status === 'ok' && ok !== false) return (assert.equal(done, steps.length, what), 'all steps')
  if (code === 'outcome_unknown') return (assert.match(text, /not (?:known|repeated)|crash hid/i, what), 'unknown')
  if (status === 'ok') return (assert.ok(done < steps.length, what), 'said that a step failed')
  assert.deepEqual([code, done, begun.includes(`${job}`)], ['sandbox_failed', 0, false], what)
  return 'not begun'
}

test(
  `after up to ${kills} kills of a guest and as many of hosts no step of a plugin was taken twice`,
  { timeout: 1_500_000 },
  async (t) => {
    const ended = await overSeeds(t, { count: Math.ceil(kills / killsInOneWorkspace), boundMs, ordeal })
    const ends = Object.entries(
      Object.groupBy(
        ended.flatMap((each) => each.ends),
        (end) => end,
      ),
    ).map(([end, all]) => `${all!.length} ${end}`)
    const hostKills = ended.reduce((sum, each) => sum + each.hostKills, 0)
    assert.ok(
      ended.some((each) => each.ends.includes('all steps')),
      'some actions end',
    )
    t.diagnostic(`${ended.length * killsInOneWorkspace} kills of guests, ${hostKills} of hosts; actions: ${ends.join(', ')}`)
  },
)
