/** Nine traps of building a sandbox out of bubblewrap, each found by falling into it (isolation, section 2.2), and what closes it. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findSelfRunning } from '../doctor/workspace-attempts.ts'
import { asker, refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { planBubblewrap } from './bubblewrap-plan.ts'
import { ownSearchPath } from '../host-programs.ts'

const secretName = 'OXBOW_TRAP_SECRET'
const secret = 'hunter2-of-the-traps'

describe('the nine traps', () => {
  let bench: Workbench
  before(async () => {
    process.env[secretName] = secret
    bench = await makeWorkbench({ before: (root) => prepare(root) })
  })
  after(async () => {
    delete process.env[secretName]
    await bench?.[Symbol.asyncDispose]()
  })
  const exec = (command: string) =>
    asker(bench.sandbox)('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 })
  const refused = async (command: string) => assert.notEqual((await exec(command)).exitCode, 0, command)

  it('trap 1: the first process of the sandbox shows neither the environment nor the command line of the host', async () => {
    const { stdout } = await exec('cat /proc/1/environ /proc/1/cmdline | tr "\\0" "\\n"; echo; cat /proc/[0-9]*/environ | tr "\\0" "\\n"')
    assert.ok(!stdout.includes(secret) && !stdout.includes(bench.root), stdout)
    assert.match(stdout, /^PATH=/m)
  })

  it('trap 2: root steps down to a uid that can read nothing of the host’s root', async () => {
    const { stdout } = await exec('id -u; grep CapEff /proc/self/status | tr -d "CapEf:\\t"; echo mine > mine; cat /etc/shadow')
    const [uid, capabilities, ...more] = stdout.split('\n')
    assert.notEqual(uid, '0')
    assert.equal(capabilities, '0000000000000000')
    assert.deepEqual(more, [''])
    // The map of the user namespace is nested; what the host sees counts.
    assert.notEqual((await lstat(join(bench.root, 'shared/mine'))).uid, 0)
  })

  it('trap 3: hooks of a repository cannot be changed, nor moved away; one that a command makes anew is found and named', async () => {
    await refused('echo evil > .git/hooks/pre-commit')
    await refused('mv .git old')
    assert.equal((await exec('mkdir -p new/.git/hooks && echo evil > new/.git/hooks/post-checkout')).exitCode, 0)
    const { found } = await findSelfRunning(join(bench.root, 'shared/new'))
    assert.deepEqual(found, ['.git/hooks/post-checkout (git)'])
    // File calls do not touch it; the command that did is on record.
    await refusedWith('path_refused', asker(bench.sandbox)('write', { path: '/shared/new/.git/hooks/pre-push', text: 'evil' }))
  })

  it('trap 4: nothing types into a terminal, and interactive shells keep job control', async () => {
    const ask = asker(bench.sandbox)
    const terminal = { columns: 80, rows: 24 }
    const { id } = await ask('sessionOpen', { owner: '', kind: 'shell', command: '', cwd: '/tmp', terminal })
    // TIOCSTI into one's own terminal, without privileges: perl gives the number of the error, EPERM.
    const text =
      'perl -e \'my $c = "x"; print ioctl(STDIN, 0x5412, $c) ? qq(typed\\n) : qq(refused ) . ($!+0) . qq(\\n)\'; set -o | grep monitor\n'
    const { total } = await ask('sessionWrite', { owner: '', id, text, keys: [] })
    // A shell that waits for the next command is not waited for: the read ends when the prompt is there.
    const page = { owner: '', id, from: total, maxBytes: 10_000, waitMs: 20_000, until: 'quiet' as const, quietMs: 20_000, plain: true }
    const { text: output } = await ask('sessionRead', page)
    await ask('sessionClose', { owner: '', id })
    assert.match(output, /refused 1\b/)
    assert.match(output, /monitor\s+on/)
  })

  it('trap 5: sockets that pass every network namespace cannot be opened', async () => {
    assert.equal((await exec("perl -e 'exit(socket(my $s, 40, 1, 0) ? 0 : $!+0)'")).exitCode, 97)
  })

  it('trap 6: a limit of one file is not one of their sum, and nobody is told otherwise', async () => {
    const { limits } = bench.sandbox.status
    assert.ok(limits.some((line) => line.startsWith('largest file: ')))
    assert.ok(limits.some((line) => line.startsWith('disk: no limit in all')))
  })

  it('trap 7: a setuid bit has no effect inside, is named, and is gone after the next start of root', async () => {
    await exec('cp /usr/bin/id /shared/id && chmod 4755 /shared/id')
    const file = join(bench.root, 'shared/id')
    const { stdout } = await exec('/shared/id -u; /shared/id -ru')
    const [effective, real] = stdout.split('\n')
    assert.equal(effective, real)
    if (((await lstat(file)).mode & 0o4000) === 0) return
    assert.ok((await findSelfRunning(join(bench.root, 'shared'))).found.some((line) => line.startsWith('id (anybody')))
    if (process.getuid?.() !== 0) return
    await refusedWith('sandbox_failed', exec('kill -9 2; sleep 5'))
    await exec('true')
    assert.equal((await lstat(file)).mode & 0o6000, 0)
  })

  it('trap 8: control groups that a killed kernel has left are gone after the next start', async (t) => {
    const plan = await planBubblewrap(ownSearchPath())
    const parents = 'code' in plan ? [] : plan.cgroups
    if (parents.length === 0) return t.skip('no writable control group: run as root, or let systemd delegate one')
    if (parents.some(({ scopes }) => scopes !== undefined)) return t.skip('systemd makes the groups here, and removes those that are empty')
    // Above every number that a process can have.
    const left = parents.map(({ folder }) => join(folder, 'oxbow-4194304999-trap'))
    for (const folder of left) await mkdir(folder)
    const next = await makeWorkbench()
    await asker(next.sandbox)('list', { path: '/tmp', depth: 1, glob: '', all: true, skip: 0, maxEntries: 1 })
    await next.sandbox.close()
    await next.remove()
    assert.deepEqual(left.filter(existsSync), [])
  })

  it('trap 9: a command that signals its process group reaches neither hands nor the kernel', async () => {
    const { signal } = await exec('kill -TERM 0; sleep 5')
    assert.equal(signal, 'SIGTERM')
    assert.equal((await exec('echo alive')).stdout, 'alive\n')
    assert.equal(await readFile(join(bench.root, 'shared/.git/config'), 'utf8'), '[core]\n')
  })
})

