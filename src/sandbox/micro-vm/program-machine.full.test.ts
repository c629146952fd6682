/** A program of others in a machine does what servers do in every sandbox, and what it is allowed to change comes back. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, it } from 'node:test'
import type { ServerProgram } from '../../protocol/index.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { describeServerContract } from '../server-contract.ts'
import { vmFixture } from './vm-fixture.ts'

const { limits, skip } = await vmFixture()

if (skip === false) describeServerContract('micro_vm', (more) => makeWorkbench({ ...more, limits }), { copies: true })

describe('the machine of a program', { skip, timeout: 240_000 }, () => {
  const shell = (script: string, more: Partial<ServerProgram> = {}): ServerProgram => {
    return { command: '/bin/sh', args: ['-c', script], env: {}, programFolder: '', folders: [], pass: null, ...more }
  }

  it('brings back its own data and what it is allowed to change while it runs, and of the rest nothing, whatever it does to its copy', async () => {
    await using bench = await makeWorkbench({ limits })
    await mkdir(join(bench.root, 'shared'), { recursive: true })
    await writeFile(join(bench.root, 'shared/a'), 'before\n')
    const state = join(bench.root, 'internal/state')
    await mkdir(state, { recursive: true })
    await writeFile(join(state, 'kept'), 'kept\n')
    const folders = [{ path: '/shared', writable: false }]
    const write = 'cat /data/kept; echo new > /data/new; echo x > /run/oxbow/0/a; echo said'
    const script = `${write}; until grep -q person /shared/a; do sleep 0.3; done; cat /shared/a; exit 7`
    const server = await bench.sandbox.serve!(shell(script, { state, folders }))
    let output = ''
    server.output.on('data', (bytes: Buffer) => (output += bytes.toString())).resume()
    while (!output.includes('said')) await delay(20)
    // While it runs: what it has written comes, and what the person writes is seen.
    while (!(await readdir(state)).includes('new')) await delay(50)
    await writeFile(join(bench.root, 'shared/a'), 'person\n')
    await server.exited
    assert.equal(server.exitCode?.(), 7)
    assert.equal(output, 'kept\nsaid\nperson\n')
    assert.equal(await readFile(join(bench.root, 'shared/a'), 'utf8'), 'person\n')
    assert.equal(await readFile(join(state, 'new'), 'utf8'), 'new\n')
    const left = await readdir(join(bench.root, 'internal/micro-vm'))
    assert.deepEqual(
      left.filter((name) => name.startsWith('program')),
      [],
    )
  })

  it('loses no output of a program that has ended before somebody reads it', async () => {
    await using bench = await makeWorkbench({ limits })
    const server = await bench.sandbox.serve!(shell('head -c 60000 /dev/zero | tr "\\0" o; head -c 60000 /dev/zero | tr "\\0" e >&2'))
    await server.exited
    const [output, errors] = await Promise.all([text(server.output), text(server.errors)])
    assert.deepEqual([output.length, errors.length, server.exitCode?.()], [60_000, 60_000, 0])
  })

  it('says why, where a program does not exist, and is ended with its sandbox', async () => {
    const bench = await makeWorkbench({ limits })
    const missing = await bench.sandbox.serve!(shell('', { command: '/no/program', args: [] }))
    assert.match(await text(missing.errors), /\/no\/program/)
    await missing.exited
    assert.equal(missing.exitCode?.(), 127)
    const running = await bench.sandbox.serve!(shell('sleep 1000'))
    await bench[Symbol.asyncDispose]()
    await running.exited
  })
})
