/** A real WASI module as a program, and as a tool of an agent: what it sees of the workspace, what it changes, and where it ends. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { command, op, wasiCalls } from '../../src/sandbox/wasm/wasm-fixture.ts'
import { startModel } from '../support/model.ts'
import { type BundledHome, openBundled, type ProgramRun } from './bundled-home.ts'

type Bytes = readonly number[]

const open = (path: number, length: number, flags: number, right: bigint, to: number): Bytes =>
  [op.i32(3), op.i32(0), op.i32(path), op.i32(length), op.i32(flags), op.i64(right), op.i64(0n), op.i32(0), op.i32(to), op.call(1)].flat()
const descriptor = (at: number): Bytes => [...op.i32(at), ...op.load]
/** `i32.store`: a place and a number are on the stack. */
const store: Bytes = [0x36, 0x02, 0x00]
/** From descriptor or number to what the vector at a place names. */
const moved = (to: Bytes, vector: number, call: number): Bytes => [
  ...to,
  ...op.i32(vector),
  ...op.i32(1),
  ...op.i32(508),
  ...op.call(call),
  ...op.drop,
]

/** Reads one file below its first folder, writes the same to another one and to standard output; ends with what the second opening said. */
function copier(from: string, to: string): Uint8Array {
  const body = [
    ...open(100, from.length, 0, 2n, 400),
    ...op.drop,
    ...op.store32(500, 1_000),
    ...op.store32(504, 1_000),
    ...moved(descriptor(400), 500, 2),
    // As much as was read is written.
    ...op.i32(504),
    ...descriptor(508),
    ...store,
    ...moved(op.i32(1), 500, 3),
    ...open(200, to.length, 1, -1n, 404),
    ...moved(descriptor(404), 500, 3),
  ]
  return command(body, [wasiCalls.open, wasiCalls.read, wasiCalls.write], {
    data: [
      [100, from],
      [200, to],
    ],
  })
}

function add(home: BundledHome, name: string, module: Uint8Array, calls: readonly string[], more = ''): void {
  const folder = join(home.folder, 'programs', name)
  mkdirSync(folder, { recursive: true })
  const rights = calls.length === 0 ? '' : `calls = ${JSON.stringify(calls)}\npaths = ["/shared/in"]\n`
  const about = `name = "${name}"\nversion = "1.0.0"\ndescription = "Copies a file."\n${more}`
  writeFileSync(join(folder, 'program.toml'), `[program]\n${about}\n[rights]\n${rights}`)
  writeFileSync(join(folder, 'SKILL.md'), 'Copies a file.')
  writeFileSync(join(folder, 'main.wasm'), module)
}

async function runOf(home: BundledHome, name: string): Promise<ProgramRun<unknown>> {
  const { out } = await home.oxbow(['program', 'run', name, '--json'])
  return JSON.parse(out.split('\n')[0]!) as ProgramRun<unknown>
}

const reading = ['file.list', 'file.read']

void test('a module sees copies of what its paths name, reads and writes as its calls allow, and nothing else', async () => {
  await using home = await openBundled([])
  for (const folder of ['in', 'other']) mkdirSync(join(home.shared, folder))
  writeFileSync(join(home.shared, 'in', 'a.json'), '{"n":3}')
  writeFileSync(join(home.shared, 'other', 'a.json'), '{"secret":true}')
  add(home, 'copy', copier('a.json', 'b.json'), [...reading, 'file.write', 'file.delete'])
  const copied = await runOf(home, 'copy')
  assert.deepEqual([copied.status, copied.result], ['success', { n: 3 }], JSON.stringify(copied))
  assert.equal(readFileSync(join(home.shared, 'in', 'b.json'), 'utf8'), '{"n":3}')

  add(home, 'look', copier('a.json', 'c.json'), reading)
  const looked = await runOf(home, 'look')
  assert.match(looked.failure?.message ?? '', /main\.wasm ended with 69/, 'EROFS')
  assert.equal(existsSync(join(home.shared, 'in', 'c.json')), false)

  add(home, 'stray', copier('../other/a.json', '../other/b.json'), [...reading, 'file.write', 'file.delete'])
  const strayed = await runOf(home, 'stray')
  assert.equal(strayed.failure?.code, 'tool_failed', JSON.stringify(strayed))
  assert.equal(existsSync(join(home.shared, 'other', 'b.json')), false)

  add(home, 'none', copier('a.json', 'd.json'), [])
  assert.equal((await runOf(home, 'none')).status, 'failed')
  assert.equal(existsSync(join(home.shared, 'in', 'd.json')), false)
})

void test('a module that asks for more memory than a program has does not get it', async () => {
  await using home = await openBundled([])
  // Pages of 64 KiB; growing says -1 where it fails.
  const growing = (pages: number): Uint8Array => command([...op.i32(pages), ...op.grow, ...op.i32(1), ...op.add])
  add(home, 'large', growing(2_000), [])
  assert.equal((await runOf(home, 'large')).status, 'success')
  add(home, 'small', growing(10), [])
  assert.match((await runOf(home, 'small')).failure?.message ?? '', /ended with 2/)
})

void test('a module is a tool of an agent, with its own mounts', async () => {
  await using model = await startModel([
    { events: [{ tool_call: { name: 'tool_search', arguments: { query: 'copies a file' } } }] },
    { events: [{ tool_call: { name: 'programs_copy', arguments: {} } }] },
    { events: [{ text: 'done' }] },
  ])
  await using home = await openBundled([], '', model)
  mkdirSync(join(home.shared, 'in'))
  writeFileSync(join(home.shared, 'in', 'a.json'), '{"n":3}')
  add(home, 'copy', copier('a.json', 'b.json'), [...reading, 'file.write', 'file.delete'], 'tool = true\n')
  const { exit, out, err } = await home.oxbow(['run', 'Copy it.', '--yes'])
  assert.equal(exit, 0, out + err)
  const [found, copied] = model.results()
  assert.match(found ?? '', /programs_copy: Copies a file/)
  assert.match(copied ?? '', /\{"n":3\}/)
  assert.equal(readFileSync(join(home.shared, 'in', 'b.json'), 'utf8'), '{"n":3}')
})
