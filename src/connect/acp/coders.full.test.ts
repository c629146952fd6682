/** Coding agents of others, in a real sandbox before a real kernel: the SDK's example agent, and one that breaks the rules. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { asks, inOrder, newCallId } from '../../kernel/kernel-fixture.ts'
import { checkout, makeCoderBench } from './coder-fixture.ts'

void describe('a coding agent', () => {
  void it('is approved as it was shown, with the hosts it may reach, and no longer once any of that changes', async () => {
    await using bench = await makeCoderBench()
    const settings = { command: 'node', args: ['/opt/server/agent.js'], program_folder: bench.folder, files: 'none' }
    await bench.call('coder.add', { agent: 'helper', settings })
    assert.equal((await bench.call('acp.helper', { goal: 'look' })).status, 'refused')
    assert.equal((await bench.call('coder.approve', { agent: 'helper', digest: 'made up' })).status, 'failed')
    await bench.add('helper', { files: 'none', env: { TOKEN: '$TOKEN' } })
    const first = await bench.task('helper', 'look')
    // Its own secret, no files, no network; the value leaves as a handle.
    assert.match(first.text, /token=\S+.* shared=ENOENT ENOENT home=\S* turn=1no network/)
    assert.doesNotMatch(first.text, /the value of the token/)
    const again = await bench.task('helper', 'look', { context: first.context })
    assert.match(again.text, /turn=2/)
    writeFileSync(join(bench.folder, 'version'), '2')
    await assert.rejects(bench.task('helper', 'look'), { code: 'denied', message: /has changed since a person approved it/ })
    const { output } = (await bench.call('coder.show', { agent: 'helper' })) as { output: { state: string } }
    assert.equal(output.state, 'changed')
    await bench.call('coder.add', { agent: 'helper', settings: { ...settings, allow: ['example.com'] } })
    await assert.rejects(bench.task('helper', 'look'))
    await bench.call('coder.remove', { agent: 'helper' })
    assert.equal((await bench.call('acp.helper', { goal: 'look' })).status, 'refused')
  })

  void it('works on a branch: its files, its commands and what it asks are calls, and the workspace stays as it is', async () => {
    await using bench = await makeCoderBench()
    await bench.add('helper', { files: 'branch' })
    const written = await bench.task('helper', 'write')
    assert.equal(written.status, 'success')
    assert.match(written.text, /"content":"new"/)
    assert.deepEqual(written.files.toSorted(), ['/shared/new.txt', '/shared/own.txt'])
    assert.equal(existsSync(join(bench.bench.root, 'shared/new.txt')), false)
    await bench.record(({ name, phase, actor }) => name === 'coder.write_file' && phase === 'outcome' && actor === 'agent:acp.helper')
    // A command asks, because it is privileged.
    const running = bench.task('helper', 'run', { context: written.context })
    const parked = await bench.record(({ name, phase }) => name === 'coder.run' && phase === 'parked')
    await bench.kernel.approve(parked.call, true)
    assert.match((await running).text, /\{"exitCode":3,"signal":null\}.*The workspace\./)
    const merged = await bench.call('branch.merge', { branch: written.branch })
    assert.equal(merged.status, 'ok')
    assert.equal(readFileSync(join(bench.bench.root, 'shared/new.txt'), 'utf8'), 'new')
  })

  void it('reads and writes files as the bytes they are', async () => {
    await using bench = await makeCoderBench()
    const folder = join(bench.bench.root, 'shared')
    mkdirSync(join(folder, 'copied'))
    const texts = [
      'one\ntwo\n',
      '\ufeffmarked\r\n',
      'no newline at the end',
      '\n',
      '',
      '\n\n',
      '\u200b\u202e\u001b[1m\t\r',
      `${'x'.repeat(40_000)}\n`,
    ]
    texts.forEach((text, at) => writeFileSync(join(folder, `copied/${at}`), text))
    await bench.add('helper', { files: 'branch' })
    const copied = await bench.task('helper', 'copy')
    assert.match(copied.text, /"content":"one\\n"/)
    assert.equal((await bench.call('branch.merge', { branch: copied.branch })).status, 'ok')
    texts.forEach((text, at) => assert.equal(readFileSync(join(folder, `copies/${at}`), 'utf8'), text, `file ${at}`))
  })

  void it('is a target of agent.delegate, whose result names its files and its branch', async () => {
    await using bench = await makeCoderBench()
    await bench.add('helper', { files: 'branch' })
    const ended = await bench.kernel.call('agent.delegate', { agent: 'acp.helper', goal: 'write' }, bench.session)
    assert.ok(ended.status === 'ok', ended.text)
    const { status, files, branch, labels } = ended.output
    assert.deepEqual([status, files.toSorted(), labels], ['success', ['/shared/new.txt', '/shared/own.txt'], ['untrusted']])
    assert.match(ended.text, new RegExp(`success.*; its files are on the branch ${branch}\\n`))
    assert.equal((await bench.kernel.call('branch.merge', { branch })).status, 'ok')
    assert.equal(readFileSync(join(bench.bench.root, 'shared/new.txt'), 'utf8'), 'new')
    await bench.record(({ name, phase }) => name === 'acp.helper' && phase === 'outcome')
  })

  void it('gets the permissions that the person gives, never for always', async () => {
    await using bench = await makeCoderBench()
    await bench.add('helper')
    const texts: string[] = []
    const seen: string[] = []
    let context: string | undefined
    for (const allow of [true, false]) {
      const asking = bench.task('helper', 'permit', context === undefined ? {} : { context })
      const parked = await bench.record(({ name, phase, call }) => name === 'coder.permit' && phase === 'parked' && !seen.includes(call))
      seen.push(parked.call)
      assert.match(JSON.stringify(parked.body), /Delete \\+u\{202e\} all.*rm -rf/)
      await bench.kernel.approve(parked.call, allow)
      const ended = await asking
      context = ended.context
      texts.push(ended.text)
    }
    assert.deepEqual(texts, ['{"outcome":{"outcome":"selected","optionId":"once"}}', '{"outcome":{"outcome":"selected","optionId":"no"}}'])
  })

  void it('reads the workspace, and cannot write or run where it only reads', async () => {
    await using bench = await makeCoderBench()
    await bench.add('helper')
    assert.match((await bench.task('helper', 'look')).text, /shared=README\.md EROFS/)
    const lies = await bench.task('helper', 'lies')
    assert.doesNotMatch(lies.text, /a lie|root:/)
    assert.equal(lies.text.match(/error -?\d+/g)?.length, 4)
    assert.equal(lies.status, 'success')
    const refused = await bench.task('helper', 'write')
    assert.match(refused.text, /may not do that with files/)
  })
})

void describe('a coding agent that misbehaves', () => {
  void it('fails with a reason where it dies, floods, sends a huge message, or speaks another version', async () => {
    await using bench = await makeCoderBench()
    await bench.add('helper', { files: 'none' })
    const died = await bench.task('helper', 'die')
    assert.deepEqual([died.status, died.context], ['failure', ''])
    assert.match(died.text, /half of the\n\[The agent helper has ended\.\]/)
    await assert.rejects(bench.task('helper', 'flood'), { code: 'limit_reached', message: /in one task/ })
    await assert.rejects(bench.task('helper', 'long'), { code: 'limit_reached', message: /message of more than/ })
    const settings = { command: 'node', args: ['/opt/server/agent.js', 'v2'], program_folder: bench.folder, files: 'none' }
    await bench.call('coder.add', { agent: 'newer', settings })
    const shown = await bench.call('coder.show', { agent: 'newer' })
    assert.match(JSON.stringify(shown), /speaks version 2 of the protocol; Oxbow speaks 1.*It wrote: started/)
    await bench.call('coder.add', { agent: 'absent', settings: { ...settings, command: 'no-such-program' } })
    assert.equal((await bench.call('coder.show', { agent: 'absent' })).status, 'failed')
    await assert.rejects(bench.task('helper', 'look', { context: 'made-up' }), { code: 'not_found' })
  })

  void it('is cancelled with the turn, and ended where it does not stop', async () => {
    const play = inOrder(asks(['acp_helper', { goal: 'stop' }]), asks(['acp_helper', { goal: 'hang' }]))
    await using bench = await makeCoderBench({ play, config: { agent: { rights: ['acp.helper'] } } })
    await bench.add('helper', { files: 'none' })
    const running = async (): Promise<number> => ((await bench.call('coder.list', {})) as any).output.agents[0].running
    for (const turn of [1, 2]) {
      // A session of its own: what the first one has read would ask.
      const { id: session } = await bench.kernel.createSession()
      await bench.kernel.sendTurn({ session, clientId: newCallId(), text: `Go ${turn}` })
      while ((await running()) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
      await bench.kernel.cancelTurn(session)
      // Its processes are gone then.
      while ((await running()) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
})

void describe('the example agent of the SDK', () => {
  void it('does a task, with a permission in its middle', async () => {
    await using bench = await makeCoderBench({ config: { approval: { side_effecting: 'allow' } } })
    const args = ['/opt/server/node_modules/acp-example-agent/dist/examples/agent.js']
    await bench.add('example', { args, program_folder: checkout, files: 'none' })
    const { status, text } = await bench.task('example', 'Improve my configuration')
    assert.equal(status, 'success')
    assert.match(text, /^I'll help you with that\..*successfully updated the configuration\./)
    const permit = await bench.record(({ name, phase }) => name === 'coder.permit' && phase === 'intent')
    assert.match(JSON.stringify(permit.body), /Modifying critical configuration file/)
  })
})
