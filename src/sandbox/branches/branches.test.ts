import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Sandbox } from '../../protocol/index.ts'
import { makeWorkbench, type WorkbenchOptions } from '../sandbox-fixture.ts'

const signal = new AbortController().signal

async function exec(sandbox: Sandbox, command: string): Promise<{ readonly exitCode: number | null; readonly stdout: string }> {
  const hands = await sandbox.hands('work')
  const input = { command, cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
  return hands.ask('exec', input, { signal, timeoutMs: 15_000 })
}

async function withBranch(
  { linked = true, ...options }: WorkbenchOptions & { readonly linked?: boolean },
  run: (place: { readonly root: string; readonly sandbox: Sandbox; readonly branch: Sandbox }) => Promise<void>,
): Promise<void> {
  const before = async (root: string): Promise<void> => {
    mkdirSync(join(root, 'shared/deep'), { recursive: true })
    writeFileSync(join(root, 'shared/deep/a.txt'), 'one')
    writeFileSync(join(root, 'shared/run.sh'), '#!/bin/sh\n')
    chmodSync(join(root, 'shared/run.sh'), 0o755)
    if (linked) symlinkSync('/etc/shadow', join(root, 'shared/out'))
  }
  await using bench = await makeWorkbench({ ...options, before })
  const { root, sandbox } = bench
  await sandbox.branches!.create('try-1', signal)
  await run({ root, sandbox, branch: await sandbox.branches!.open('try-1') })
}

test('a branch has the files of the workspace, which does not see what it changes, nor it what it has changed itself', async () => {
  await withBranch({}, async ({ root, sandbox, branch }) => {
    const { stdout } = await exec(branch, 'cat deep/a.txt; readlink out; test -x run.sh && echo runs; ls /')
    assert.match(stdout, /^one\/etc\/shadow\nruns\n/)
    assert.doesNotMatch(stdout, /original/, 'only the copy is made with a view of the workspace')
    await exec(branch, 'echo two > deep/a.txt; rm run.sh; echo x > /tmp/only-here')
    await exec(sandbox, 'echo three > deep/a.txt; rm -f run.sh; touch run.sh')
    assert.equal(readFileSync(join(root, 'shared/deep/a.txt'), 'utf8'), 'three\n')
    assert.equal((await exec(branch, 'ls run.sh')).exitCode, 2)
    assert.equal((await exec(sandbox, 'test -e run.sh && ls /tmp/only-here')).exitCode, 2)
    await sandbox.branches!.create('try-1', signal)
    assert.equal((await exec(branch, 'cat deep/a.txt')).stdout, 'two\n', 'a branch that exists stays')
  })
})

test('a dropped branch ends with its processes and its files, and its name is free again', async () => {
  await withBranch({}, async ({ root, sandbox, branch }) => {
    const hanging = exec(branch, 'sleep 1000')
    await exec(branch, 'true')
    await Promise.all([assert.rejects(hanging, { code: 'sandbox_failed' }), sandbox.branches!.drop('try-1')])
    while (readdirSync(join(root, 'branches')).length > 0) await pause(5)
    await assert.rejects(sandbox.branches!.open('try-1'), { code: 'not_found' })
    await sandbox.branches!.drop('try-1')
    await sandbox.branches!.create('try-1', signal)
    assert.equal((await exec(await sandbox.branches!.open('try-1'), 'cat deep/a.txt')).stdout, 'one')
    for (const name of ['../x', '', 'a/b', '.git', 'a.', 'a..b', 'x'.repeat(101)])
      await assert.rejects(sandbox.branches!.create(name, signal), { code: 'bad_input' })
  })
})

test('a branch whose making was interrupted is made again', async () => {
  await withBranch({}, async ({ root, sandbox }) => {
    mkdirSync(join(root, 'branches/try-2./shared'), { recursive: true })
    writeFileSync(join(root, 'branches/try-2./shared/half'), '')
    mkdirSync(join(root, 'branches/try-0./shared'), { recursive: true })
    await assert.rejects(sandbox.branches!.open('try-2'), { code: 'not_found' })
    await sandbox.branches!.create('try-2', signal)
    assert.equal((await exec(await sandbox.branches!.open('try-2'), 'ls')).stdout, 'deep\nout\nrun.sh\n')
    await assert.rejects(sandbox.branches!.create('try-3', AbortSignal.abort()), { name: 'AbortError' })
    assert.equal(existsSync(join(root, 'branches/try-3')), false)
    while (existsSync(join(root, 'branches/try-0.'))) await pause(5)
  })
})

test('a branch keeps what it changes in folders of the person apart, and shows read-only ones as they are', async () => {
  const own = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-branch-')))
  for (const name of ['', 'site', 'papers']) mkdirSync(join(own, name), { recursive: true })
  for (const name of ['', 'site', 'papers']) chmodSync(join(own, name), 0o777)
  writeFileSync(join(own, 'site/index.html'), 'old')
  chmodSync(join(own, 'site/index.html'), 0o666)
  writeFileSync(join(own, 'papers/a.txt'), 'paper')
  const mounts = [
    { name: 'site', path: join(own, 'site'), readOnly: false },
    { name: 'papers', path: join(own, 'papers'), readOnly: true },
  ]
  try {
    await withBranch({ mounts }, async ({ branch }) => {
      assert.equal((await exec(branch, 'cat papers/a.txt; echo new > site/index.html; cat site/index.html')).stdout, 'papernew\n')
      assert.notEqual((await exec(branch, 'echo x > papers/a.txt')).exitCode, 0)
      assert.equal(readFileSync(join(own, 'site/index.html'), 'utf8'), 'old')
    })
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
})

for (const [how, searchPath] of [
  ['in a process sandbox', undefined],
  ['by an archive', '/nowhere'],
] as const)
  test(`a tier that cannot show two folders copies ${how}`, async () => {
    const options = { insecure: true, ...(searchPath !== undefined && { searchPath, linked: false }) }
    await withBranch(options, async ({ root, sandbox, branch }) => {
      const input = { path: '/shared/deep/a.txt', offset: 0, maxBytes: 100 }
      const { content } = await (await branch.hands('work')).ask('bytes', input, { signal, timeoutMs: 5_000 })
      assert.equal(Buffer.from(content).toString(), 'one')
      assert.equal(existsSync(join(root, 'branches/try-1/shared/run.sh')), true)
      await sandbox.branches!.drop('try-1')
    })
  })
