/** What ages in a guest that is used for long, and that nothing is lost meanwhile. Slopes are printed: they are for people to read. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { commandLine } from '../../bench/subjects/runner.ts'
import { isFull, isLongSeries } from '../support/scale.ts'
import { openSoak, type SoakRound } from './soak.ts'

/** `OXBOW_TEST_SERIES=long` soaks for two hours; a file of the full tests has twenty minutes. */
const minutes = isLongSeries ? 120 : isFull ? 18 : 0.5
/** One of each kind. */
const fewestRounds = 7
/** As docs/storage.md has it. */
const mostBytesPerTurn = 15_000
const megabyte = 1e6

/** @returns the slope of a straight line through all rounds, for 1 000 turns */
function slope(rounds: readonly SoakRound[], of: (round: SoakRound) => number): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length
  const [x, y] = [mean(rounds.map(({ turns }) => turns)), mean(rounds.map(of))]
  const spread = mean(rounds.map(({ turns }) => (turns - x) ** 2))
  return (mean(rounds.map((round) => (round.turns - x) * (of(round) - y))) / spread) * 1_000
}

test('a guest that is used for long, killed and restarted loses nothing, and its database grows by what is new', async (t) => {
  await using soak = await openSoak()
  const rounds: SoakRound[] = []
  const until = performance.now() + minutes * 60_000
  while (rounds.length < fewestRounds || performance.now() < until) {
    // A test for each, because no test is silent for long.
    await t.test(`round ${rounds.length + 1}`, async () => void rounds.push(await soak.round()))
  }
  const line = (what: string, of: (round: SoakRound) => number, unit: string, digits = 1): void => {
    const [first, last] = [rounds[0]!, rounds.at(-1)!]
    const ends = `${of(first).toFixed(digits)} at turn ${first.turns}, ${of(last).toFixed(digits)} at turn ${last.turns}`
    t.diagnostic(`${what}: ${ends}; ${slope(rounds, of).toFixed(digits)} ${unit} for 1 000 turns`)
  }
  line('processor time of a turn', ({ processorMs }) => processorMs, 'ms')
  line('message until the model has the request, p50', ({ untilAskedMs }) => untilAskedMs, 'ms')
  line('first requests with memory', ({ recalled }) => recalled * 100, 'points')
  line('database', ({ databaseBytes }) => databaseBytes / megabyte, 'MB', 2)
  line('memory of all processes', ({ memoryBytes }) => memoryBytes / megabyte, 'MB')

  const { ended, open } = await soak.stop()
  assert.deepEqual(
    [...soak.ended].filter((text) => !ended.has(text)),
    [],
    'turns that ended are in the journal',
  )
  assert.equal(open, 0)
  const { stdout } = await promisify(execFile)(process.execPath, [commandLine(), 'audit', 'verify', '--user', 'bench'], {
    env: { ...process.env, ...soak.home.env },
  })
  t.diagnostic(stdout.trim().split('\n')[0] ?? '')
  assert.ok(slope(rounds, ({ databaseBytes }) => databaseBytes) < mostBytesPerTurn * 1_000)
})
