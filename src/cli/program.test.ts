import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { runProgram } from './program.ts'
import type { Terminal } from './terminal.ts'

async function type(...args: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: {}, version: '1.2.3' } as unknown as Terminal
  input.end()
  const exit = await runProgram(args, terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

void test('every verb explains itself with an example', async () => {
  for (const verb of ['chat', 'run', 'serve', 'approve', 'sessions', 'calls', 'audit', 'status']) {
    const { exit, out } = await type(verb, '--help')
    assert.equal(exit, 0, verb)
    assert.match(out, new RegExp(`Examples:\n.*oxbow ${verb}`), verb)
  }
  for (const args of [['-h'], ['run', '-h'], ['audit', '-h'], ['store', 'backup', '-h']])
    assert.equal((await type(...args)).exit, 0, args.join(' '))
  const { out } = await type('--help')
  for (const verb of ['chat', 'run', 'serve', 'approve', 'sessions', 'calls', 'audit', 'status'])
    assert.match(out, new RegExp(`^  ${verb} `, 'm'))
})

void test('an unknown verb or option is a usage error with a hint', async () => {
  for (const args of [['nonsense'], ['run', '--nonsense'], ['sessions', '--limit', 'x']]) {
    const { exit, err } = await type(...args)
    assert.equal(exit, 2, args.join(' '))
    assert.match(err, /^error: .+\nhint: /s, args.join(' '))
  }
})

void test('failures print an error and a hint, and exit by the table', async () => {
  const empty = await type('run')
  assert.equal(empty.exit, 2)
  assert.match(empty.err, /^error: there is nothing to say\nhint: /)
  const user = await type('sessions', '--user', '../x')
  assert.equal(user.exit, 2)
  assert.match(user.err, /cannot be a user name\nhint: /)
})
