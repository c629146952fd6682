/**
 * `npm test` and `npm run test:full`: every test file in exactly one of four lanes, each lane a process that goes through its files one
 * after another. Files are spread over the lanes by how long they took when `--record` was last given (test/durations.json). Two
 * cores carry four lanes, because a test waits for other processes most of its time.
 *
 * A failure is printed when it happens. A lane that passes its deadline, or in which nothing happens for a while, is killed with all
 * that it started, and the test that it was in is named.
 *
 *   node scripts/run-tests.ts [--full] [--record] [FILE...]
 *
 * `--full` adds the files called `*.full.test.ts` (other container engines, emulated machines, kernels) and the full number of
 * property runs and kills (test/support/scale.ts).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { slowFiles } from '../test/support/slow-files.ts'
import type { LaneMessage } from './test-lane.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean' }, record: { type: 'boolean' } },
})
const full = flags.full === true
const laneCount = 4
/** A lane that takes longer has hung: about twice what the slowest takes on two busy cores. */
const laneDeadlineMs = (full ? 30 : 12) * 60_000
/** No test is silent for so long, but one that starts an emulated machine. */
const silenceMs = (full ? 8 : 4) * 60_000
const slowMs = 10_000
const durationsFile = fileURLToPath(new URL('../test/durations.json', import.meta.url))
const preloads = ['./test/support/property-seed.ts', './test/support/compile-cache.ts']

/** These share a container engine and its storage, so they are in one lane; machines are emulated, so they compute all the time. */
const sharesEngine =
  /^test\/(?:containers|isolation|lying-machine|kernels|browser|egress)\/|^src\/sandbox\/(?:container|micro-vm|image|microsandbox)/

interface Lane {
  readonly name: string
  readonly files: readonly string[]
}

/** Longest first, each to the lane with the least to do. */
function spread(files: readonly string[], durations: Readonly<Record<string, number>>): readonly Lane[] {
  const lanes = Array.from({ length: laneCount }, () => ({ files: [] as string[], ms: 0 }))
  const costOf = (file: string): number => durations[file] ?? 500
  const put = (lane: (typeof lanes)[number] | undefined, file: string): void => {
    if (lane === undefined) return
    lane.files.push(file)
    lane.ms += costOf(file)
  }
  for (const file of files.filter((name) => sharesEngine.test(name))) put(lanes[0], file)
  const rest = files.filter((name) => !sharesEngine.test(name)).sort((a, b) => costOf(b) - costOf(a))
  for (const file of rest) put([...lanes].sort((a, b) => a.ms - b.ms)[0], file)
  return lanes.filter((lane) => lane.files.length > 0).map((lane, index) => ({ name: `lane ${index + 1}`, files: lane.files.sort() }))
}

/** What was counted, in the names and order of Node's own closing lines. */
const counts = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
const taken = new Map<string, number>()
const skips = new Map<string, number>()
const failures: string[] = []
const root = process.cwd()

function fail(what: string, text: string): void {
  const shown = `✖ ${what}\n${text.replaceAll(/^/gm, '    ')}\n`
  failures.push(shown)
  process.stdout.write(`\n${shown}\n`)
}

/** @returns whether it went through all its files and none of its tests failed */
async function runLane({ name, files }: Lane, running: Set<ChildProcess>): Promise<boolean> {
  const child = fork(fileURLToPath(new URL('test-lane.ts', import.meta.url)), [...files], {
    execArgv: preloads.flatMap((file) => ['--import', file]),
    env: full ? { ...process.env, OXBOW_TEST_SCALE: 'full' } : process.env,
    // A group of its own, so that what its tests have started can be ended with it.
    detached: true,
  })
  running.add(child)
  let current = { file: '', test: '' }
  let began = { file: '', tests: 0, ms: 0 }
  let ended = false
  const stop = (why: string): void => {
    fail(`${name}: ${why}`, `It was in ${current.file}: ${current.test}`)
    ended = true
    killGroup(child)
  }
  const deadline = setTimeout(() => stop(`not over after ${laneDeadlineMs / 60_000} minutes`), laneDeadlineMs)
  let silence = setTimeout(() => {}, 0)
  const reportFile = (): void => {
    if (began.file !== '') process.stdout.write(`✔ ${began.file}  ${began.tests} tests  ${(began.ms / 1000).toFixed(1)} s\n`)
  }
  child.on('message', (message: LaneMessage) => {
    clearTimeout(silence)
    if (message.type === 'ended') {
      ended = true
      reportFile()
      return
    }
    silence = setTimeout(() => stop(`nothing happened for ${silenceMs / 60_000} minutes`), silenceMs)
    const file = relative(root, message.file)
    if (message.type === 'started') current = { file, test: message.name }
    else if (message.type === 'noted') {
      if (positionals.length > 0) process.stdout.write(`ℹ ${message.text}\n`)
    } else {
      if (began.file !== file) {
        reportFile()
        began = { file, tests: 0, ms: 0 }
      }
      count(message, file)
      if (message.nesting === 0) began.ms += message.ms
      if (message.kind === 'test') began.tests++
    }
  })
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', resolve)
  })
  clearTimeout(deadline)
  clearTimeout(silence)
  if (!ended) fail(`${name}: broke off`, `It was in ${current.file}: ${current.test}`)
  killGroup(child)
  running.delete(child)
  return code === 0
}

