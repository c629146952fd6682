/** The interface of OpenAI, used by the clients that people use: the package `openai`, and the AI SDK. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { createOpenAI } from '@ai-sdk/openai'
import OpenAI from 'openai'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let guest: TestGuest
let model: TestModel
let client: OpenAI
/** A service that lists one model, and answers for none. */
let lab: Server
const askedOfLab: string[] = []
let origin = ''
let token = ''

const words = { events: [{ text: 'Hello ' }, { text: 'there.' }] }

before(async () => {
  model = await startModel(Array.from({ length: 20 }, () => words))
  lab = createServer(async (request, response) => {
    if (request.method !== 'GET') askedOfLab.push(((await json(request)) as { readonly model: string }).model)
    response.writeHead(request.method === 'GET' ? 200 : 400, { 'content-type': 'application/json' })
    response.end(JSON.stringify(request.method === 'GET' ? { data: [{ id: 'large' }] } : { error: { message: 'Not now.' } }))
  }).listen(0, '127.0.0.1')
  await once(lab, 'listening')
  const models = { described: { context_tokens: 64_000 } }
  const providers = { lab: { base_url: `http://127.0.0.1:${(lab.address() as AddressInfo).port}/v1`, models } }
  guest = startGuest({ workspace, config: { model: model.config, providers } })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  origin = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
  client = new OpenAI({ apiKey: token, baseURL: `${origin}/v1`, maxRetries: 0 })
})
after(async () => {
  await guest.kill()
  await model[Symbol.asyncDispose]()
  lab.close()
  workspace[Symbol.dispose]()
})

async function sessionCount(): Promise<number> {
  const listed = await fetch(`${origin}/api/v1/sessions`, { headers: { authorization: `Bearer ${token}` } })
  return ((await listed.json()) as { total: number }).total
}

