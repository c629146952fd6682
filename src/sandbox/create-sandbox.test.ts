import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createSandbox } from './create-sandbox.ts'
import { createFakeSandbox } from './fake/fake-sandbox.ts'
import { asker, describeSandboxContract, refusedWith } from './sandbox-contract.ts'
import { makeWorkbench, testBrowser, testLimits, type Workbench } from './sandbox-fixture.ts'

describeSandboxContract('bubblewrap', () => makeWorkbench())
describeSandboxContract('insecure', () => makeWorkbench({ insecure: true }))
describeSandboxContract('fake', async () => ({ sandbox: createFakeSandbox(), remove: () => Promise.resolve() }))

describe('a machine without bubblewrap', () => {
  it('has no tools, says why, and names the package', async () => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-none-'))
    const sandbox = await createSandbox({
      workspaceRoot: root,
      limits: testLimits,
      browser: testBrowser,
      insecure: false,
      searchPath: root,
    })
    assert.deepEqual([sandbox.status.tier, sandbox.status.files, sandbox.status.shell], ['none', false, false])
    assert.match(sandbox.status.problem!.hint, /apt-get install bubblewrap/)
    await refusedWith('sandbox_missing', sandbox.hands('work'))
    await sandbox.close()
    await rm(root, { recursive: true })
  })

  it('shows in its status why a launcher that is installed does not work', async () => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-broken-'))
    // The launcher steps down to a uid that must be able to get there.
    await chmod(root, 0o755)
    const bin = join(root, 'bin')
    await mkdir(bin)
    await writeFile(join(bin, 'bwrap'), '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n', { mode: 0o755 })
    const searchPath = `${bin}:/usr/bin:/bin:/usr/sbin:/sbin`
    const sandbox = await createSandbox({ workspaceRoot: root, limits: testLimits, browser: testBrowser, insecure: false, searchPath })
    assert.equal(sandbox.status.shell, true)
    await refusedWith('sandbox_missing', sandbox.hands('work'))
    assert.deepEqual([sandbox.status.tier, sandbox.status.files, sandbox.status.shell], ['none', false, false])
    assert.match(sandbox.status.problem!.message, /No permissions to create new namespace/)
    assert.match(sandbox.status.problem!.hint, /user\.max_user_namespaces/)
    await sandbox.close()
    await rm(root, { recursive: true })
  })
})

describe('insecure hands', () => {
  let bench: Workbench
  before(async () => {
    bench = await makeWorkbench({ insecure: true })
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })

  it('run no commands', async () => {
    assert.equal(bench.sandbox.status.shell, false)
    const exec = { command: 'true', cwd: '/shared', stdin: '', timeoutMs: 1_000, maxOutputBytes: 1_000 }
    await refusedWith('sandbox_missing', asker(bench.sandbox)('exec', exec))
  })

  it('refuse links that leave the workspace and never name a path of the host', async () => {
    const ask = asker(bench.sandbox)
    const outside = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-outside-')))
    await writeFile(join(outside, 'secret'), 'hunter2')
    await symlink(join(outside, 'secret'), join(bench.root, 'shared/link'))
    await symlink(outside, join(bench.root, 'shared/folder'))
    await symlink(join(outside, 'new'), join(bench.root, 'shared/dangling'))
    await symlink('../tmp', join(bench.root, 'shared/inside'))
    const range = { fromLine: 1, maxLines: 1, maxBytes: 100 }
    const messages = [
      await refusedWith('path_refused', ask('read', { path: '/shared/link', ...range })),
      await refusedWith('path_refused', ask('read', { path: '/shared/folder/secret', ...range })),
      await refusedWith('path_refused', ask('write', { path: '/shared/link', text: 'x' })),
      await refusedWith('path_refused', ask('write', { path: '/shared/folder/new/file', text: 'x' })),
      await refusedWith('path_refused', ask('write', { path: '/shared/dangling', text: 'x' })),
      await refusedWith('path_refused', ask('edit', { path: '/shared/link', find: 'hunter', replace: 'x', all: false })),
      await refusedWith('path_refused', ask('delete', { path: '/shared/folder/secret', recursive: false })),
      await refusedWith('path_refused', ask('list', { path: '/shared/folder', depth: 1, glob: '', all: true, skip: 0, maxEntries: 10 })),
    ]
    for (const message of messages) assert.ok(!message.includes(bench.root) && !message.includes(outside), message)
    const search = {
      path: '/shared',
      pattern: 'hunter2',
      regex: false,
      ignoreCase: false,
      glob: '',
      all: true,
      contextLines: 0,
      skip: 0,
      maxMatches: 10,
    }
    assert.deepEqual((await ask('search', search)).matches, [])
    const { bytes, created } = await ask('write', { path: '/shared/inside/fine', text: 'x' })
    assert.deepEqual([bytes, created], [1, true])
    assert.deepEqual(await ask('delete', { path: '/shared/folder', recursive: true }), { deleted: 1 })
    await rm(outside, { recursive: true })
  })
})