function count(message: LaneMessage & { readonly type: 'finished' }, file: string): void {
  if (message.nesting === 0) taken.set(file, (taken.get(file) ?? 0) + message.ms)
  if (message.outcome === 'fail') fail(`${file}: ${message.name}`, message.text)
  if (positionals.length > 0 && message.outcome === 'pass') process.stdout.write(`${'  '.repeat(message.nesting)}✔ ${message.name}\n`)
  if (message.kind === 'suite') {
    counts.suites++
    return
  }
  counts.tests++
  if (message.outcome === 'skip') {
    counts.skipped++
    const reason = message.text || 'no reason given'
    skips.set(reason, (skips.get(reason) ?? 0) + 1)
  } else counts[message.outcome]++
}

/** Ends what the tests of a lane left behind: a process or socket that outlives its test would hold the terminal. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nothing is left of it.
  }
}

function printSummary(beganAt: number): void {
  const slowest = [...taken].sort(([, a], [, b]) => b - a).slice(0, 10)
  process.stdout.write('\nThe ten slowest files:\n')
  for (const [file, ms] of slowest) {
    const reason = slowFiles[file] ?? (ms > slowMs ? 'no reason is known: see test/support/slow-files.ts' : '')
    process.stdout.write(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${file}${reason === '' ? '' : `: ${reason}`}\n`)
  }
  if (skips.size > 0) process.stdout.write('\nSkipped:\n')
  for (const [reason, times] of skips) process.stdout.write(`  ${times} × ${reason}\n`)
  if (failures.length > 0) process.stdout.write(`\nFailures again:\n\n${failures.join('\n')}`)
  const lines = Object.entries({ ...counts, duration_ms: Math.round(performance.now() - beganAt) })
  process.stdout.write(`\n${lines.map(([name, number]) => `ℹ ${name} ${number}`).join('\n')}\n`)
}

function readDurations(): Readonly<Record<string, number>> {
  return JSON.parse(readFileSync(durationsFile, 'utf8')) as Readonly<Record<string, number>>
}

/** Milliseconds by file; what did not run this time keeps what was known. */
function recordDurations(): void {
  const present = new Set(globSync(['src/**/*.test.ts', 'test/**/*.test.ts']))
  const all = new Map([...Object.entries(readDurations()), ...[...taken].map(([file, ms]) => [file, Math.round(ms / 100) * 100] as const)])
  const kept = [...all].filter(([file, ms]) => present.has(file) && ms > 0).sort(([a], [b]) => (a < b ? -1 : 1))
  writeFileSync(durationsFile, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`)
}

const beganAt = performance.now()
const files = globSync(positionals.length > 0 ? positionals : ['src/**/*.test.ts', 'test/**/*.test.ts'])
  .filter((file) => full || positionals.length > 0 || !file.endsWith('.full.test.ts'))
  .sort()
const running = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(130)
  })
}
const outcomes = await Promise.all(spread(files, readDurations()).map((lane) => runLane(lane, running)))
printSummary(beganAt)
if (flags.record === true) recordDurations()
if (files.length === 0) process.stderr.write(`No test file matches ${positionals.join(' or ')}.\n`)
process.exitCode = files.length > 0 && outcomes.every(Boolean) ? 0 : 1