describe('a repository that a command has made', () => {
  it('cannot mislead the next sandbox: links in place of guarded paths are not followed', async () => {
    const outside = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-outside-')))
    await chmod(outside, 0o777)
    await writeFile(join(outside, 'secret'), secret, { mode: 0o666 })
    await writeFile(join(outside, 'HEAD'), secret, { mode: 0o666 })
    const attacks = [
      `mkdir .git && echo x > .git/HEAD && ln -s ${outside} .git/hooks`,
      `mkdir .git && echo x > .git/HEAD && ln -s ${outside}/secret .git/config`,
      `ln -s ${outside} .git`,
      `mkdir -p project/.git && echo x > project/.git/HEAD && ln -s ${outside} project/.git/hooks`,
      `mkdir -p project && ln -s ${outside} project/.git`,
    ]
    for (const attack of attacks) {
      const bench = await makeWorkbench()
      const exec = (command: string) =>
        asker(bench.sandbox)('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 })
      await refusedWith('sandbox_failed', exec(`${attack}; kill -9 2; sleep 5`))
      const { stdout } = await exec('cat .git/* .git/hooks/* project/.git/* project/.git/hooks/* 2>/dev/null; echo alive')
      await bench.sandbox.close()
      await bench.remove()
      assert.ok(!stdout.includes(secret), attack)
      assert.match(stdout, /alive/)
    }
    await rm(outside, { recursive: true })
  })
})

describe('a move to the other file system, and a delete,', () => {
  it('remove nothing that cannot be removed completely, or report it', async () => {
    await using parts = new AsyncDisposableStack()
    const bench = await makeWorkbench({ before: (root) => prepare(root, 'a project') })
    parts.defer(() => bench.remove())
    parts.defer(() => bench.sandbox.close())
    const ask = asker(bench.sandbox)
    const exec = (command: string) => ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 })
    const move = (from: string, to: string) => ask('move', { from, to, overwrite: false })
    await exec('echo work > "a project/work"; mkdir -p tree/kept && echo x > tree/kept/file && chmod 555 tree/kept')
    assert.match(await refusedWith('path_refused', move('/shared/a project', '/tmp/project')), /\/shared\/a project contains .* protected/)
    assert.equal((await exec('cat "a project/work"; ls /tmp')).stdout, 'work\n')
    assert.match(await refusedWith('tool_failed', move('/shared/tree', '/tmp/tree')), /\/tmp\/tree has a complete copy of \/shared\/tree/)
    assert.equal((await exec('cat /tmp/tree/kept/file tree/kept/file')).stdout, 'x\nx\n')
    assert.deepEqual(await move('/shared/a project', '/shared/other'), { kind: 'folder', replaced: false })
    await exec(
      'mkdir odd; for i in $(seq 30); do mkdir odd/$i; echo x > odd/$i/file; chmod 555 odd/$i; done; echo x > odd/closed; chmod 0 odd/closed',
    )
    await refusedWith('path_refused', move('/shared/odd', '/tmp/odd'))
    assert.equal((await exec('ls -A /tmp')).stdout, 'tree\n')
    const removing = ask('delete', { path: '/shared/other', recursive: true })
    assert.match(await refusedWith('path_refused', removing), /\/shared\/other cannot be deleted completely \(EBUSY\)/)
  })
})

async function prepare(root: string, project = ''): Promise<void> {
  const git = join(root, 'shared', project, '.git')
  await mkdir(join(git, 'hooks'), { recursive: true })
  await writeFile(join(git, 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(git, 'config'), '[core]\n')
  await chmod(join(git, 'config'), 0o644)
}
