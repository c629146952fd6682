/** Oxbow as an agent of an editor, through the SDK on both sides. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type McpServer, methods } from '@agentclientprotocol/sdk'
import { asks, done, inOrder, says, testCall } from '../kernel/kernel-fixture.ts'
import { choose, openEditor } from './acp-fixture.ts'

const { session } = methods.agent
const reads = testCall('file.read', async () => done('the text'), { right: 'file.read', tier: 'read_only' })
const writes = testCall('file.write', async () => done('written'))
const runs = testCall('shell.run', async () => done('ran'), { tier: 'privileged', right: 'shell.run' })

void describe('a session of an editor', () => {
  void it('that leaves without a word leaves nothing; one with a message or a mode stays', async () => {
    await using editor = await openEditor({ play: inOrder(says('Hello.')), calls: [reads] })
    const ids = async () => (await editor.kernel.listSessions(50)).map(({ id }) => id)
    const before = await ids()
    const left = async () => (await ids()).filter((id) => !before.includes(id))
    for (const close of [true, false]) {
      await using second = await openEditor({ over: editor })
      const id = await second.begin()
      if (close) await second.agent.request(session.close, { sessionId: id })
      else await second.leave()
      assert.deepEqual(await left(), [], close ? 'closed' : 'left')
    }
    const said = await editor.begin()
    await editor.say(said, 'Hello')
    const strict = await editor.begin()
    await editor.agent.request(session.setMode, { sessionId: strict, modeId: 'read_only' })
    await editor.leave()
    assert.deepEqual((await left()).sort(), [said, strict].sort())
  })

  void it('shows what a turn does, is listed, and replays the same when it is loaded', async () => {
    const play = inOrder(asks(['file_read', { path: 'project/a.ts', from_line: 3 }]), says('It is fine.'))
    await using editor = await openEditor({ play, calls: [reads] })
    const id = await editor.begin()
    assert.equal(await editor.say(id, 'Look at a.ts'), 'end_turn')
    assert.equal(editor.text(), 'It is fine.')
    const [call] = editor.of('tool_call')
    assert.deepEqual([call?.kind, call?.locations], ['read', [{ path: '/home/ada/project/a.ts', line: 3 }]])
    const last = editor.of('tool_call_update').at(-1)
    assert.equal(last?.status, 'completed')
    assert.match(JSON.stringify(last?.content), /the text/)
    const { sessions } = await editor.agent.request(session.list, {})
    assert.deepEqual(
      sessions.map(({ sessionId, cwd }) => [sessionId, cwd]),
      [[id, '/home/ada/project']],
    )
    const inFolder = async (cwd: string) => (await editor.agent.request(session.list, { cwd })).sessions.length
    assert.deepEqual([await inFolder('/home/ada/project/'), await inFolder('/home/ada')], [1, 0])

    await using second = await openEditor({ over: editor })
    const loaded = await second.agent.request(session.load, { sessionId: id, cwd: '/home/ada/project', mcpServers: [] })
    assert.equal(loaded.modes?.currentModeId, 'configured')
    const [message] = second.of('user_message_chunk')
    assert.deepEqual(message?.content, { type: 'text', text: 'Look at a.ts' })
    assert.equal(second.text(), 'It is fine.')
    assert.deepEqual(
      second.of('tool_call').map(({ toolCallId }) => toolCallId),
      [call?.toolCallId],
    )
    // Resumed, it shows nothing of the past and goes on.
    await using third = await openEditor({ over: editor })
    await third.agent.request(session.resume, { sessionId: id, cwd: '/home/ada/project', mcpServers: [] })
    assert.equal(third.text(), '')
    assert.equal(await third.say(id, 'And?'), 'end_turn')
    assert.equal(third.text(), 'out of script')
  })

  void it('names the folder of the editor once, and takes mentions, images and embedded text', async () => {
    const sent: string[] = []
    const play = (request: { messages: readonly unknown[] }) => (sent.push(JSON.stringify(request.messages.at(-1))), says('Yes.'))
    await using editor = await openEditor({ play })
    const sessionId = await editor.begin()
    const picture = Buffer.from('89504e470d0a1a0a', 'hex').toString('base64')
    await editor.agent.request(session.prompt, {
      sessionId,
      prompt: [
        { type: 'text', text: 'Compare ' },
        { type: 'resource_link', name: 'a.ts', uri: 'file:///home/ada/project/src/a.ts' },
        { type: 'text', text: ' with ' },
        { type: 'resource_link', name: 'b.txt', uri: 'file:///etc/b.txt' },
        { type: 'resource', resource: { uri: 'file:///x/c.ts', text: 'let ``` = 1' } },
        { type: 'image', mimeType: 'image/png', data: picture },
      ],
    })
    await editor.say(sessionId, 'Again')
    assert.match(sent[0]!, /Compare \/shared\/project\/src\/a\.ts with \[attached: b\.txt\]/)
    assert.match(sent[0]!, /````\\nlet ``` = 1\\n````/)
    assert.match(sent[0]!, /The editor works in the folder \/shared\/project\./)
    assert.match(sent[0]!, /image\.png/)
    assert.doesNotMatch(sent[1]!, /The editor works/)
  })

  void it('shows edits as differences, notes as a plan, commands without a model, and a failure as an error', async () => {
    const items = ['Goal: fix it', 'Done: read', '[~] edit', 'Next: test']
    const play = inOrder(
      asks(['file_edit', { path: '/shared/project/a.ts', find: 'old', replace: 'new' }], ['scratchpad_write', { items }]),
      says('Done.'),
    )
    const edits = testCall('file.edit', async () => done('edited'))
    await using editor = await openEditor({ play, calls: [edits] })
    const id = await editor.begin()
    await editor.say(id, 'Fix it')
    const diff = { type: 'diff', path: '/home/ada/project/a.ts', oldText: 'old', newText: 'new' }
    assert.deepEqual(editor.of('tool_call')[0]?.content, [diff])
    assert.deepEqual(
      editor.of('plan')[0]?.entries.map(({ content, status }) => [content, status]),
      [
        ['read', 'completed'],
        ['edit', 'in_progress'],
        ['test', 'pending'],
      ],
    )
    assert.equal(await editor.say(id, '/rename A better title'), 'end_turn')
    await editor.until(() => editor.of('session_info_update').some(({ title }) => title === 'A better title'))
    const failure = await editor.agent
      .request(session.prompt, { sessionId: id, prompt: [{ type: 'text', text: '/rename' }] })
      .catch((error: { code: number; message: string }) => error)
    assert.deepEqual(
      [(failure as { code: number }).code, (failure as { message: string }).message],
      [-32_602, 'There is no title. /rename TITLE'],
    )
  })

  void it('offers the commands of the person, and sends the messages that they stand for', async () => {
    const received: string[] = []
    const play: NonNullable<NonNullable<Parameters<typeof openEditor>[0]>['play']> = ({ messages }) => {
      received.push(JSON.stringify(messages.at(-1)))
      return says('Reviewed.')
    }
    const person = { audience: ['terminal'], right: 'skill.use', tier: 'read_only', effect: 'none' } as const
    const calls = [
      testCall(
        'command.list',
        async () => ({ output: { commands: [{ name: 'review', description: 'Review a file', hint: 'FILE' }] } }),
        person,
      ),
      testCall('command.expand', async (input) => done(`Review ${input['arguments']}.`), person),
    ]
    await using editor = await openEditor({ play, calls })
    const id = await editor.begin()
    await editor.until(() =>
      editor.of('available_commands_update').some(({ availableCommands }) => availableCommands.some(({ name }) => name === 'review')),
    )
    await editor.say(id, '/review a.ts')
    assert.match(received[0] ?? '', /Review a\.ts\./)
  })

  void it('outlives the guest: a turn goes on and the prompt is answered', async () => {
    const go = Promise.withResolvers<void>()
    const slow = testCall('file.read', async () => (await go.promise, done('slow')), { tier: 'read_only', right: 'file.read' })
    const play = inOrder(asks(['file_read']), says('After all.'))
    await using editor = await openEditor({ play, calls: [slow] })
    const id = await editor.begin()
    const answer = editor.say(id, 'Go')
    await editor.until(() => editor.of('tool_call').length > 0)
    editor.loseGuest()
    go.resolve()
    assert.equal(await answer, 'end_turn')
    assert.equal(editor.text(), 'After all.')
    assert.equal(editor.of('tool_call').length, 1)
  })

  void it('says which servers of the editor are not connected, and why', async () => {
    await using editor = await openEditor()
    const mcpServers: McpServer[] = [{ type: 'http', name: 'evil', url: 'https://example.com', headers: [] }]
    const { sessionId } = await editor.agent.request(methods.agent.session.new, { cwd: '/home/ada/project', mcpServers })
    await editor.until(() => editor.text() !== '')
    assert.match(editor.text(), /Not connected: the MCP servers of the editor that have an address \(evil\).*oxbow servers add/)
    await editor.agent.request(session.close, { sessionId })
    await assert.rejects(editor.say(sessionId, 'x'), { code: -32_002 })
  })
})

void it('an editor is told that an answer was cut off at the most tokens of one', async () => {
  async function* cut() {
    for await (const events of says('Once upon'))
      yield events.map((event) => (event.type === 'finish' ? { ...event, reason: 'length' as const } : event))
  }
  await using editor = await openEditor({ play: inOrder(cut()) })
  assert.equal(await editor.say(await editor.begin(), 'Tell'), 'max_tokens')
})

void describe('approval in an editor', () => {
  const asking = (times: number) =>
    inOrder(...Array.from({ length: times }, () => [asks(['shell_run', { command: 'npm test' }]), says('So.')]).flat())

  void it('is for once, for always by a rule, or a refusal; what was not offered is a refusal', async () => {
    const answers = ['reject', 'nonsense', 'allow', 'rule:call']
    await using editor = await openEditor({ play: asking(5), calls: [runs], permit: () => choose(answers.shift()!) })
    const id = await editor.begin()
    const ended: unknown[] = []
    for (let turn = 0; turn < 5; turn += 1) {
      await editor.say(id, 'Test it')
      ended.push(editor.of('tool_call_update').at(-1)?.status)
    }
    assert.deepEqual(ended, ['failed', 'failed', 'completed', 'completed', 'completed'])
    // The rule answers the fifth.
    assert.equal(editor.asked.length, 4)
    const [question] = editor.asked
    assert.deepEqual(question?.options.map(({ kind }) => kind).slice(0, 2), ['allow_once', 'allow_always'])
    assert.match(JSON.stringify(question?.toolCall.content), /npm test/)
    assert.equal(question?.toolCall.toolCallId, editor.of('tool_call')[0]?.toolCallId)
  })

  void it('may be given elsewhere: the question goes away', async () => {
    const never = new Promise<never>(() => {})
    await using editor = await openEditor({ play: asking(1), calls: [runs], permit: () => never })
    const id = await editor.begin()
    const answer = editor.say(id, 'Test it')
    await editor.until(() => editor.asked.length > 0)
    await editor.kernel.approve(editor.asked[0]!.toolCall.toolCallId as never, true)
    assert.equal(await answer, 'end_turn')
  })

  void it('stays open where the editor cannot ask, and says how to answer', async () => {
    const permit = (): never => {
      throw new Error('no such method')
    }
    await using editor = await openEditor({ play: asking(1), calls: [runs], permit })
    const id = await editor.begin()
    const answer = editor.say(id, 'Test it')
    await editor.until(() => /waits for approval: `oxbow approve/.test(editor.text()))
    await editor.kernel.approve(editor.of('tool_call')[0]!.toolCallId as never, false)
    assert.equal(await answer, 'end_turn')
  })

  void it('follows the mode: asks before changes, refuses them, or answers for the person', async () => {
    const step = () => [asks(['file_read'], ['file_write', { path: 'a', text: 'b' }]), says('So.')]
    const play = inOrder(...step(), ...step(), ...step(), asks(['shell_run', { command: 'x' }]), says('So.'))
    await using editor = await openEditor({ play, calls: [reads, writes, runs] })
    const id = await editor.begin()
    const inMode = async (modeId: string): Promise<unknown> => {
      await editor.agent.request(session.setMode, { sessionId: id, modeId })
      const before = editor.asked.length
      await editor.say(id, 'Go')
      return [editor.asked.length - before, editor.of('tool_call_update').at(-1)?.status]
    }
    assert.deepEqual(await inMode('configured'), [0, 'completed'])
    assert.deepEqual(await inMode('ask'), [1, 'completed'])
    assert.deepEqual(await inMode('read_only'), [0, 'failed'])
    assert.deepEqual(await inMode('approve'), [0, 'completed'])
    await assert.rejects(editor.agent.request(session.setMode, { sessionId: id, modeId: 'root' }), { code: -32_602 })
  })
})

void describe('the mode of a session', () => {
  const step = () => [asks(['file_write', { path: 'a', text: 'b' }]), says('So.')]

  void it('is reported and holds in every editor that loads or resumes it, and for a message by another way', async () => {
    const play = inOrder(...step(), ...step(), ...step(), ...step())
    await using editor = await openEditor({ play, calls: [reads, writes, runs] })
    const id = await editor.begin()
    await editor.agent.request(session.setMode, { sessionId: id, modeId: 'read_only' })
    for (const way of [session.load, session.resume]) {
      await using second = await openEditor({ over: editor })
      const opened = await second.agent.request(way, { sessionId: id, cwd: '/home/ada/project', mcpServers: [] })
      assert.equal(opened.modes?.currentModeId, 'read_only')
      await second.say(id, 'Go')
      assert.equal(second.of('tool_call_update').at(-1)?.status, 'failed')
    }
    const over = Promise.withResolvers<void>()
    let refused = 0
    const stop = await editor.kernel.follow(id as never, 0, (event) => {
      if (event.type === 'record' && event.record.name === 'file.write' && event.record.phase === 'refused') refused += 1
      if (refused < 3) return
      if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') over.resolve()
    })
    await editor.kernel.sendTurn({ session: id as never, clientId: crypto.randomUUID() as never, text: 'Go' })
    await over.promise
    stop()
    await editor.agent.request(session.setMode, { sessionId: id, modeId: 'configured' })
    await editor.say(id, 'Go')
    assert.equal(editor.of('tool_call_update').at(-1)?.status, 'completed')
  })

  void it('of approving everything ends with the editor that was told so', async () => {
    await using editor = await openEditor({ play: inOrder(says('So.')), calls: [reads] })
    const id = await editor.begin()
    await editor.say(id, 'Go')
    await editor.agent.request(session.setMode, { sessionId: id, modeId: 'approve' })
    await using second = await openEditor({ over: editor })
    const opened = await second.agent.request(session.resume, { sessionId: id, cwd: '/home/ada/project', mcpServers: [] })
    assert.equal(opened.modes?.currentModeId, 'configured')
  })
})

void describe('cancel', () => {
  void it('stops what runs, and answers the prompt soon', async () => {
    const stuck = testCall(
      'file.read',
      (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      {
        tier: 'read_only',
        right: 'file.read',
      },
    )
    await using editor = await openEditor({ play: inOrder(asks(['file_read'])), calls: [stuck] })
    const id = await editor.begin()
    const answer = editor.say(id, 'Go')
    await editor.until(() => editor.of('tool_call_update').some(({ status }) => status === 'in_progress'))
    await editor.agent.notify(session.cancel, { sessionId: id })
    assert.equal(await answer, 'cancelled')
  })

  void it('ends a question, also when it comes before the guest has the message', async () => {
    const never = new Promise<never>(() => {})
    const play = inOrder(asks(['shell_run', { command: 'x' }]), says('no'))
    await using editor = await openEditor({ play, calls: [runs], permit: () => never })
    const id = await editor.begin()
    const answer = editor.say(id, 'Go')
    await editor.until(() => editor.asked.length > 0)
    await editor.agent.notify(session.cancel, { sessionId: id })
    assert.equal(await answer, 'cancelled')
    const early = editor.say(id, 'Again')
    await editor.agent.notify(session.cancel, { sessionId: id })
    assert.equal(await early, 'cancelled')
  })
})

void describe('tools of the editor', () => {
  const offered: string[][] = []
  const play = (...steps: ReturnType<typeof asks>[]) => {
    const next = inOrder(...steps)
    return (request: { tools: readonly { name: string }[] }, signal: AbortSignal) => {
      offered.push(request.tools.map(({ name }) => name).filter((name) => name.startsWith('editor_')))
      return next(request as never, signal)
    }
  }

  void it('are offered where the editor has them; what changes something asks, and the turn goes on with the results', async () => {
    const written: string[] = []
    await using editor = await openEditor({
      play: play(
        asks(
          ['editor_read_file', { path: '/home/ada/project/a.ts' }],
          ['editor_write_file', { path: '/home/ada/project/a.ts', content: 'x' }],
        ),
        says('Read and written.'),
      ),
      capabilities: { fs: { readTextFile: true, writeTextFile: true } },
      app: (app) => {
        app.onRequest(methods.client.fs.readTextFile, ({ params }) => ({ content: `unsaved ${params.path}` }))
        app.onRequest(methods.client.fs.writeTextFile, ({ params }) => (written.push(params.content), {}))
      },
    })
    const id = await editor.begin()
    assert.equal(await editor.say(id, 'Go'), 'end_turn')
    assert.equal(editor.text(), 'Read and written.')
    assert.deepEqual(offered[0], ['editor_read_file', 'editor_write_file'])
    assert.deepEqual(
      editor.asked.map(({ toolCall }) => toolCall.title),
      ['editor_write_file /home/ada/project/a.ts'],
    )
    assert.deepEqual(written, ['x'])
    const results = editor.of('tool_call_update').filter(({ status }) => status === 'completed')
    assert.match(JSON.stringify(results), /unsaved \/home\/ada\/project\/a\.ts/)
    await using bare = await openEditor({ play: play(says('No tools.')) })
    await bare.say(await bare.begin(), 'Go')
    assert.deepEqual(offered.at(-1), [])
  })

  void it('run commands in its terminal, which a cancelled turn releases', async () => {
    const killed = Promise.withResolvers<void>()
    const created: string[] = []
    const { terminal } = methods.client
    await using editor = await openEditor({
      play: play(asks(['editor_run', { command: 'npm', args: ['test'] }]), says('Passed.'), asks(['editor_run', { command: 'sleep' }])),
      capabilities: { terminal: true },
      app: (app) => {
        app.onRequest(terminal.create, ({ params }) => (created.push(params.command), { terminalId: `t${created.length}` }))
        app.onRequest(terminal.waitForExit, ({ params }) =>
          params.terminalId === 't1' ? { exitCode: 0 } : killed.promise.then(() => ({ signal: 'SIGKILL' })),
        )
        app.onRequest(terminal.output, () => ({ output: 'all pass', truncated: false }))
        app.onRequest(terminal.release, ({ params }) => (params.terminalId === 't2' && killed.resolve(), {}))
      },
    })
    const id = await editor.begin()
    assert.equal(await editor.say(id, 'Test'), 'end_turn')
    const results = editor.of('tool_call_update').filter(({ status }) => status === 'completed')
    assert.match(JSON.stringify(results), /all pass\\n\(exit code 0\)/)
    const answer = editor.say(id, 'Sleep')
    await editor.until(() => created.length === 2)
    await editor.agent.notify(session.cancel, { sessionId: id })
    assert.equal(await answer, 'cancelled')
    await killed.promise
  })
})
