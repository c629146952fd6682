/**
 * `npm test` and `npm run test:full`: four lanes, each a process that takes one test file after another from a queue, the longest first
 * (measured by each run, for the next one). Two cores carry four lanes, because a test waits for other processes most of its time.
 *
 * A failure is printed when it happens. A lane whose file passes its deadline, or in which nothing happens for a while, is killed with all
 * that it started, and the test that it was in is named.
 *
 *   node scripts/run-tests.ts [--full] [--rest] [FILE...]
 *
 * `--full` adds the files called `*.full.test.ts` (other container engines, emulated machines, kernels) and the full number of
 * property runs and kills (test/support/scale.ts); `--rest` leaves out what `npm test` has run, as CI does behind it, but for files in which
 * it skipped a test: the machine may have by now what was missing.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isLongSeries, isShortSeries } from '../test/support/scale.ts'
import { slowFiles } from '../test/support/slow-files.ts'
import { buildForTests } from './test-build.ts'
import type { LaneMessage } from './test-lane.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean' }, rest: { type: 'boolean' } },
})
const full = flags.full === true
const rest = flags.rest === true
const laneCount = 4
/** A file that takes longer has hung: several times what the slowest takes on two busy cores. */
const fileDeadlineMs = (isLongSeries ? 240 : full ? 20 : 8) * 60_000
/** No test is silent for so long, but a series of hours. */
const silenceMs = (isLongSeries ? 240 : full ? 8 : 4) * 60_000
const slowMs = 10_000
/** A file that this machine has not measured goes ahead of all that are known to be short: a long one at the end leaves lanes idle. */
const unknownMs = 8_000
/** One that is known to be slow goes first. */
const unknownSlowMs = 60_000
/** More than these is no accident. */
const maxRunAgain = 6
/** `npm run check` runs it, in every run of CI. */
const checkedElsewhere = 'test/architecture.test.ts'
/** Written by a whole run, for `--rest`. */
const skippedFile = 'node_modules/.cache/oxbow-tests/skipped.json'
/** Milliseconds by file, as they took on this machine last. */
const durationsFile = 'node_modules/.cache/oxbow-tests/durations.json'
const preloads = [
  './test/support/property-seed.ts',
  './test/support/compile-cache.ts',
  './test/support/built.ts',
  './test/support/check-outputs.ts',
]

/** These share a container engine and its storage, or a folder of packages, or emulate machines, which compute all the time: only the first lane takes them. */
const sharesEngine =
  /^test\/(?:eliza|containers|isolation|lying-machine|kernels|browser|egress)\/|^src\/sandbox\/(?:container|micro-vm|image|microsandbox)/

/** CI does not fetch the packages of elizaOS, 825 MB, in each run; those who change their host do. */
function leavesOut(file: string): boolean {
  const isLeft = isShortSeries && /^test\/eliza\/.*\.full\.test\.ts$/.test(file) && !existsSync('node_modules/.cache/oxbow-eliza/installed')
  if (isLeft) skips.set(noEliza, (skips.get(noEliza) ?? 0) + 1)
  return isLeft
}

const noEliza = 'needs packages of elizaOS: node scripts/run-tests.ts --full test/eliza/*.full.test.ts installs them'

interface Queue {
  /** @returns the next file, or undefined if this lane has no more */
  next(lane: number): string | undefined
}

function createQueue(files: readonly string[], durations: Readonly<Record<string, number>>): Queue {
  const costOf = (file: string): number => durations[file] ?? (Object.hasOwn(slowFiles, file) ? unknownSlowMs : unknownMs)
  const longestFirst = [...files].sort((a, b) => costOf(b) - costOf(a))
  const shared = longestFirst.filter((file) => sharesEngine.test(file))
  const others = longestFirst.filter((file) => !sharesEngine.test(file))
  return { next: (lane) => (lane === 0 ? shared.shift() : undefined) ?? others.shift() }
}

