/** The interface of Anthropic, used by its own client and the AI SDK. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import Anthropic from '@anthropic-ai/sdk'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let guest: TestGuest
let model: TestModel
let client: Anthropic
let origin = ''
let token = ''

const call = (name: string, args: object) => ({ tool_call: { name, arguments: args } })
const weather = {
  name: 'get_weather',
  description: 'Tells the weather of a city.',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
}
const asked = (text: string) => ({ model: 'oxbow', max_tokens: 1_000, messages: [{ role: 'user' as const, content: text }] })
const textIn = ({ content }: Anthropic.Message) => content.map((block) => (block.type === 'text' ? block.text : block.type)).join('|')

before(async () => {
  model = await startModel({
    turns: [
      {
        match: 'weather',
        steps: [{ events: [{ text: 'Looking. ' }, call('get_weather', { city: 'Oslo' })] }, { events: [{ text: 'It is: {{last}}' }] }],
      },
      { match: 'save', steps: [{ events: [call('scratchpad_write', { items: ['x'] })] }, { events: [{ text: 'Saved.' }] }] },
      {
        match: 'look first',
        steps: [{ events: [{ text: 'I look.' }, call('file_list', {})] }, { events: [{ text: 'Nothing ' }, { text: 'there.' }] }],
      },
      { match: 'broken', steps: [{ events: [], http: { status: 400, body: '{"error":{"message":"no"}}' } }] },
      { steps: [{ events: [{ text: 'Hello ' }, { text: 'there.' }] }] },
    ],
  })
  guest = startGuest({ workspace, config: { model: model.config, approval: { calls: { 'scratchpad.write': 'ask' } } } })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  origin = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
  client = new Anthropic({ apiKey: token, baseURL: origin, maxRetries: 0 })
})
after(async () => {
  await guest.kill()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const approve = (id: string) =>
  fetch(`${origin}/api/v1/approvals/${id}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"allow":true}',
  })

describe('the interface of Anthropic', () => {
  it('answers a message, whole and as a stream, by either header of the key', async () => {
    const whole = await client.messages.create({ ...asked('Hi.'), system: 'Speak plainly.' })
    assert.deepEqual([textIn(whole), whole.stop_reason, whole.role], ['Hello there.', 'end_turn', 'assistant'])
    assert.ok(whole.usage.input_tokens > 0 && whole.usage.output_tokens > 0)
    assert.match(JSON.stringify(model.requests.at(-1)), /Instructions:\\nSpeak plainly\..*Hi\./)
    const bearer = new Anthropic({ authToken: token, apiKey: null, baseURL: origin, maxRetries: 0 })
    const stream = bearer.messages.stream(asked('Hi again.'))
    let deltas = ''
    stream.on('text', (text) => (deltas += text))
    const final = await stream.finalMessage()
    assert.deepEqual([deltas, textIn(final), final.stop_reason], ['Hello there.', 'Hello there.', 'end_turn'])
    assert.ok(final.usage.output_tokens > 0)
  })

  it('has a block for each answer of the model, also those between calls of the agent', async () => {
    assert.equal(textIn(await client.messages.create(asked('Please look first.'))), 'I look.|Nothing there.')
    assert.equal(textIn(await client.messages.stream(asked('Please look first.')).finalMessage()), 'I look.|Nothing there.')
  })

  it('continues a conversation in its session, and begins one with what was said before', async () => {
    for (const isStream of [false, true]) {
      const first = asked(`I am Ann, ${isStream}.`).messages
      const send = async (messages: Anthropic.MessageParam[]) => {
        if (!isStream) return client.messages.create({ ...asked(''), messages }).withResponse()
        const stream = client.messages.stream({ ...asked(''), messages })
        return { data: await stream.finalMessage(), response: (await stream.withResponse()).response }
      }
      const one = await send(first)
      const talk = [...first, { role: 'assistant' as const, content: one.data.content }, ...asked('Who am I?').messages]
      const two = await send(talk)
      assert.equal(two.response.headers.get('oxbow-session'), one.response.headers.get('oxbow-session'))
      const three = await send([...asked('I said this elsewhere.').messages, { role: 'assistant', content: 'Yes.' }, talk.at(-1)!])
      assert.notEqual(three.response.headers.get('oxbow-session'), one.response.headers.get('oxbow-session'))
      assert.match(JSON.stringify(model.requests.at(-1)), /I said this elsewhere\..*Who am I/)
    }
  })

  it('calls tools of the program, whose results continue the session', async () => {
    for (const isStream of [false, true]) {
      const ask = { ...asked('The weather?'), tools: [weather] }
      const send = (body: Anthropic.MessageCreateParamsNonStreaming) =>
        isStream ? client.messages.stream(body).finalMessage() : client.messages.create(body)
      const first = await send(ask)
      const use = first.content.find((block) => block.type === 'tool_use')
      assert.ok(use?.type === 'tool_use')
      assert.deepEqual(
        [first.stop_reason, textIn(first), use.name, use.input],
        ['tool_use', 'Looking. |tool_use', 'get_weather', { city: 'Oslo' }],
      )
      const results: Anthropic.ToolResultBlockParam[] = [
        { type: 'tool_result', tool_use_id: use.id, is_error: true, content: [{ type: 'text', text: 'No station.' }] },
      ]
      const messages = [
        ...ask.messages,
        { role: 'assistant' as const, content: first.content },
        { role: 'user' as const, content: results },
      ]
      const last = await send({ ...ask, messages })
      assert.match(textIn(last), /It is: .*Error: No station\./s)
      assert.match(model.results().at(-1)!, /^<<data [^]*Error: No station\./, 'the result is fenced')
    }
    const forced = await client.messages.create({ ...asked('Hi.'), tools: [weather], tool_choice: { type: 'none' } })
    assert.equal(forced.stop_reason, 'end_turn')
  })

  it('takes pictures and documents', async () => {
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
    const content: Anthropic.ContentBlockParam[] = [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
      { type: 'document', title: 'note.txt', source: { type: 'text', media_type: 'text/plain', data: 'hello' } },
    ]
    await client.messages.create({ ...asked(''), messages: [{ role: 'user', content }] })
    const sent = JSON.stringify(model.requests.at(-1))
    assert.ok(sent.includes(png))
    assert.match(sent, /note\.txt/)
  })

  it('tells the program when its turn waits for a person', async () => {
    const told: any[] = []
    const stream = await client.messages.create({ ...asked('Please save it.'), stream: true })
    for await (const event of stream) {
      const { x_oxbow: extra } = event as { x_oxbow?: any }
      if (extra === undefined) continue
      told.push(event.type, extra.approvals[0].name)
      await approve(extra.approvals[0].call)
    }
    assert.deepEqual(told, ['message_delta', 'scratchpad.write'])
    const whole = await client.messages.create(asked('Please save it.')).withResponse()
    assert.equal(whole.response.status, 202)
    assert.match(textIn(whole.data), /^Waiting: a person must allow scratchpad\.write/)
    await approve((whole.data as any).x_oxbow.approvals[0].call)
  })

  it('answers the AI SDK, and lists models', async () => {
    const chat = createAnthropic({ apiKey: token, baseURL: `${origin}/v1` })('oxbow')
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi.' }] }]
    assert.deepEqual(
      (await chat.doGenerate({ prompt })).content.map((part) => part.type === 'text' && part.text),
      ['Hello there.'],
    )
    let text = ''
    for await (const piece of (await chat.doStream({ prompt })).stream) if (piece.type === 'text-delta') text += piece.delta
    assert.equal(text, 'Hello there.')
    const listed = []
    for await (const { id, display_name: name } of client.models.list()) listed.push([id, name])
    assert.deepEqual(listed[0], ['oxbow', 'oxbow'])
    assert.equal((await client.models.retrieve('oxbow')).type, 'model')
  })

  it('refuses in words that the clients understand', async () => {
    const failing = (options: object) => client.messages.create({ ...asked('x'), ...options })
    for (const [options, field] of [
      [{ messages: [] }, 'messages'],
      [{ messages: [{ role: 'user', content: [] }] }, 'messages'],
      [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools.0'],
      [{ messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'http://10.0.0.1/x' } }] }] }, 'messages.0'],
      [{ messages: [...asked('x').messages, { role: 'assistant', content: 'It is' }] }, 'messages'],
    ] as const) {
      await assert.rejects(failing(options), (error) => {
        assert.ok(error instanceof Anthropic.BadRequestError, String(error))
        assert.deepEqual([error.type, (error.error as any).error.param.startsWith(field)], ['invalid_request_error', true], String(error))
        return true
      })
    }
    await assert.rejects(failing({ model: 'mistral/claude-9' }), Anthropic.NotFoundError)
    await assert.rejects(
      new Anthropic({ apiKey: 'x', baseURL: origin, maxRetries: 0 }).messages.create(asked('x')),
      Anthropic.AuthenticationError,
    )
    await assert.rejects(failing({ messages: asked('It is broken.').messages }), Anthropic.APIError)
    await assert.rejects(client.messages.stream(asked('It is broken.')).finalMessage(), Anthropic.APIError)
    await assert.rejects(client.models.retrieve('claude-9'), { status: 404, type: 'not_found_error' })
    await assert.rejects(client.messages.countTokens(asked('x')), Anthropic.NotFoundError)
  })
})
