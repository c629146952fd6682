/** Tools in JavaScript: what they find, what they do not, and how they end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode, Json } from '../../base/index.ts'
import { runTool } from './run-tool.ts'
import { script } from './wasm-fixture.ts'
import type { ToolDone, WasmTool } from './wasm-tool.ts'

/** A tool that fills its memory takes seconds, and many of them on a busy machine. */
const patienceMs = 300_000

async function done(source: string, more: Partial<WasmTool> = {}): Promise<ToolDone> {
  const outcome = await runTool({ ...script(source), ...more })
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome
}

async function failsWith(code: ErrorCode, source: string, more: Partial<WasmTool> = {}, message = /./): Promise<void> {
  // Its time is the last thing to run out, also on a busy machine, unless it is what the test is about.
  const outcome = await runTool({ ...script(source), ...more, limits: { timeoutMs: patienceMs, ...more.limits } })
  assert.ok(!outcome.ok, 'it did not fail')
  assert.equal(outcome.failure.code, code, outcome.failure.message)
  assert.match(outcome.failure.message, message)
  assert.notEqual(outcome.failure.hint, '')
}

const value = async (source: string, input: Json = null): Promise<Json> => (await done(source, { input })).output

void test('the default export is called with the input, or the export that is named, and may be async', async () => {
  assert.deepEqual(await value('export default ({ a, b }) => ({ sum: a + b })', { a: 1, b: 2 }), { sum: 3 })
  assert.equal(await value('export async function run(text) { return (await Promise.resolve(text)) + "!" }', 'hé'), 'hé!')
  assert.equal((await done('export const twice = (n) => n * 2', { function: 'twice', input: 21 })).output, 42)
  assert.equal(await value('export default () => undefined'), null)
  await failsWith('not_found', 'export const x = 1')
  await failsWith('not_found', 'export default () => 1', { function: 'other' }, /other/)
})

void test('there is nothing of Node, no module to import and no way to make the host run code', async () => {
  const names = 'process require fetch setTimeout WebAssembly Buffer navigator os std'.split(' ')
  assert.deepEqual(await value(`export default () => ${JSON.stringify(names)}.filter((name) => name in globalThis)`), [])
  await failsWith('tool_failed', 'import { readFileSync } from "node:fs"; export default () => 1')
  assert.equal(
    await value('export default () => { try { return typeof oxbow.call.constructor("return process")() } catch (e) { return e.name } }'),
    'ReferenceError',
  )
})

void test('a tool that spins is ended, in code, in an expression and in promises', async () => {
  const limits = { timeoutMs: 50 }
  await failsWith('timeout', 'export default () => { for (;;); }', { limits }, /50 ms/)
  await failsWith('timeout', 'for (;;); export default 1', { limits })
  await failsWith('timeout', 'export default () => { for (;;) try { for (;;); } catch {} }', { limits })
  await failsWith('timeout', 'export default () => /(a+)+b/.test("a".repeat(60))', { limits })
  await failsWith('timeout', 'const f = () => Promise.resolve().then(f); export default f', { limits })
})

void test('memory is bounded, for objects, strings and buffers, and so are stack and answer', async () => {
  const limits = { memoryMb: 24 }
  await failsWith('limit_reached', 'export default () => { const all = []; for (;;) all.push({ x: [1] }) }', { limits })
  await failsWith('limit_reached', 'export default () => { const all = []; for (let i = 0; ; i += 1) all.push("x".repeat(1e5) + i) }', {
    limits,
  })
  await failsWith('limit_reached', 'export default () => { const all = []; for (;;) all.push(new Uint8Array(1e6)) }', { limits })
  await failsWith('limit_reached', 'export default () => "x".repeat(1e8)', { limits: { memoryMb: 1000 } }, /more than 1048576 bytes/)
  await failsWith(
    'tool_failed',
    'export default () => { throw new Error("x".repeat(1e8)) }',
    { limits: { memoryMb: 1000 } },
    /without a message/,
  )
  await failsWith('tool_failed', 'export default () => console.log("x".repeat(1e8))', { limits: { memoryMb: 1000 } }, /too long/)
  await failsWith('limit_reached', 'const f = () => f() + 1; export default f', {}, /overflowed/)
  await failsWith('limit_reached', 'export default () => "x".repeat(2000)', { limits: { outputBytes: 1000 } }, /more than 1000 bytes/)
})

