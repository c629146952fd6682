/** What a person chooses and fills in by the editor's own menus and forms, through the SDK on both sides. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { methods } from '@agentclientprotocol/sdk'
import { asks, done, inOrder, says, testCall } from '../kernel/kernel-fixture.ts'
import { choose, openEditor } from './acp-fixture.ts'

const { session } = methods.agent

void describe('what the editor chooses and answers', () => {
  void it('is the model of the next messages, of those that it was offered', async () => {
    const sent: (string | undefined)[] = []
    await using editor = await openEditor({
      config: { model: { fallback: ['other'] } },
      play: (request) => (sent.push(request.model), says('Yes.')),
    })
    const { sessionId, configOptions } = await editor.agent.request(session.new, { cwd: '/home/ada/project', mcpServers: [] })
    const [model] = configOptions as { id: string; category: string; type: string; currentValue: string; options: { value: string }[] }[]
    assert.deepEqual([model?.id, model?.category, model?.type], ['model', 'model', 'select'])
    assert.deepEqual(
      [model?.currentValue, ...model!.options.map(({ value }) => value)],
      ['scripted/scripted', 'scripted/scripted', 'scripted/other'],
    )
    const choice = (configId: string, value: string) => editor.agent.request(session.setConfigOption, { sessionId, configId, value })
    await assert.rejects(choice('model', 'no/such'), { code: -32_602, message: /\. / })
    await assert.rejects(choice('speed', 'fast'), { code: -32_602 })
    await editor.say(sessionId, 'Hello')
    const [chosen] = (await choice('model', 'scripted/other')).configOptions as { currentValue: string }[]
    assert.equal(chosen?.currentValue, 'scripted/other')
    await editor.say(sessionId, 'Hello')
    assert.deepEqual(sent, ['scripted/scripted', 'scripted/other'])
  })

  /** A form of a server, whose answer must be open or closed. */
  const schema = { type: 'object', properties: { state: { type: 'string', enum: ['open', 'closed'] } }, required: ['state'] }
  const asked = { server: 'tickets', mode: 'form', message: 'Which?', schema, answer: {} }
  const elicit = testCall('server.elicit', async (input) => done(JSON.stringify(input['answer'])), {
    right: 'shell.run',
    asks: () => 'the server tickets asks you',
    unfit: async ({ answer: { state } }) =>
      ['open', 'closed'].includes(state) ? null : { code: 'bad_input', message: 'It must be open or closed.', hint: 'Answer it.' },
  })

  void it('is a form, asked again until the answer fits, and refused when the person declines', async () => {
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
      ['The server tickets asks: Which?', 'It must be open or closed.'],
    )
    assert.match(JSON.stringify(editor.of('tool_call_update').at(-1)), /completed.*open/)
    await editor.say(id, 'Go')
    assert.equal(editor.of('tool_call_update').at(-1)?.status, 'failed')
    assert.equal(editor.asked.length, 0)
  })

  void it('is asked again with what is missing where the editor shows no forms, and sends no answer that nobody gave', async () => {
    const choices = ['allow', 'reject']
    await using editor = await openEditor({
      play: inOrder(asks(['server_elicit', asked]), says('So.')),
      calls: [elicit],
      permit: () => choose(choices.shift()!),
    })
    await editor.say(await editor.begin(), 'Go')
    assert.match(JSON.stringify(editor.asked[1]), /It must be open or closed\. Answer it\. The call is /)
    assert.equal(editor.of('tool_call_update').at(-1)?.status, 'failed')
  })
})