describe('the interface of OpenAI', () => {
  it('lists the agent and its model', async () => {
    const names = (await client.models.list()).data.map(({ id }) => id)
    assert.equal(names[0], 'oxbow')
    assert.equal(names.length, 3)
  })

  it('completes a chat with the reply of the agent, whole and as a stream', async () => {
    const whole = await client.chat.completions.create({ model: 'oxbow', messages: [{ role: 'user', content: 'Hi.' }] })
    assert.deepEqual([whole.choices[0]!.message.content, whole.choices[0]!.finish_reason], ['Hello there.', 'stop'])
    assert.ok(whole.usage!.total_tokens > 0)
    const stream = client.chat.completions.stream({
      model: 'oxbow',
      messages: [{ role: 'user', content: 'Hi again.' }],
      stream_options: { include_usage: true },
    })
    let deltas = ''
    stream.on('content', (text) => (deltas += text))
    const final = await stream.finalChatCompletion()
    assert.deepEqual([deltas, final.choices[0]!.message.content], ['Hello there.', 'Hello there.'])
    assert.ok(final.usage!.completion_tokens > 0)
  })

  it('continues a conversation in its session, and begins one with what was said before', async () => {
    const first = [
      { role: 'system' as const, content: 'Speak plainly.' },
      { role: 'user' as const, content: 'My name is Ann.' },
    ]
    const one = await client.chat.completions.create({ model: 'oxbow', messages: first }).withResponse()
    const talk = [...first, one.data.choices[0]!.message, { role: 'user' as const, content: 'What is my name?' }]
    const two = await client.chat.completions.create({ model: 'oxbow', messages: talk }).withResponse()
    assert.equal(two.response.headers.get('oxbow-session'), one.response.headers.get('oxbow-session'))
    const strange = [
      { role: 'user' as const, content: 'I said this elsewhere.' },
      { role: 'assistant' as const, content: 'Yes.' },
      talk.at(-1)!,
    ]
    const three = await client.chat.completions.create({ model: 'oxbow', messages: strange }).withResponse()
    assert.notEqual(three.response.headers.get('oxbow-session'), one.response.headers.get('oxbow-session'))
    assert.match(JSON.stringify(model.requests.at(-1)), /I said this elsewhere\..*What is my name/)
  })

  it('takes pictures and files as data URLs', async () => {
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
    const content = [
      { type: 'text' as const, text: 'What is this?' },
      { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${png}` } },
      { type: 'file' as const, file: { filename: 'note.txt', file_data: `data:text/plain;base64,${btoa('hello')}` } },
    ]
    await client.chat.completions.create({ model: 'oxbow', messages: [{ role: 'user', content }] })
    const asked = JSON.stringify(model.requests.at(-1))
    assert.ok(asked.includes(png))
    assert.match(asked, /note\.txt/)
  })

  it('answers the AI SDK', async () => {
    const chat = createOpenAI({ apiKey: token, baseURL: `${origin}/v1` }).chat('oxbow')
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi.' }] }]
    const { content } = await chat.doGenerate({ prompt })
    assert.deepEqual(
      content.find(({ type }) => type === 'text'),
      { type: 'text', text: 'Hello there.' },
    )
    let text = ''
    for await (const piece of (await chat.doStream({ prompt })).stream) if (piece.type === 'text-delta') text += piece.delta
    assert.equal(text, 'Hello there.')
  })

  it('does not know a model that its service does not list, in each interface, and asks for one that is listed or configured', async () => {
    const kept = await sessionCount()
    const nosuch = { model: 'lab/nosuch' }
    const isUnknown = (error: unknown): true => {
      assert.ok(error instanceof OpenAI.NotFoundError, String(error))
      assert.deepEqual([error.code, error.param], ['model_not_found', 'model'])
      assert.match(error.message, /does not list the model "nosuch"\. It lists lab\/large/)
      return true
    }
    const messages = [{ role: 'user' as const, content: 'Hi.' }]
    for (const stream of [false, true]) {
      await assert.rejects(client.chat.completions.create({ ...nosuch, messages, stream }), isUnknown)
      await assert.rejects(client.responses.create({ ...nosuch, input: 'Hi.', stream }), isUnknown)
    }
    for (const [path, message] of [
      ['v1/messages', { messages, max_tokens: 9 }],
      ['api/v1/messages', { text: 'Hi.' }],
    ] as const) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ ...nosuch, ...message })
      assert.equal((await fetch(`${origin}/${path}`, { method: 'POST', headers, body })).status, 404, path)
    }
    assert.equal(await sessionCount(), kept)
    for (const name of ['large', 'described']) {
      await client.chat.completions.create({ model: `lab/${name}`, messages }).catch(() => {})
      assert.equal(askedOfLab.at(-1), name)
    }
  })

  it('refuses what it cannot do in words that the clients understand', async () => {
    const failing = (options: object) =>
      client.chat.completions.create({ model: 'oxbow', messages: [{ role: 'user', content: 'x' }], ...options })
    const kept = await sessionCount()
    for (const stream of [false, true])
      await assert.rejects(failing({ model: 'mistral/gpt-9', stream }), (error) => {
        assert.ok(error instanceof OpenAI.NotFoundError, String(error))
        assert.match(error.message, /^404 The environment variable MISTRAL_API_KEY is not set; .*stores only its key\. Or put/)
        assert.equal(error.param, 'model')
        return true
      })
    assert.equal(await sessionCount(), kept, 'nothing is kept of what was refused')
    for (const [options, param] of [
      [{ messages: [] }, 'messages'],
      [{ messages: [{ role: 'user', content: [] }] }, 'messages'],
      [
        {
          messages: [
            { role: 'system', content: 'Be brief.' },
            { role: 'user', content: '' },
          ],
        },
        'messages',
      ],
      [{ n: 2 }, 'n'],
      [{ tools: [{ type: 'custom', custom: { name: 'f' } }] }, 'tools.0.type'],
      [{ response_format: { type: 'grammar' } }, 'response_format.type'],
      [{ functions: [{ name: 'f' }] }, 'functions'],
      [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://10.0.0.1/x' } }] }] }, 'messages.0'],
    ] as const) {
      await assert.rejects(failing(options), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError, String(error))
        assert.deepEqual([error.param, error.code, error.type], [param, 'bad_input', 'invalid_request_error'])
        return true
      })
    }
    for (const [input, said] of [
      [[], /^400 input: must not be empty\./],
      [[[]], /^400 input\.0: must not be empty\./],
      [undefined, /^400 input: is missing\./],
    ] as const)
      await assert.rejects(client.embeddings.create({ model: 'oxbow', input: input as any }), { message: said, param: /^input/ } as any)
    for (const input of [[], [{ role: 'user', content: [] }], ''] as const)
      await assert.rejects(client.responses.create({ model: 'oxbow', input: input as any }), { status: 400, param: 'input' })
    await assert.rejects(client.models.retrieve('gpt-9'), OpenAI.NotFoundError)
    await assert.rejects(client.responses.retrieve('resp_x'), OpenAI.NotFoundError)
    await assert.rejects(new OpenAI({ apiKey: 'x', baseURL: `${origin}/v1`, maxRetries: 0 }).models.list(), OpenAI.AuthenticationError)
  })
})