void test('what a tool throws is an error in its words, whatever it throws', async () => {
  await failsWith('tool_failed', 'export default () => { throw new TypeError("no such thing") }', {}, /TypeError: no such thing/)
  await failsWith('tool_failed', 'export default () => { throw null }')
  await failsWith('tool_failed', 'export default async () => { throw { message: 7 } }')
  await failsWith('tool_failed', 'export default () => new Promise(() => {})', {}, /never happens/)
  await failsWith('tool_failed', 'export default (', {}, /SyntaxError/)
  await failsWith('tool_failed', 'export default () => { const a = {}; a.a = a; return a }', {}, /circular/)
})

void test('functions of the host are called by right, and what they refuse can be caught', async () => {
  const source = `export default (name) => {
    try { return oxbow.call(name, { n: 2 }) } catch ({ code, message, hint }) { return { code, message, hint } }
  }`
  const host = { 'math.twice': async (input: Json) => (input as { n: number }).n * 2 }
  assert.equal((await done(source, { input: 'math.twice', host })).output, 4)
  const { output, refused } = await done(source, { input: 'file.write', host })
  assert.equal((output as { code: string }).code, 'denied')
  assert.deepEqual(refused, ['file.write'])
})

void test('a tool that changes its own prototypes changes nothing outside', async () => {
  const source = `
    JSON.stringify = () => '"forged"'
    Promise.prototype.then = () => { throw new Error('then') }
    Object.prototype.error = { code: 'denied' }
    export default () => JSON.parse('{"__proto__": {"polluted": true}, "then": 1}')`
  const outcome = await runTool(script(source))
  assert.equal((outcome as unknown as { polluted?: boolean }).polluted, undefined)
  assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  if (outcome.ok) assert.deepEqual(Object.keys(outcome.output as object), ['__proto__', 'then'])
})

void test('files are read, written and listed in the mounts, and nowhere else', async () => {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content)
  const source = `
    const attempt = (run) => { try { return run() } catch ({ code }) { return code } }
    export default () => {
      oxbow.write('/out/deep/er/copy.txt', oxbow.read('/in/a.txt') + '…')
      console.log('listed', oxbow.list('/in'), { n: 1 })
      console.error('done')
      return [
        () => oxbow.write('/in/a.txt', 'changed'),
        () => oxbow.write('/in/new.txt', ''),
        () => oxbow.read('/out/../in/a.txt'),
        () => oxbow.read('/out/../../etc/passwd'),
        () => oxbow.read('/etc/passwd'),
        () => oxbow.read('in/a.txt'),
        () => oxbow.read('/out/none'),
        () => oxbow.read('/out/deep'),
        () => oxbow.read('/in/binary'),
        () => oxbow.list('/in/a.txt'),
      ].map(attempt)
    }`
  const { output, stdout, stderr, changes } = await done(source, {
    mounts: [
      {
        guest: '/in',
        mode: 'ro',
        files: [
          { path: 'a.txt', bytes: text('hé') },
          { path: 'sub/b.txt', bytes: text('') },
          { path: 'binary', bytes: new Uint8Array([0xff, 0xfe]) },
        ],
      },
      { guest: '/out', mode: 'rw', files: [] },
    ],
  })
  assert.deepEqual(output, [
    'denied',
    'denied',
    'path_refused',
    'path_refused',
    'path_refused',
    'path_refused',
    'not_found',
    'path_refused',
    'not_text',
    'path_refused',
  ])
  assert.deepEqual([stdout.text, stderr.text], ['listed ["a.txt","binary","sub/"] {"n":1}\n', 'done\n'])
  assert.deepEqual(
    changes.map((change) => [change.kind, change.path, change.kind === 'written' ? new TextDecoder().decode(change.bytes) : '']),
    [
      ['folder_made', '/out/deep', ''],
      ['folder_made', '/out/deep/er', ''],
      ['written', '/out/deep/er/copy.txt', 'hé…'],
    ],
  )
})
