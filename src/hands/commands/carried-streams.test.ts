/** Streams of a program that are carried: whole, in both directions, and at the pace of their reader. */
import assert from 'node:assert/strict'
import { realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { type Duplex, duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { it } from 'node:test'
import { carryStreams } from '../../base/index.ts'
import { acceptStreams } from './carried-streams.ts'
import { createCommandRunner } from './run-command.ts'
import { createLiveCommands } from './start-process.ts'

const signal = new AbortController().signal

function bench() {
  const [inside, outside] = duplexPair()
  const place = { roots: [{ virtual: '/tmp', real: realpathSync(tmpdir()) }], live: createLiveCommands(false), dataLimitKib: null }
  const runner = createCommandRunner(place, acceptStreams(inside))
  const carrier = carryStreams(outside, { maxStreams: 2, onBroken: (problem) => assert.fail(problem) })
  const open = (): Duplex => {
    const [near, mine] = duplexPair()
    carrier.open(near)
    return mine
  }
  return { runner, open }
}

function carried(script: string, env: Record<string, string> = {}) {
  const program = { argv: ['/bin/sh', '-c', script], env: { PATH: '/usr/bin:/bin', ...env } }
  return { command: '', program, cwd: '/', stdin: '', timeoutMs: 60_000, maxOutputBytes: 2, carried: true as const }
}

it('a carried program gets its input and gives its output and its errors whole', async () => {
  for (const size of [10, 3_000_000]) {
    const { runner, open } = bench()
    const [main, errors] = [open(), open()]
    const ended = runner.run(carried(`cat; head -c ${size} /dev/zero >&2; env; exit 3`, { KEY: 'value' }), signal)
    main.end('in\n'.repeat(size / 10))
    // Nobody reads for a while: the program waits.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const [output, failed, { exitCode }] = await Promise.all([text(main), text(errors), ended])
    assert.equal(exitCode, 3)
    assert.equal(failed.length, size)
    assert.ok(output.startsWith('in\n'.repeat(size / 10)))
    const names = output.slice((size / 10) * 3).match(/^\w+(?==)/gm)
    assert.deepEqual(names?.filter((name) => !['PWD', '_', 'OXBOW_COMMAND', 'SHLVL'].includes(name)).sort(), ['KEY', 'PATH'])
  }
})

it('a carried program that is cancelled ends with what it started, and its streams with it', async () => {
  const { runner, open } = bench()
  const [main, errors] = [open(), open()]
  const stop = new AbortController()
  const ended = runner.run(carried('sleep 1000 & echo begun; wait'), stop.signal)
  const whole = Promise.all([text(main), text(errors)])
  while (runner.usage().length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  stop.abort()
  await assert.rejects(ended, /cancelled/)
  assert.deepEqual(await whole, ['begun\n', ''])
})

it('nothing is carried without a port for it', async () => {
  const place = { roots: [], live: createLiveCommands(false), dataLimitKib: null }
  await assert.rejects(createCommandRunner(place).run(carried('true'), signal), /carries no streams/)
})
