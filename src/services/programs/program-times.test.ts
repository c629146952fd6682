/** What a program costs: checking it, its first call, each further call, and going on after many. OXBOW_SHOW_TIMES prints the times. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TurnId } from '../../base/index.ts'
import { testCall } from '../../kernel/kernel-fixture.ts'
import { openPrograms, programOf } from './program-fixture.ts'
import { digestOf, type PastCall, type ProgramRun, readPast } from './program-record.ts'
import { runProgramScript } from './program-script.ts'

const show = process.env['OXBOW_SHOW_TIMES'] !== undefined
const rounds = show ? 40 : 2
const recorded = show ? 10_000 : 2_500
const calls = show ? 10_000 : 5

const median = (times: readonly number[]): string => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!.toFixed(2)
const say = (what: string, ms: string): void => {
  if (show) console.log(`${what}: ${ms} ms`)
}

async function timed<Value>(times: number[], work: () => Promise<Value>): Promise<Value> {
  const before = performance.now()
  const value = await work()
  times.push(performance.now() - before)
  return value
}

test('a program is checked, begins, and makes calls in a loop', async () => {
  let firstAt = 0
  const seen: unknown[] = []
  const note = testCall('test.note', async (input: { text?: string }) => {
    if (seen.length === 0) firstAt = performance.now()
    seen.push(input.text)
    return { output: {}, text: 'noted' }
  })
  const script = `export default ({ n }) => { for (let i = 0; i < n; i++) oxbow.call('test.note', { text: 'x' + i }) }`
  const program = programOf('loop', 'calls = ["test.note"]', script)
  await using guest = await openPrograms([program], { calls: [note] })
  const [checks, firsts, whole, plain, reads]: number[][] = [[], [], [], [], []]
  for (let round = 0; round < rounds; round++) {
    const { ok } = await timed(checks!, () => guest.ok<{ ok: boolean }>('program.verify', { name: 'loop' }))
    assert.equal(ok, true)
    seen.length = 0
    const began = performance.now()
    assert.equal((await guest.run('loop', { n: 1 })).status, 'success')
    firsts!.push(firstAt - began)
  }
  seen.length = 0
  const { id } = await guest.begin('loop', { n: calls })
  let run = await timed(whole!, () => guest.ended(id))
  while (run.status === 'running') run = await timed(whole!, () => guest.ended(id))
  assert.deepEqual([run.status, seen.length], ['success', calls])
  const journal = { store: guest.store, flushed: async () => {} }
  const past = await timed(reads!, () => readPast(journal, { id, session: run.session } as unknown as ProgramRun))
  assert.equal(past.size, calls)
  for (let i = 0; i < Math.min(calls, 500); i++) await timed(plain!, () => guest.ok('test.note', { text: `y${i}` }))
  say('program.verify, p50', median(checks!))
  say('run to first call, p50', median(firsts!))
  say(`each call of a script, over ${calls}`, (whole!.reduce((sum, each) => sum + each, 0) / calls).toFixed(2))
  say(`reading ${calls} recorded calls`, reads![0]!.toFixed(0))
  say('the call itself, p50', median(plain!))
})

test('a script goes on after all the calls that are on record', async () => {
  const outcome = { status: 'ok', output: {}, text: 'noted', ok: true } as const
  const past = new Map<number, PastCall>()
  for (let n = 0; n < recorded; n++) past.set(n, { name: 'test.note', digest: digestOf({ text: `x${n}` }), outcome })
  const made: string[] = []
  const took: number[] = []
  const end = await timed(took, () =>
    runProgramScript({
      run: 'r' as TurnId,
      source: `export default ({ n }) => { for (let i = 0; i <= n; i++) oxbow.call('test.note', { text: 'x' + i }); return 'new' }`,
      input: { n: recorded },
      past,
      hide: (input) => input,
      note: () => {},
      make: async (_, name) => (made.push(name), outcome),
      signal: new AbortController().signal,
    }),
  )
  assert.deepEqual([end.value, made], ['new', ['test.note']])
  const late = recorded - 2
  const others = new Map(past).set(late, { name: 'test.note', digest: digestOf({ text: 'other' }), outcome })
  const failed = { ...past.get(late)!, outcome: { status: 'failed', failure: { code: 'not_found', message: 'gone', hint: '' }, text: 'gone' } as const }
  const run = (known: Map<number, PastCall>) =>
    runProgramScript({
      run: 'r' as TurnId,
      source: `export default ({ n }) => { for (let i = 0; i < n; i++) try { oxbow.call('test.note', { text: 'x' + i }) } catch (e) { return [i, e.code] } }`,
      input: { n: recorded },
      past: known,
      hide: (input) => input,
      note: () => assert.fail('all calls are on record'),
      make: () => assert.fail('all calls are on record'),
      signal: new AbortController().signal,
    })
  await assert.rejects(run(others), { code: 'program_diverged', message: new RegExp(`call ${late} is`) })
  assert.deepEqual((await run(new Map(past).set(late, failed))).value, [late, 'not_found'])
  say(`replay of ${recorded} recorded calls`, took[0]!.toFixed(0))
})
