/** `oxbow wasm run` from end to end: the real program, which asks the real guest program, which starts the real thread. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { assemble, type FixtureFunction, op } from '../../sandbox/wasm/wasm-fixture.ts'
import { errorTable } from '../../base/index.ts'
import { program } from '../../../test/support/built.ts'

let home = ''

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

async function oxbow(...args: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const child = spawn(process.execPath, [program, ...args], { env, cwd: home })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end()
  return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, out, err })))
}

before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-wasm-verb-'))
  shareCompileCache(home)
  mkdirSync(join(home, 'in'))
  mkdirSync(join(home, 'out'))
  writeFileSync(join(home, 'in', 'a.txt'), 'hello')
  writeFileSync(
    join(home, 'copy.mjs'),
    `export default (n) => {
      console.log('a \\u001b[31mred\\u001b[0m word')
      oxbow.write('/out/b.txt', oxbow.read('/in/a.txt').repeat(n))
      return oxbow.list('/out')
    }`,
  )
  writeFileSync(join(home, 'spin.mjs'), 'export default () => { for (;;); }')
  const functions: readonly FixtureFunction[] = [
    { export: '_start', body: [] },
    { export: 'run', params: ['i32', 'i32'], results: ['i32', 'i32'], body: [...op.get(0), ...op.get(1)] },
  ]
  writeFileSync(join(home, 'echo.wasm'), assemble({ functions }))
})

after(() => rmSync(home, { recursive: true, force: true }))

void test('a tool gets its input and mounts, its output is printed, and its files are in the folder', async () => {
  const { exit, out, err } = await oxbow('wasm', 'run', 'copy.mjs', '--input', '2', '--mount', 'in', '--mount', 'out:rw')
  assert.equal(exit, 0, err)
  assert.equal(out, 'a red word\n["b.txt"]\n')
  assert.match(err, /^written {2}\/out\/b\.txt$/m)
  assert.equal(readFileSync(join(home, 'out', 'b.txt'), 'utf8'), 'hellohello')
})

void test('a folder is read-only by default', async () => {
  const { exit, err } = await oxbow('wasm', 'run', 'copy.mjs', '--input', '1', '--mount', 'in', '--mount', 'out')
  assert.equal(exit, errorTable.tool_failed.exit)
  assert.match(err, /error: .*read-only mount.*\nhint: /)
})

void test('a module is run as a command, or a function of it with JSON', async () => {
  const started = await oxbow('wasm', 'run', 'echo.wasm', '--json')
  assert.equal(started.exit, 0, started.err)
  assert.equal((JSON.parse(started.out) as { kind: string }).kind, 'wasi')
  const called = await oxbow('wasm', 'run', 'echo.wasm', '--function', 'run', '--input', '{"a": [1]}')
  assert.equal(called.out, '{"a":[1]}\n', called.err)
})

void test('a failure is an error with a hint, and its exit code is from the table', async () => {
  const late = await oxbow('wasm', 'run', 'spin.mjs', '--timeout', '1')
  assert.equal(late.exit, errorTable.timeout.exit)
  assert.match(late.err, /^error: The tool ran longer than 1000 ms.*\nhint: /)
  assert.equal((await oxbow('wasm', 'run', 'none.wasm')).exit, errorTable.not_found.exit)
  assert.equal((await oxbow('wasm', 'run', 'echo.wasm', '--input', '{')).exit, errorTable.bad_input.exit)
  assert.equal((await oxbow('wasm', 'run', 'echo.wasm', '--mount', 'none')).exit, errorTable.not_found.exit)
})

void test('a folder behind a link in a workspace is not mounted, because an agent may have made the link', async () => {
  mkdirSync(join(home, '.ssh'))
  mkdirSync(join(home, 'users/default/shared'), { recursive: true })
  symlinkSync(join(home, '.ssh'), join(home, 'users/default/shared/out'))
  writeFileSync(join(home, 'steal.mjs'), `export default () => oxbow.write('/out/authorized_keys', 'evil')`)
  const { exit, err } = await oxbow('wasm', 'run', 'steal.mjs', '--mount', 'users/default/shared/out:rw')
  assert.equal(exit, errorTable.bad_input.exit, err)
  assert.match(err, /is a link to/)
  assert.throws(() => readFileSync(join(home, '.ssh/authorized_keys')))
})
