/** What a person chooses and fills in by the editor's own menus and forms, through the SDK on both sides. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { methods } from '@agentclientprotocol/sdk'
import { asks, done, inOrder, says, testCall } from '../kernel/kernel-fixture.ts'
import { openEditor } from './acp-fixture.ts'

const { session } = methods.agent

void describe('what the editor chooses and answers', () => {
  void it('is the model of the next messages, of those that it was offered', async () => {
    const sent: string[] = []
    await using editor = await openEditor({ play: (request) => (sent.push((request as { model: string }).model), says('Yes.')) })
    const { sessionId, configOptions } = await editor.agent.request(session.new, { cwd: '/home/ada/project', mcpServers: [] })
    const [model] = configOptions ?? []
    assert.deepEqual([model?.id, model?.category, model?.type], ['model', 'model', 'select'])
    const { currentValue } = model as { currentValue: string }
    const choose = (configId: string, value: string) => editor.agent.request(session.setConfigOption, { sessionId, configId, value })
    assert.equal((await choose('model', currentValue)).configOptions.length, 1)
    await assert.rejects(choose('model', 'no/such'), { code: -32_602 })
    await assert.rejects(choose('speed', 'fast'), { code: -32_602 })
    await editor.say(sessionId, 'Hello')
    assert.equal(sent.length, 1)
  })

  void it('is a form, asked again until the answer fits, and refused when the person declines', async () => {
    const elicit = testCall('server.elicit', async (input) => done(JSON.stringify(input['answer'])), {
      tier: 'privileged',
      right: 'shell.run',
    })
    const schema = { type: 'object', properties: { state: { type: 'string', enum: ['open', 'closed'] } }, required: ['state'] }
    const asked = { server: 'tickets', mode: 'form', message: 'Which?', schema, answer: {} }
    const answers = [
      { action: 'accept', content: { state: 'ajar' } },
      { action: 'accept', content: { state: 'open' } },
      { action: 'decline' },
    ]
    const messages: string[] = []
    await using editor = await openEditor({
      play: inOrder(asks(['server_elicit', asked]), says('So.'), asks(['server_elicit', asked]), says('So.')),
      calls: [elicit],
      capabilities: { elicitation: { form: {} } },
      app: (app) => {
        app.onRequest(methods.client.elicitation.create, ({ params }) => (messages.push(params.message), answers.shift() as never))
      },
    })
    const id = await editor.begin()
    await editor.say(id, 'Go')
    assert.deepEqual(
      messages.map((text) => text.split('\n')[0]),
      ['The server tickets asks: Which?', 'state must be one of open, closed.'],
    )
    assert.match(JSON.stringify(editor.of('tool_call_update').at(-1)), /completed.*open/)
    await editor.say(id, 'Go')
    assert.equal(editor.of('tool_call_update').at(-1)?.status, 'failed')
    assert.equal(editor.asked.length, 0)
  })
})
