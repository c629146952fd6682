/** Branches of files and files of skills of an isolated guest: its runner makes them, in real sandboxes, and trusts nothing that it is told. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sandbox } from '../../protocol/index.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { openShownSkills } from '../shown-skills.ts'
import { connectSandbox, serveSandbox } from './remote-sandbox.ts'
import { servePrograms } from './remote-servers.ts'
import { connectSkills, serveSkills } from './remote-skills.ts'

const signal = new AbortController().signal
const file = (path: string, content: string) => ({ path, executable: true, content: Buffer.from(content) })

interface Served extends AsyncDisposable {
  readonly bench: Workbench
  readonly folder: string
  /** The guest's end. */
  readonly sandbox: Sandbox
}

async function makeServed(): Promise<Served> {
  await using made = new AsyncDisposableStack()
  const bench = made.use(
    await makeWorkbench({
      async before(root) {
        mkdirSync(join(root, 'shared'), { recursive: true })
        writeFileSync(join(root, 'shared/a.txt'), 'one')
      },
    }),
  )
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-served-'))
  made.defer(() => rmSync(folder, { recursive: true }))
  const own = bench.sandbox
  const sandboxOf = async (branch: string): Promise<Sandbox> => (branch === '' ? own : own.branches!.open(branch))
  // Where `createSandbox` looks for skills.
  const cacheFolder = join(bench.root, 'internal')
  for (const service of [
    await serveSandbox(own, folder),
    await servePrograms(sandboxOf, () => Promise.reject(new Error('no plugins')), folder, [join(cacheFolder, 'skills')]),
    await serveSkills(openShownSkills(cacheFolder), folder),
  ])
    made.defer(() => service.close())
  const sandbox = connectSandbox(folder, own.status)
  made.defer(() => sandbox.close())
  const kept = made.move()
  return { bench, folder, sandbox, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

async function exec(sandbox: Sandbox, command: string): Promise<string> {
  const hands = await sandbox.hands('work')
  const input = { command, cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
  return (await hands.ask('exec', input, { signal, timeoutMs: 15_000 })).stdout
}

test('a branch has the files of the workspace, its hands and programs see the copy, and its end takes the copy along', async () => {
  await using served = await makeServed()
  const { bench, sandbox } = served
  await sandbox.branches!.create('try-1', signal)
  const branch = await sandbox.branches!.open('try-1')
  assert.equal(await exec(branch, 'echo two > a.txt; cat a.txt'), 'two\n')
  assert.equal(await exec(sandbox, 'cat a.txt'), 'one')
  const shared = [{ path: '/shared', writable: false }]
  const program = { command: 'cat', args: ['/shared/a.txt'], env: {}, programFolder: '', folders: shared, pass: null }
  assert.equal(await text((await branch.serve!(program)).output), 'two\n')
  assert.equal(await text((await sandbox.serve!(program)).output), 'one')
  await sandbox.branches!.rest('try-1')
  assert.equal(await exec(await sandbox.branches!.open('try-1'), 'cat a.txt'), 'two\n', 'it rested, and its files are there')
  await sandbox.branches!.drop('try-1')
  while (readdirSync(join(bench.root, 'branches')).length > 0) await pause(5)
  await assert.rejects(sandbox.branches!.open('try-1'), { code: 'not_found' })
  assert.equal(readFileSync(join(bench.root, 'shared/a.txt'), 'utf8'), 'one')
})

test('names that lead elsewhere, and lines that ask for nothing, are refused, and others are served', async () => {
  await using served = await makeServed()
  const { folder, sandbox } = served
  for (const name of ['', '../x', 'a/b', '.git', 'x'.repeat(90_000)])
    await assert.rejects(sandbox.branches!.create(name, signal), { name: 'OxbowError' }, name.slice(0, 20))
  await assert.rejects(sandbox.branches!.create('late', AbortSignal.abort()), { name: 'AbortError' })
  for (const line of ['{', '{"ask":"constructor","name":"a"}', '{"hands":"vault-read","name":"a"}', '{"hands":"work","name":"none"}']) {
    const socket = connect(join(folder, 'branches.sock'))
    socket.resume()
    socket.on('error', () => undefined)
    socket.write(`${line}\n`)
    await once(socket, 'close')
  }
  await sandbox.branches!.create('fine', signal)
  assert.equal(await exec(await sandbox.branches!.open('fine'), 'cat a.txt'), 'one')
})

test('scripts of a skill are shown read-only and run from there; paths that lead out, and other folders, are refused', async () => {
  await using served = await makeServed()
  const { bench, folder, sandbox } = served
  const skills = connectSkills(folder)
  const shown = await skills.show('greet', 'hash-1', [
    file('bin/hello.sh', '#!/bin/sh\necho hello; touch /skills/greet/x && echo wrote; exit $1\n'),
  ])
  const program = { args: [], env: {}, folders: [], pass: null, command: 'true', programFolder: shown }
  const server = await sandbox.serve!({ ...program, programAt: '/skills/greet', command: '/skills/greet/bin/hello.sh', args: ['3'] })
  assert.equal(await text(server.output), 'hello\n')
  await server.exited
  assert.equal(server.exitCode?.(), 3)
  for (const path of ['../out.sh', '/etc/cron.d/x', 'a/../../b'])
    await assert.rejects(skills.show('greet', 'hash-2', [file(path, 'x')]), { code: 'bad_input' }, path)
  await assert.rejects(skills.show('../greet', 'hash-3', []), { code: 'bad_input' })
  assert.equal(existsSync(join(bench.root, 'internal/out.sh')), false)
  for (const programFolder of ['/etc', bench.root, join(bench.root, 'internal')])
    await assert.rejects(sandbox.serve!({ ...program, programFolder }), { code: 'denied' })
})
