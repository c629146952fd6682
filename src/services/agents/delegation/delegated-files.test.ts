import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../../tools/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { asks, inOrder, openFixture, says } from '../../../kernel/kernel-fixture.ts'
import type { Delegated } from './delegated-end.ts'

const rights = ['file.read', 'file.write', 'shell.run']
const writer: DefinitionText = {
  kind: 'agents',
  name: 'writer',
  toml: `description = "Writes."\nrights = ${JSON.stringify(rights)}`,
  text: 'Write.',
  problem: '',
}
const diff = '--- /dev/null\n+++ b/patched.txt\n@@ -0,0 +1 @@\n+new\n--- a/small.txt\n+++ b/small.txt\n@@ -1 +1 @@\n-one\n+two\n'

test('a delegation names the files that its calls and its commands have changed, and none of a call that failed', async () => {
  await using bench = await makeWorkbench()
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: true, profiles: ['work'] }),
    config: { agent: { rights: [...rights, 'agent.spawn'] }, approval: { privileged: 'allow' } },
    host: { definitions: async () => [writer] } as unknown as HostPort,
    play: inOrder(
      asks(['file_write', { path: 'large.txt', text: 'long '.repeat(60_000) }]),
      asks(['file_write', { path: 'small.txt', text: 'one\n' }]),
      asks(['file_patch', { diff }]),
      asks(['file_edit', { path: 'absent.txt', find: 'x', replace: 'y' }]),
      asks(['shell_exec', { command: 'mkdir made; echo it > made/by-command.txt' }]),
      says('Written.'),
    ),
  })
  const ended = await guest.kernel.call('agent.delegate', { agent: 'writer', goal: 'Write.' }, guest.session)
  assert.equal(ended.status, 'ok', ended.text)
  const { status, files } = (ended as { output: Delegated }).output
  assert.equal(status, 'success')
  const made = ['/shared/large.txt', '/shared/made/by-command.txt', '/shared/patched.txt', '/shared/small.txt']
  assert.deepEqual(files.toSorted(), made)
})

test('delegations work on branches that their conversation has made, each on its own, and on nobody else’s', async () => {
  await using bench = await makeWorkbench()
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: true, profiles: ['work'] }),
    config: { agent: { rights: [...rights, 'agent.spawn'] }, approval: { privileged: 'allow' } },
    host: { definitions: async () => [writer] } as unknown as HostPort,
    play: ({ messages }) => {
      const part = /part (\w+)/.exec(JSON.stringify(messages[0]))![1]!
      return messages.length === 1 ? asks(['file_write', { path: `${part}.txt`, text: part }]) : says('Written.')
    },
  })
  const { kernel, session } = guest
  const other = (await kernel.createSession('other')).id
  for (const [name, of] of [
    ['one', session],
    ['two', session],
    ['theirs', other],
  ] as const)
    assert.equal((await kernel.call('branch.create', { name }, of)).status, 'ok')
  const task = (id: string, branch: string) => ({ id, agent: 'writer', goal: `Write part ${id}.`, branch })
  const tasks = [task('a', 'one'), task('b', 'two'), task('c', 'theirs'), task('d', 'nothing')]
  const outcome = await kernel.call('agent.fan_out', { tasks }, session)
  const ends = (outcome as unknown as { output: { tasks: readonly Delegated[] } }).output.tasks
  assert.deepEqual(
    ends.map(({ status, code, branch }) => [status, code, branch]),
    [
      ['success', '', 'one'],
      ['success', '', 'two'],
      ['refused', 'not_found', ''],
      ['refused', 'not_found', ''],
    ],
  )
  for (const [branch, path] of [
    ['one', 'a.txt'],
    ['two', 'b.txt'],
  ] as const) {
    const { output } = (await kernel.call('branch.diff', { branch })) as unknown as { output: { changes: readonly object[] } }
    assert.deepEqual(output.changes, [{ path: `/shared/${path}`, change: 'added' }])
  }
})