/** What was counted, in the names and order of Node's own closing lines. */
const counts = { tests: 0, suites: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 }
const taken = new Map<string, number>()
const skips = new Map<string, number>()
const failures: string[] = []
/** Files in which a test was skipped. */
const skippedIn = new Set<string>()
/** Files in which something failed. */
const failedFiles = new Set<string>()

function fail(what: string, text: string): void {
  const shown = `✖ ${what}\n${text.replaceAll(/^/gm, '    ')}\n`
  failures.push(shown)
  process.stdout.write(`\n${shown}\n`)
}

/** @returns whether it took files until none was left; its failures are counted apart */
async function runLane(lane: number, queue: Queue, running: Set<ChildProcess>): Promise<boolean> {
  const child = fork(fileURLToPath(new URL('test-lane.ts', import.meta.url)), {
    execArgv: preloads.flatMap((file) => ['--import', file]),
    env: { ...process.env, OXBOW_TEST_BUILD: build, ...(full ? { OXBOW_TEST_SCALE: 'full' } : {}) },
    // A group of its own, so that what its tests have started can be ended with it.
    detached: true,
  })
  running.add(child)
  const current = { file: '', test: '', tests: 0, failed: 0, ms: 0 }
  let isDone = false
  let isReplaced = false
  const stop = (why: string): void => {
    failedFiles.add(current.file)
    fail(`lane ${lane + 1}: ${why}`, `It was in ${current.file}: ${current.test}`)
    isDone = true
    killGroup(child)
  }
  // Whoever hangs is run once more, alone, as what fails is; the other files of the lane have a new process.
  const replace = (): void => {
    stop(`nothing happened for ${silenceMs / 60_000} minutes`)
    isReplaced = true
  }
  let deadline = setTimeout(() => {}, 0)
  let silence = setTimeout(() => {}, 0)
  const takeNext = (computedMs: number): void => {
    if (current.file !== '')
      process.stdout.write(
        `${current.failed > 0 ? '✖' : '✔'} ${current.file}  ${current.tests} tests  ${seconds(current.ms)} (computed ${seconds(computedMs)})\n`,
      )
    const file = queue.next(lane)
    Object.assign(current, { file: file ?? '', test: 'loading', tests: 0, failed: 0, ms: 0 })
    isDone = file === undefined
    clearTimeout(deadline)
    if (!isDone) deadline = setTimeout(() => stop(`not over after ${fileDeadlineMs / 60_000} minutes`), fileDeadlineMs)
    if (file === undefined) child.disconnect()
    else child.send(file)
  }
  child.on('message', (message: LaneMessage) => {
    clearTimeout(silence)
    silence = setTimeout(replace, silenceMs)
    if (message.type === 'idle') takeNext(message.computedMs)
    else if (message.type === 'started') current.test = message.name
    else if (message.type === 'finished') {
      count(message, current.file)
      if (message.nesting === 0) current.ms += message.ms
      if (message.kind === 'test') current.tests++
      if (message.outcome === 'fail') {
        current.failed++
        failedFiles.add(current.file)
      }
    } else if (message.type === 'left_open') {
      failedFiles.add(current.file)
      fail(`${current.file}: leaves something open after its last test`, message.resources.join(', '))
      isReplaced = true
    } else if (positionals.length > 0) process.stdout.write(`ℹ ${message.text}\n`)
  })
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null))
    child.once('exit', resolve)
  })
  clearTimeout(deadline)
  clearTimeout(silence)
  if (!isDone && !isReplaced) failedFiles.add(current.file)
  if (!isDone && !isReplaced) fail(`lane ${lane + 1}: broke off`, `It was in ${current.file}: ${current.test}`)
  killGroup(child)
  running.delete(child)
  return isReplaced ? runLane(lane, queue, running) : code === 0
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function count(message: LaneMessage & { readonly type: 'finished' }, file: string): void {
  if (message.nesting === 0) taken.set(file, (taken.get(file) ?? 0) + message.ms)
  if (message.outcome === 'skip') skippedIn.add(file)
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

/**
 * Four lanes on two cores make waits of seconds too short now and then. A few files that failed are run once more, alone: one that
 * fails again has failed, and one that passes is named as unstable.
 */
async function runAgain(running: Set<ChildProcess>): Promise<readonly string[]> {
  const again = [...failedFiles].filter((file) => file !== '')
  const files = [...again]
  if (again.length === 0 || again.length > maxRunAgain) return []
  process.stdout.write(`\nOnce more, alone: ${again.join(', ')}\n`)
  const first = { ...counts }
  failures.length = 0
  failedFiles.clear()
  counts.fail = 0
  await runLane(0, { next: () => again.shift() }, running)
  const failed = counts.fail
  Object.assign(counts, first, { fail: failed, pass: first.pass + first.fail - failed })
  return files.filter((file) => !failedFiles.has(file))
}

function printSummary(beganAt: number): void {
  const slowest = [...taken].sort(([, a], [, b]) => b - a).slice(0, 10)
  process.stdout.write('\nThe ten slowest files:\n')
  for (const [file, ms] of slowest) {
    const reason =
      slowFiles[file] ?? (ms > slowMs && !file.endsWith('.full.test.ts') ? 'no reason is known: see test/support/slow-files.ts' : '')
    process.stdout.write(`  ${(ms / 1000).toFixed(1).padStart(6)} s  ${file}${reason === '' ? '' : `: ${reason}`}\n`)
  }
  if (skips.size > 0) process.stdout.write('\nSkipped:\n')
  for (const [reason, times] of skips) process.stdout.write(`  ${times} × ${reason}\n`)
  if (failures.length > 0) process.stdout.write(`\nFailures again:\n\n${failures.join('\n')}`)
  const lines = Object.entries({ ...counts, duration_ms: Math.round(performance.now() - beganAt) })
  process.stdout.write(`\n${lines.map(([name, number]) => `ℹ ${name} ${number}`).join('\n')}\n`)
}

function readDurations(): Readonly<Record<string, number>> {
  return existsSync(durationsFile) ? (JSON.parse(readFileSync(durationsFile, 'utf8')) as Readonly<Record<string, number>>) : {}
}

/** What did not run this time keeps what was known. */
function recordDurations(): void {
  const present = new Set(globSync(['src/**/*.test.ts', 'test/**/*.test.ts']))
  const all = Object.entries({ ...readDurations(), ...Object.fromEntries(taken) }).map(([file, ms]) => [file, Math.round(ms)] as const)
  mkdirSync(dirname(durationsFile), { recursive: true })
  writeFileSync(durationsFile, JSON.stringify(Object.fromEntries(all.filter(([file]) => present.has(file)))))
}

function recordSkipped(): void {
  mkdirSync(dirname(skippedFile), { recursive: true })
  writeFileSync(skippedFile, JSON.stringify([...skippedIn].sort()))
}

const beganAt = performance.now()
const build = await buildForTests()
const skippedBefore = existsSync(skippedFile) ? (JSON.parse(readFileSync(skippedFile, 'utf8')) as readonly string[]) : []
const files = globSync(positionals.length > 0 ? positionals : ['src/**/*.test.ts', 'test/**/*.test.ts'])
  .filter((file) => full || positionals.length > 0 || !(file.endsWith('.full.test.ts') || file === checkedElsewhere))
  .filter((file) => positionals.length > 0 || !leavesOut(file))
  .filter((file) => !rest || file.endsWith('.full.test.ts') || skippedBefore.includes(file))
  .sort()
const running = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(130)
  })
}
const queue = createQueue(files, readDurations())
const outcomes = await Promise.all(Array.from({ length: laneCount }, (_, lane) => runLane(lane, queue, running)))
const unstable = outcomes.every(Boolean) && positionals.length === 0 ? await runAgain(running) : []
printSummary(beganAt)
for (const file of unstable) process.stdout.write(`Unstable: ${file} failed, and passed when it was run again alone.\n`)
recordDurations()
if (positionals.length === 0 && !full && !rest) recordSkipped()
if (files.length === 0 && !rest) process.stderr.write(`No test file matches ${positionals.join(' or ')}.\n`)
process.exitCode = (files.length > 0 || rest) && outcomes.every(Boolean) && failures.length === 0 ? 0 : 1
