import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../../tools/index.ts'
import type { CallOutcome } from '../../../protocol/index.ts'
import { asks, done, newCallId, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'

type Step = readonly [name: string, args?: unknown]

const rights = ['file.read', 'file.write', 'shell.run', 'agent.use']

test('private data stays labelled through a branch: nothing there takes a label back, and what is merged has its writer’s labels', async () => {
  await using bench = await makeWorkbench()
  const secret = testCall('probe.secret', async () => done('the secret'), {
    right: 'file.read',
    tier: 'read_only',
    labels: { adds: ['private'], sink: false },
  })
  let script: ReturnType<typeof asks>[] = []
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: [...builtinCalls({ files: true, shell: true, profiles: ['work'] }), secret],
    config: { agent: { rights }, approval: { privileged: 'allow' } },
    play: () => script.shift() ?? says('done'),
  })
  const labelsAfter = async (...steps: (readonly Step[])[]): Promise<string> => {
    script = steps.map((step) => asks(...step))
    const { id } = await guest.kernel.createSession('one')
    const { turn } = await guest.kernel.sendTurn({ session: id, clientId: newCallId(), text: 'go' })
    const over = Promise.withResolvers<void>()
    const stop = await guest.kernel.follow(id, 0, (event) => {
      if (event.type === 'record' && (event.record.call as string) === turn && event.record.phase === 'outcome') over.resolve()
    })
    await over.promise
    stop()
    return (await guest.store.session(id))?.labels ?? ''
  }
  const onBranch = async (...steps: (readonly Step[])[]): Promise<string> => {
    script = steps.map((step) => asks(...step))
    const started = (await guest.kernel.call('agent.spawn', { task: 'go', name: 'worker', rights, files: 'branch' })) as CallOutcome<{
      id: string
    }>
    assert.equal(started.status, 'ok', started.text)
    const { id } = (started as CallOutcome<{ id: string }> & { status: 'ok' }).output
    await guest.kernel.call('agent.wait', { agents: [id], timeout_s: 20 })
    return id
  }
  const writer = await labelsAfter([['probe_secret']], [['file_write', { path: 'secret.txt', text: 'the secret' }]])
  assert.match(writer, /private/)
  assert.match(await labelsAfter([['shell_exec', { command: 'cat secret.txt' }]]), /private/)
  const deleting = await onBranch([['file_delete', { path: 'secret.txt' }]], [['file_write', { path: 'plain.txt', text: 'x' }]])
  assert.match(await labelsAfter([['shell_exec', { command: 'cat secret.txt' }]]), /private/)
  await guest.kernel.call('branch.drop', { branch: deleting })
  const writing = await onBranch([['probe_secret']], [['shell_exec', { command: 'echo it is > copied.txt' }]])
  const merged = (await guest.kernel.call('branch.merge', { branch: writing })) as CallOutcome & { status: 'ok' }
  assert.match(merged.text, /added \/shared\/copied\.txt/)
  assert.ok(merged.labels?.includes('private'))
  assert.match(await labelsAfter([['file_read', { path: 'copied.txt' }]]), /private/)
})
