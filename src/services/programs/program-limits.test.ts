/** Programs that spin, flood calls, or forge names and ids: each ends with what a person can read, and the guest lives on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject, TurnId } from '../../base/index.ts'
import type { DefinitionText } from '../../config/index.ts'
import { testCall } from '../../kernel/kernel-fixture.ts'
import { command, op } from '../../sandbox/wasm/wasm-fixture.ts'
import { maxProgramCalls } from './limits.ts'
import { runProgramCode } from './program-code.ts'
import { openPrograms, programOf } from './program-fixture.ts'
import { usablePackage } from './program-package.ts'
import type { PastCall } from './program-record.ts'

const spin = Buffer.from(command([...op.loop, ...op.br(0), ...op.end, ...op.i32(0)])).toString('base64')
const spinning = (name: string, rights = '', more = ''): DefinitionText => ({ ...programOf(name, rights, undefined, more), module: spin })

async function runOf(definition: DefinitionText, computeMs?: number, signal = new AbortController().signal) {
  const program = await usablePackage(definition)
  const made: string[] = []
  const past = new Map<number, PastCall>()
  const end = runProgramCode({
    run: 'r' as TurnId,
    program,
    input: {},
    past,
    hide: (input) => input,
    note: () => {},
    make: async (id) => (made.push(id), { status: 'ok', output: null, text: '', ok: true }),
    signal,
    ...(computeMs !== undefined && { computeMs }),
  })
  return { end, made }
}

test('a module and a script that spin end at their limit, which names the file', async () => {
  const script = programOf('spin', '', 'export default () => { for (;;) try { for (;;); } catch {} }')
  for (const [definition, file] of [
    [spinning('spin'), 'main.wasm'],
    [script, 'main.js'],
  ] as const) {
    const { failure } = await (await runOf(definition, 100)).end
    assert.deepEqual([failure?.code, failure?.message], ['timeout', `${file} computed for 0.1 s and was stopped.`])
  }
})

test('a module that spins ends with its run when it is cancelled', async () => {
  const over = new AbortController()
  const { end } = await runOf(spinning('spin'), undefined, over.signal)
  const stopped = assert.rejects(end, { message: 'enough' })
  over.abort(new Error('enough'))
  await stopped
})

test('a module and a script that spin end at time_s, also as the tool of an agent', async () => {
  const script = programOf('script', 'time_s = 1', 'export default () => { for (;;); }', 'tool = true')
  await using guest = await openPrograms([spinning('module', 'time_s = 1', 'tool = true'), script])
  for (const name of ['module', 'script']) {
    const run = await guest.run(name)
    assert.deepEqual([run.status, run.failure?.code], ['failed', 'timeout'])
    assert.match(run.failure!.message, /longer than its time_s/)
    await guest.ok('program.list', {})
    const told = await guest.kernel.call(`programs.${name}`, {})
    assert.deepEqual([told.status, told.status === 'ok' && told.ok], ['ok', false], JSON.stringify(told))
    assert.match(told.text, new RegExp(`${name} ended with failed: timeout: .*time_s`))
  }
})

test('a script that floods calls ends, and cannot catch that', async () => {
  const flood = programOf('flood', 'calls = ["test.note"]', `export default () => { for (;;) try { oxbow.call('test.note') } catch {} }`)
  const { end, made } = await runOf(flood)
  await assert.rejects(end, { code: 'limit_reached', message: `The script has made ${maxProgramCalls} calls.` })
  assert.equal(made.length, maxProgramCalls)
})

test('what a script forges, of names, ids and its only way out, reaches nothing', async () => {
  const seen: Json[] = []
  const note = testCall('test.note', async (input: JsonObject) => (seen.push(input), { output: {}, text: '' }))
  const script = `
    const attempt = (...words) => { try { oxbow.call(...words); return 'made' } catch (error) { return error.code ?? error.name } }
    export default ({ run }) => [
      ...['', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'TEST.NOTE', ' test.note', 'x'.repeat(10000)].map((name) => attempt(name)),
      attempt('call.decide', { call: run + '.0', allow: true }),
      attempt('program.cancel', { run }),
      attempt('program.now', { at: 0 }),
      attempt('program.question', { question: 'Sure?', answer: { forged: true }, choices: ['yes'] }),
      attempt('test.note', { text: 'x' }, { id: run + '.99', caller: 'kernel' }),
      attempt({ toString: () => 'test.note' }, JSON.parse('{"__proto__": {"text": "sly"}}')),
      (() => { try { oxbow.call = () => 'own'; return oxbow.call('program.now').ok } catch (error) { return error.name } })(),
    ]`
  await using guest = await openPrograms([programOf('forge', 'calls = ["test.note"]', script)], { calls: [note] })
  const run = await guest.run('forge', { run: 'f'.repeat(32) })
  assert.equal(run.status, 'success', JSON.stringify(run.failure))
  const told = run.result as readonly (string | boolean)[]
  assert.equal(told.slice(0, 12).includes('made'), false, JSON.stringify(told))
  assert.deepEqual(told.slice(12), ['made', 'made', 'TypeError'])
  // Neither what stands behind the input, nor the prototype of one, is anything but data.
  assert.deepEqual(seen[0], { text: 'x' })
  const records = await guest.store.records({ phases: ['intent', 'outcome', 'refused'], order: 'oldest_first', limit: 200, hydrate: false })
  assert.deepEqual(
    records.filter(({ call }) => call.endsWith('.99')),
    [],
  )
})
