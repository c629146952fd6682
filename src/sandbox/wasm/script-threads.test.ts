/** The thread that is started ahead: it runs one script as any other, and does not stay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { runTool } from './run-tool.ts'
import { createScriptThreads, type ScriptThreads } from './script-threads.ts'
import { script } from './wasm-fixture.ts'

const memoryMb = 32

/** Notes which threads were taken. */
function watched(threads: ScriptThreads): ScriptThreads & { readonly taken: (Worker | null)[] } {
  const taken: (Worker | null)[] = []
  return {
    ...threads,
    taken,
    take(job) {
      const worker = threads.take(job)
      taken.push(worker)
      return worker
    },
  }
}

void test('a script runs in the thread that was started ahead, each in another one', async () => {
  const threads = watched(createScriptThreads(memoryMb))
  const source = `globalThis.seen = (globalThis.seen ?? 0) + 1; export default (n) => [n, globalThis.seen, oxbow.call('twice', n)]`
  const host = { twice: async (n: unknown) => Number(n) * 2 }
  for (const n of [1, 2, 3]) {
    const outcome = await runTool({ ...script(source), input: n, limits: { memoryMb }, host }, threads)
    assert.ok(outcome.ok, JSON.stringify(outcome))
    assert.deepEqual(outcome.output, [n, 1, n * 2])
  }
  const [first, second, third] = threads.taken
  assert.equal(first, null)
  assert.ok(second !== null && third !== null && second !== third)
  await threads.close()
})

void test('limits hold in it: time, memory and cancelling', async () => {
  const threads = watched(createScriptThreads(memoryMb))
  const fails = async (source: string, more: object): Promise<string> => {
    threads.prepare()
    const outcome = await runTool({ ...script(source), ...more }, threads)
    return outcome.ok ? 'ok' : outcome.failure.code
  }
  assert.equal(await fails('export default () => { for (;;); }', { limits: { memoryMb, timeoutMs: 50 } }), 'timeout')
  const fills = 'export default () => { const all = []; for (;;) all.push(new Uint8Array(1e6)) }'
  assert.equal(await fails(fills, { limits: { memoryMb, timeoutMs: 300_000 } }), 'limit_reached')
  const over = new AbortController()
  const host = { stop: async () => (over.abort(), null) }
  const spins = 'export default () => { oxbow.call("stop", 1); for (;;); }'
  assert.equal(await fails(spins, { limits: { memoryMb }, host, signal: over.signal }), 'cancelled')
  assert.equal(threads.taken.includes(null), false)
  await threads.close()
})

void test('what wants other memory, or is no script, gets a thread of its own', async () => {
  const threads = watched(createScriptThreads(memoryMb))
  threads.prepare()
  const outcome = await runTool({ ...script('export default () => 1'), limits: { memoryMb: memoryMb * 2 } }, threads)
  assert.ok(outcome.ok)
  assert.deepEqual(threads.taken, [null])
  await threads.close()
})

void test('a thread that nobody takes ends, and none is started after the end', async () => {
  const ends = async (threads: ScriptThreads, end: () => Promise<void>): Promise<boolean> => {
    await end()
    const outcome = await runTool({ ...script('export default () => 1'), limits: { memoryMb } }, threads)
    return outcome.ok
  }
  const short = watched(createScriptThreads(memoryMb, 1))
  short.prepare()
  assert.ok(await ends(short, () => new Promise((resolve) => setTimeout(resolve, 50))))
  const closed = watched(createScriptThreads(memoryMb))
  closed.prepare()
  assert.ok(await ends(closed, closed.close))
  closed.prepare()
  assert.ok(await ends(closed, async () => {}))
  assert.deepEqual([short.taken, closed.taken], [[null], [null, null]])
  await short.close()
})
