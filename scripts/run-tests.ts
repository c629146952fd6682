/**
 * `npm test`: all tests, in lanes side by side. In each lane one process goes through its files, one after the other; while one lane waits
 * for an emulated machine the other computes. All that starts containers and machines is in one lane: they share an engine, its
 * storage and the processors. The first lane is shown as it goes, of every other what it has to say when its turn comes.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'

/** What starts sandboxes of any tier, a browser or an emulated machine. Everything else is in the other lane. */
const withSandboxes = [
  'src/{sandbox,hands,tools}/**/*.test.ts',
  'src/cli/{machine,verbs}/**/*.test.ts',
  'test/{browser,egress,hands-fuzz,isolation,kernels,tools,verbs}/**/*.test.ts',
]
/** Or what is named on the command line. */
const named = process.argv.slice(2)
const all = named.length > 0 ? named : ['src/**/*.test.ts', 'test/**/*.test.ts']
/** What a test has left behind may hold the outputs of its lane open: it is waited for no longer than this. */
const lastWordsMs = 5_000
const preloads = ['./test/support/property-seed.ts', './test/support/compile-cache.ts']

interface Lane {
  readonly name: string
  readonly files: readonly string[]
}

/** Every test file is in exactly one lane. */
function lanes(): readonly Lane[] {
  const sandboxes = new Set(globSync(withSandboxes))
  const files = globSync(all).sort()
  return [
    { name: 'sandboxes and machines', files: files.filter((file) => sandboxes.has(file)) },
    { name: 'everything else', files: files.filter((file) => !sandboxes.has(file)) },
  ].filter(({ files: those }) => those.length > 0)
}

const countNames = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const
/** The sign before it is more than one byte, and the end is cut anywhere: only what stands behind it is read. */
const countLine = new RegExp(String.raw`^.{1,4}(${countNames.join('|')}) (\d+)$`, 'gm')
/** Of what a lane has said: failures come behind the counts and may be long. */
const keptEnd = 4 * 1024 * 1024

interface Run {
  /** From now on what it says is shown, and first what it has said so far. */
  show(): void
  readonly over: Promise<boolean>
  /** What its last lines count, by their names; empty when it broke off. */
  counts(): ReadonlyMap<string, number>
}

function start({ name, files }: Lane): Run {
  const began = performance.now()
  let ended = Infinity
  const minutes = (): string => ((Math.min(ended, performance.now()) - began) / 60_000).toFixed(1)
  const imports = preloads.flatMap((file) => ['--import', file])
  const child = spawn(process.execPath, [...imports, '--test', '--test-isolation=none', ...files], { stdio: ['ignore', 'pipe', 'pipe'] })
  let held: Buffer[] | null = []
  let end = ''
  child.stdout.on('data', (bytes: Buffer) => (end = (end + bytes.toString('latin1')).slice(-keptEnd)))
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from.on('data', (bytes: Buffer) => (held === null ? to.write(bytes) : held.push(bytes)))
  }
  const stop = (): void => void child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  const over = new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', (code) => {
      ended = performance.now()
      const heard = (): void => {
        for (const from of [child.stdout, child.stderr]) from.destroy()
        resolve(code === 0)
      }
      child.once('close', heard)
      setTimeout(heard, lastWordsMs).unref()
    })
  })
  return {
    show() {
      process.stdout.write(`\n— ${name}: ${files.length} files —\n\n`)
      for (const bytes of held ?? []) process.stdout.write(bytes)
      held = null
      void over.then((well) => process.stdout.write(`\n— ${name}: ${well ? 'passed' : 'FAILED'} after ${minutes()} minutes —\n`))
    },
    over,
    counts: () => new Map([...end.matchAll(countLine)].map(([, what = '', count]) => [what, Number(count)])),
  }
}

/** The closing lines of all lanes as one, in the form of each: whoever reads the end alone sees everything. */
function closingLines(runs: readonly Run[], ms: number): string {
  const sum = (name: string): number => runs.reduce((total, run) => total + (run.counts().get(name) ?? 0), 0)
  return [...countNames.map((name) => `ℹ ${name} ${sum(name)}`), `ℹ duration_ms ${ms.toFixed(0)}`].join('\n')
}

const allBegan = performance.now()
const runs = lanes().map(start)
// Nothing to run is a mistake in what was named, and no success.
let well = runs.length > 0
if (!well) process.stderr.write(`No test file is called ${named.join(' or ')}.\n`)
for (const run of runs) {
  run.show()
  well = (await run.over) && well
}
if (runs.length > 1) process.stdout.write(`\n— all —\n\n${closingLines(runs, performance.now() - allBegan)}\n`)
process.exitCode = well ? 0 : 1
