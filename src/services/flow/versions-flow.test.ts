import assert from 'node:assert/strict'
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeWorkbench } from '../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { Json } from '../../base/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { asks, done, inOrder, openFixture, says, testCall, user } from '../../kernel/kernel-fixture.ts'

/** A session that has read private data, in a real sandbox. */
const reads = testCall('test.private', async () => done('Ada'), { labels: { adds: ['private'], sink: false } })

describe('labels of files', () => {
  it('hold for versions of them, and for what is restored', async () => {
    await using bench = await makeWorkbench({ insecure: true })
    await using guest = await openFixture({
      sandbox: bench.sandbox,
      versionsFolder: join(bench.root, 'internal', 'versions'),
      calls: [reads, ...builtinCalls({ files: true, shell: false })],
      play: inOrder(asks(['test_private']), asks(['file_write', { path: 'a.md', text: 'Ada' }]), says('done')),
    })
    writeFileSync(join(bench.root, 'shared', 'b.md'), 'nothing')
    const labels = async (name: string, input: Json) => (await guest.kernel.call(name, input)).labels ?? []
    await guest.turn('go')
    await guest.kernel.call('version.commit', { message: 'With it' })
    await guest.kernel.call('file.delete', { path: 'a.md' })
    await guest.kernel.call('version.commit', { message: 'Without' })
    assert.deepEqual(await labels('file.list', { path: '/shared' }), ['untrusted'])
    assert.deepEqual(await labels('version.show', { path: 'a.md', at: 'HEAD~1' }), ['private', 'untrusted'])
    assert.deepEqual(await labels('version.show', { path: 'b.md', at: 'HEAD~1' }), ['untrusted'])
    assert.deepEqual(await labels('version.diff', {}), ['private', 'untrusted'])
    await guest.kernel.call('version.restore', { path: '/', at: 'HEAD~1', apply: true })
    assert.deepEqual(await labels('file.read', { path: 'a.md' }), ['private', 'untrusted'])
    assert.deepEqual(await labels('file.read', { path: 'b.md' }), ['untrusted'])
  })

  it('come along with what is merged from a branch, whatever the workspace had meanwhile', async () => {
    await using bench = await makeWorkbench({ insecure: true })
    const lines = (first: string, last: string): string => [first, 'b', 'c', 'd', 'e', 'f', last, ''].join('\n')
    await using guest = await openFixture({
      sandbox: bench.sandbox,
      versionsFolder: join(bench.root, 'internal', 'versions'),
      calls: [reads, ...builtinCalls({ files: true, shell: false })],
      config: { approval: { mode: 'auto' } },
      play(request) {
        const steps = request.messages.filter(({ role }) => role === 'tool').length
        if (request.system.includes('You are child'))
          return [asks(['test_private']), asks(['file_edit', { path: 'p.md', find: 'last', replace: 'Ada' }])][steps] ?? says('done')
        return [asks(['agent_spawn', { task: 'edit', name: 'child', files: 'branch' }]), asks(['agent_wait', {}])][steps] ?? says('done')
      },
    })
    const labels = async (name: string, input: Json) => (await guest.kernel.call(name, input)).labels ?? []
    await guest.kernel.call('file.write', { path: 'p.md', text: lines('first', 'last') })
    await guest.turn('go')
    await guest.kernel.call('file.write', { path: 'p.md', text: lines('of the workspace', 'last') })
    const listed = await guest.kernel.call('branch.list', {})
    assert.ok(listed.status === 'ok', listed.text)
    const merged = await guest.kernel.call('branch.merge', { branch: listed.output.branches[0]!.name })
    assert.equal(merged.status, 'ok', merged.text)
    const read = await guest.kernel.call('file.read', { path: 'p.md' })
    assert.match(read.text, /of the workspace[^]*Ada/)
    assert.deepEqual(read.labels, ['private', 'untrusted'])
    assert.deepEqual(await labels('version.show', { path: 'p.md', at: 'HEAD' }), ['private', 'untrusted'])
  })

  it('come from the session that works on a branch, after a restart too', async () => {
    await using bench = await makeWorkbench({ insecure: true })
    const store = await openMemoryStore({ user })
    const open = (): ReturnType<typeof openFixture> =>
      openFixture({
        store: Object.assign(Object.create(store), { close: async () => {} }),
        sandbox: { ...bench.sandbox, close: async () => {} },
        versionsFolder: join(bench.root, 'internal', 'versions'),
        calls: builtinCalls({ files: true, shell: false }),
        config: { approval: { mode: 'auto' } },
        play(request) {
          const steps = request.messages.filter(({ role }) => role === 'tool').length
          if (request.system.includes('You are child')) return [asks(['file_write', { path: 'c.md', text: 'c' }])][steps] ?? says('done')
          return [asks(['agent_spawn', { task: 'edit', name: 'child', files: 'branch' }]), asks(['agent_wait', {}])][steps] ?? says('done')
        },
      })
    {
      await using guest = await open()
      await guest.turn('go')
    }
    await using guest = await open()
    const { output } = (await guest.kernel.call('branch.list', {})) as { output: { branches: readonly { name: string }[] } }
    for (const name of ['branch.diff', 'branch.merge']) {
      const { text, labels } = await guest.kernel.call(name, { branch: output.branches[0]!.name })
      assert.match(text, /c\.md/)
      assert.deepEqual(labels, ['untrusted'], name)
    }
  })

  it('are found by comparing the workspace around a command, links and repositories included', async () => {
    await using bench = await makeWorkbench()
    const steps = [
      asks(['shell_exec', { command: 'ln -s /tmp/kept /shared/link && mkdir -p /shared/r/.git' }]),
      says('first'),
      asks(['test_private']),
      asks(['shell_exec', { command: 'echo Ada > /shared/r/.git/x; echo Ada > /tmp/kept; tar cf /shared/a.tar -C /tmp kept' }]),
      asks(['shell_background', { command: 'while [ ! -e /tmp/go ]; do sleep 0.02; done; echo Ada > /shared/later; echo ok' }]),
      says('second'),
    ]
    await using guest = await openFixture({
      sandbox: bench.sandbox,
      calls: [reads, ...builtinCalls({ files: true, shell: true })],
      config: { agent: { rights: ['shell.run', 'file.read', 'file.write'] }, approval: { privileged: 'allow' } },
      play: inOrder(...steps),
    })
    writeFileSync(join(bench.root, 'shared', 'b.md'), 'nothing')
    const labels = async (path: string) => (await guest.kernel.call('file.read', { path })).labels ?? []
    await guest.turn('first')
    assert.deepEqual(await labels('b.md'), ['untrusted'])
    await guest.turn('second')
    for (const path of ['r/.git/x', '/tmp/kept', 'link', 'a.tar']) assert.deepEqual(await labels(path), ['private', 'untrusted'], path)
    assert.deepEqual(await labels('b.md'), ['untrusted'])
    // What the job writes after its call.
    writeFileSync(join(bench.root, 'tmp', 'go'), '')
    await until(async () => (await guest.kernel.call('file.read', { path: 'later' })).status === 'ok')
    assert.deepEqual(await labels('later'), ['private', 'untrusted'])
  })

  it('come from every hard link of a file, whichever link is read or removed', async () => {
    await using bench = await makeWorkbench()
    await using guest = await openFixture({
      sandbox: bench.sandbox,
      versionsFolder: join(bench.root, 'internal', 'versions'),
      calls: builtinCalls({ files: true, shell: true }),
      config: {
        agent: { rights: ['shell.run', 'file.read', 'file.write'] },
        approval: { privileged: 'allow' },
        flow: { source: [{ path: '/shared/finance/**', labels: ['private'] }] },
      },
      play: inOrder(asks(['shell_exec', { command: 'ln /shared/b.md /shared/finance/b.md' }]), says('linked')),
    })
    const here = (path: string): string => join(bench.root, 'shared', path)
    const labels = async (name: string, input: Json) => (await guest.kernel.call(name, input)).labels ?? []
    mkdirSync(here('finance'), { mode: 0o777 })
    for (const name of ['a.md', 'b.md', 'c.md', 'd.md', 'plain.md']) writeFileSync(here(name), name, { mode: 0o666 })
    // A person links these; nothing private is in them yet.
    for (const name of ['a.md', 'c.md', 'd.md']) linkSync(here(name), here(`finance/${name}`))
    linkSync(here('plain.md'), here('plain too.md'))
    assert.deepEqual(await labels('file.read', { path: 'plain.md' }), ['untrusted'])
    assert.deepEqual(await labels('file.read', { path: 'a.md' }), ['private', 'untrusted'], 'linked by a person')
    await guest.kernel.call('file.delete', { path: 'finance/c.md' })
    assert.deepEqual(await labels('file.read', { path: 'c.md' }), ['private', 'untrusted'], 'its other name is gone')
    await guest.kernel.call('file.write', { path: 'finance/d.md', text: 'other' })
    assert.deepEqual(await labels('file.read', { path: 'd.md' }), ['private', 'untrusted'], 'its other name has been replaced')
    await guest.turn('go')
    rmSync(here('finance/b.md'))
    assert.deepEqual(await labels('file.read', { path: 'b.md' }), ['private', 'untrusted'], 'linked by a command')
    assert.deepEqual(await labels('version.show', { path: 'b.md', at: 'HEAD' }), ['private', 'untrusted'])
    assert.deepEqual(await labels('file.read', { path: 'plain.md' }), ['untrusted'])
  })
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
