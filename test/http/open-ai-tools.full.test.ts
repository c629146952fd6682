/** Tools of programs, responses and embeddings over the interfaces of OpenAI, by the packages that people use. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
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
let origin = ''
let token = ''

const call = (name: string, args: object) => ({ tool_call: { name, arguments: args } })
const weather = {
  name: 'get_weather',
  description: 'Tells the weather of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}
const clock = { name: 'get_time', description: 'Tells the time.', parameters: { type: 'object', properties: {} } }
const asFunctions = (...tools: readonly (typeof weather | typeof clock)[]) =>
  tools.map((tool) => ({ type: 'function' as const, function: tool }))
const asked = (text: string) => [{ role: 'user' as const, content: text }]

async function collect<Item>(stream: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = []
  for await (const item of stream) items.push(item)
  return items
}

async function serve(): Promise<void> {
  guest = startGuest({ workspace, config: { model: model.config } })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  origin = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
  client = new OpenAI({ apiKey: token, baseURL: `${origin}/v1`, maxRetries: 0 })
}

before(async () => {
  model = await startModel({
    turns: [
      {
        match: 'weather',
        steps: [{ events: [{ text: 'Looking. ' }, call('get_weather', { city: 'Oslo' })] }, { events: [{ text: 'It is: {{last}}' }] }],
      },
      {
        match: 'both',
        steps: [
          { events: [call('get_weather', { city: 'Oslo' }), call('scratchpad_write', { items: ['note'] }), call('get_time', {})] },
          { events: [{ text: 'Both are known.' }] },
        ],
      },
      { match: 'broken', steps: [{ events: [], http: { status: 400, body: '{"error":{"message":"no"}}' } }] },
      { match: 'slowly', steps: [{ events: [{ text: 'One ' }, { stall: true }] }] },
      { steps: [{ events: [{ text: 'Hello ' }, { text: 'there.' }] }] },
    ],
  })
  await serve()
})
after(async () => {
  await guest.kill()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

describe('tools of the program', () => {
  it('are called by the model, and their results continue the session, also after a restart', async () => {
    const tools = asFunctions(weather)
    const first = await client.chat.completions.create({ model: 'oxbow', messages: asked('The weather?'), tools }).withResponse()
    const [choice] = first.data.choices
    assert.equal(choice!.finish_reason, 'tool_calls')
    const [made] = choice!.message.tool_calls!
    assert.ok(made?.type === 'function')
    assert.deepEqual([made.function.name, JSON.parse(made.function.arguments)], ['get_weather', { city: 'Oslo' }])
    await guest.stop()
    await serve()
    const messages = [...asked('The weather?'), choice!.message, { role: 'tool' as const, tool_call_id: made.id, content: 'Rain.' }]
    const second = await client.chat.completions.create({ model: 'oxbow', messages, tools }).withResponse()
    assert.match(second.data.choices[0]!.message.content!, /It is: .*Rain\./s)
    assert.equal(second.response.headers.get('oxbow-session'), first.response.headers.get('oxbow-session'))
    assert.match(model.results().at(-1)!, /^<<data [^]*Rain\./, 'the result is fenced')
    const third = [...messages, second.data.choices[0]!.message, ...asked('Thanks.')]
    const last = await client.chat.completions.create({ model: 'oxbow', messages: third, tools }).withResponse()
    assert.equal(last.response.headers.get('oxbow-session'), first.response.headers.get('oxbow-session'))
    await assert.rejects(client.chat.completions.create({ model: 'oxbow', messages, tools }), /Nothing waits/, 'answered once')
  })

  it("are offered along with the agent's tools, which run first, and several are called at once unless the program says no", async () => {
    const tools = asFunctions(weather, clock)
    const ids = (message: OpenAI.ChatCompletionMessage) => message.tool_calls!.map((each) => each.type === 'function' && each.function.name)
    const whole = await client.chat.completions.create({ model: 'oxbow', messages: asked('Tell me both.'), tools })
    assert.deepEqual(ids(whole.choices[0]!.message), ['get_weather', 'get_time'])
    const half = [...asked('Tell me both.'), whole.choices[0]!.message]
    const [one, two] = whole.choices[0]!.message.tool_calls!
    const result = (id: string, content: string) => ({ role: 'tool' as const, tool_call_id: id, content })
    await assert.rejects(
      client.chat.completions.create({ model: 'oxbow', messages: [...half, result(one!.id, 'Rain.')], tools }),
      /result of the call .* is missing/,
    )
    const all = [...half, result(one!.id, 'Rain.'), result(two!.id, 'Noon.'), ...asked('Go on.')]
    const done = await client.chat.completions.create({ model: 'oxbow', messages: all, tools })
    assert.equal(done.choices[0]!.finish_reason, 'stop')
    const single = await client.chat.completions.create({
      model: 'oxbow',
      messages: asked('Tell me both.'),
      tools,
      parallel_tool_calls: false,
    })
    assert.deepEqual(ids(single.choices[0]!.message), ['get_weather'])
  })

  it('come as a stream, for the AI SDK too', async () => {
    const stream = client.chat.completions.stream({ model: 'oxbow', messages: asked('The weather?'), tools: asFunctions(weather) })
    const final = await stream.finalChatCompletion()
    assert.equal(final.choices[0]!.finish_reason, 'tool_calls')
    const provider = createOpenAI({ apiKey: token, baseURL: `${origin}/v1` })
    const tools = [{ type: 'function' as const, name: weather.name, description: '', inputSchema: weather.parameters as object }]
    for (const sdk of [provider.chat('oxbow'), provider.responses('oxbow')]) {
      const prompt: Parameters<typeof sdk.doStream>[0]['prompt'] = [{ role: 'user', content: [{ type: 'text', text: 'The weather?' }] }]
      const made: any[] = []
      for await (const piece of (await sdk.doStream({ prompt, tools })).stream) if (piece.type === 'tool-call') made.push(piece)
      assert.deepEqual(
        made.map(({ toolName, input }) => [toolName, JSON.parse(input)]),
        [['get_weather', { city: 'Oslo' }]],
      )
      const [{ toolCallId, toolName, providerMetadata: providerOptions }] = made
      prompt.push(
        { role: 'assistant', content: [{ type: 'tool-call', toolCallId, toolName, input: { city: 'Oslo' }, providerOptions }] },
        { role: 'tool', content: [{ type: 'tool-result', toolCallId, toolName, output: { type: 'text', value: 'Snow.' } }] },
      )
      const { content, finishReason } = await sdk.doGenerate({ prompt, tools })
      assert.equal(finishReason.unified, 'stop')
      assert.match(content.map((each) => (each.type === 'text' ? each.text : '')).join(''), /Snow\./)
    }
  })

  it('work along with a schema of the answer', async () => {
    const json_schema = { name: 'word', schema: { type: 'object', properties: { word: { type: 'string' } } } }
    const ask = { model: 'oxbow', messages: asked('Hi.') }
    const made = await client.chat.completions.create({ ...ask, response_format: { type: 'json_schema', json_schema } })
    assert.equal(made.choices[0]!.finish_reason, 'stop')
    const response = await client.responses.create({
      model: 'oxbow',
      input: 'Hi.',
      text: { format: { type: 'json_schema', ...json_schema } },
    })
    assert.equal(response.text?.format?.type, 'json_schema')
    const sdk = createOpenAI({ apiKey: token, baseURL: `${origin}/v1` }).responses('oxbow')
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi.' }] }]
    const { content } = await sdk.doGenerate({ prompt, responseFormat: { type: 'json', schema: json_schema.schema as object } })
    assert.ok(content.some(({ type }) => type === 'text'))
  })

  it('cannot take the name of a tool of Oxbow, nor be endless, nor answer what was not asked', async () => {
    const ask = (tools: any[], more: object = {}) =>
      client.chat.completions.create({ model: 'oxbow', messages: asked('The weather?'), tools, ...more })
    const named = (name: string) => ({ type: 'function' as const, function: { ...weather, name } })
    for (const [tools, why] of [
      [[named('file_read')], /has the name of a tool of Oxbow/],
      [[named('turn_send')], /has the name of a tool of Oxbow/],
      [[named('../x')], /letters, digits/],
      [[named('a'), named('a')], /same name/],
      [Array.from({ length: 129 }, (_, at) => named(`t${at}`)), /128/],
      [[{ type: 'function', function: { ...weather, description: 'x'.repeat(9_000) } }], /8000/],
      [[{ type: 'function', function: { ...weather, parameters: JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`) } }], /nests little/],
    ] as const)
      await assert.rejects(ask([...tools]), (error) => error instanceof OpenAI.BadRequestError && why.test(error.message), String(why))
    await assert.rejects(ask([named('a')], { tool_choice: { type: 'function', function: { name: 'b' } } }), /No tool of the request/)
    const first = await ask(asFunctions(weather))
    const [made] = first.choices[0]!.message.tool_calls!
    const forged = [...asked('x'), { role: 'tool' as const, tool_call_id: made!.id.replace(/.$/, '7'), content: 'x' }]
    await assert.rejects(client.chat.completions.create({ model: 'oxbow', messages: forged }), /Nothing waits/)
  })
})

describe('responses', () => {
  it('are whole or streamed, continue one another, and are read again after a restart', async () => {
    const first = await client.responses.create({ model: 'oxbow', input: 'Hi.', instructions: 'Be plain.' })
    assert.deepEqual([first.status, first.output_text], ['completed', 'Hello there.'])
    const stream = client.responses.stream({ model: 'oxbow', input: 'And now?', previous_response_id: first.id })
    const types: string[] = []
    for await (const event of stream) types.push(event.type)
    const second = await stream.finalResponse()
    assert.equal(second.output_text, 'Hello there.')
    assert.deepEqual(
      [...new Set(types)],
      [
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.content_part.added',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.completed',
      ],
    )
    assert.match(JSON.stringify(model.requests.at(-1)), /Be plain\.[^]*Hi\.[^]*And now\?/)
    await guest.stop()
    await serve()
    assert.equal((await client.responses.retrieve(first.id)).output_text, 'Hello there.')
    // Another answer to the first response leaves out what came since.
    const branch = await client.responses.create({ model: 'oxbow', input: 'Elsewhere?', previous_response_id: first.id })
    assert.equal(branch.output_text, 'Hello there.')
    assert.doesNotMatch(JSON.stringify(model.requests.at(-1)), /And now\?/)
    assert.match(JSON.stringify(model.requests.at(-1)), /Hi\.[^]*Elsewhere\?/)
  })

  it('call tools of the program, and go on with their outputs', async () => {
    const tools = [{ type: 'function' as const, ...weather, strict: null }]
    const first = await client.responses.create({ model: 'oxbow', input: 'The weather?', tools })
    const made = first.output.find((each) => each.type === 'function_call')
    assert.ok(made?.type === 'function_call')
    const output = { type: 'function_call_output' as const, call_id: made.call_id, output: 'Sun.' }
    const second = await client.responses.create({ model: 'oxbow', input: [output], previous_response_id: first.id, tools })
    assert.match(second.output_text, /Sun\./)
    const again = await client.responses.create({ model: 'oxbow', input: 'The weather?', tools })
    const items = [
      { role: 'user' as const, content: 'The weather?' },
      ...again.output,
      { ...output, call_id: (again.output.at(-1) as any).call_id },
    ]
    assert.match((await client.responses.create({ model: 'oxbow', input: items as any, tools })).output_text, /Sun\./)
  })

  it('run in the background, where they are looked at and cancelled, and end by themselves', async () => {
    const slow = await client.responses.create({ model: 'oxbow', input: 'Answer slowly.', background: true })
    assert.equal(slow.status, 'in_progress')
    assert.equal((await client.responses.retrieve(slow.id)).status, 'in_progress')
    assert.equal((await client.responses.cancel(slow.id)).status, 'cancelled')
    const until = async (id: string): Promise<OpenAI.Responses.Response> => {
      for (;;) {
        const made = await client.responses.retrieve(id)
        if (made.status !== 'in_progress') return made
      }
    }
    assert.equal((await until(slow.id)).status, 'cancelled')
    const quick = await client.responses.create({ model: 'oxbow', input: 'Hi.', background: true })
    const { status, output_text: text, usage } = await until(quick.id)
    assert.deepEqual([status, text, usage!.total_tokens > 0], ['completed', 'Hello there.', true])
  })

  it('refuse tools that are not functions, and ids that are not theirs', async () => {
    const failing = (options: object) => client.responses.create({ model: 'oxbow', input: 'x', ...options })
    await assert.rejects(failing({ tools: [{ type: 'web_search' }] }), /only functions/)
    await assert.rejects(failing({ text: { format: { type: 'grammar' } } }), /only text, json_object and json_schema/)
    await assert.rejects(failing({ previous_response_id: 'resp_1' }), /no response has this id/)
    await assert.rejects(failing({ input: [{ type: 'item_reference', id: 'msg_1' }] }), /no item has the id/)
  })
})

describe('the model name', () => {
  it('selects an agent that was spawned, in its own session', async () => {
    const spawned = await fetch(`${origin}/api/v1/agents`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ task: 'Wait for messages.', name: 'reader', keep: true, instructions: 'Read aloud.' }),
    })
    const { session } = (await spawned.json()) as { session: string }
    assert.ok((await client.models.list()).data.some(({ id }) => id === 'reader'))
    const answered = await client.chat.completions.create({ model: 'reader', messages: asked('Hi.') }).withResponse()
    assert.equal(answered.response.headers.get('oxbow-session'), session)
    assert.match(JSON.stringify(model.requests.at(-1)), /Read aloud\./)
    const rights = await fetch(`${origin}/api/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'plain', rights: ['turn.send', 'session.read', 'session.write'] }),
    })
    const { key } = (await rights.json()) as { key: string }
    const plain = new OpenAI({ apiKey: key, baseURL: `${origin}/v1`, maxRetries: 0 })
    assert.ok((await plain.models.list()).data.every(({ id }) => id !== 'reader'))
  })
})

describe('a model that fails', () => {
  it('is an error with the shape of OpenAI, also in a stream', async () => {
    const ask = { model: 'oxbow', messages: asked('This is broken.') }
    const isShaped = (error: unknown): boolean =>
      error instanceof OpenAI.APIError && typeof error.code === 'string' && error.code.startsWith('model_')
    await assert.rejects(client.chat.completions.create(ask), isShaped)
    const stream = await client.chat.completions.create({ ...ask, stream: true })
    await assert.rejects(collect(stream), isShaped)
    const events = await collect(await client.responses.create({ model: 'oxbow', input: 'This is broken.', stream: true }))
    const types = events.map(({ type }) => type)
    assert.equal(types.at(-1), 'response.failed')
  })
})

describe('a program that leaves', () => {
  it('cancels the turn in the middle of its stream', async () => {
    const leaving = new AbortController()
    const { data: stream, response } = await client.chat.completions
      .create({ model: 'oxbow', messages: asked('Answer slowly.'), stream: true }, { signal: leaving.signal })
      .withResponse()
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content?.includes('One')) break
    leaving.abort()
    const session = response.headers.get('oxbow-session')!
    const events = await fetch(`${origin}/api/v1/events?session=${session}`, { headers: { authorization: `Bearer ${token}` } })
    let text = ''
    for await (const piece of events.body!.pipeThrough(new TextDecoderStream()))
      if (/"phase":"outcome"[^\n]*"cancelled"/.test((text += piece))) break
    assert.match(text, /turn\.cancel/)
  })
})

describe('embeddings', () => {
  it('come from the embedder of memory, as floats and as base64', async () => {
    const input = ['The sea is blue.', 'The ocean has the colour of the sky.', 'Invoices are due in March.']
    const made = await client.embeddings.create({ model: 'oxbow', input })
    const floats = await client.embeddings.create({ model: 'oxbow', input, encoding_format: 'float' })
    assert.equal(made.data.length, 3)
    assert.deepEqual(made.data[0]!.embedding, floats.data[0]!.embedding)
    const [a, b, c] = made.data.map(({ embedding }) => embedding)
    const dot = (x: number[], y: number[]) => x.reduce((sum, value, at) => sum + value * y[at]!, 0)
    assert.ok(dot(a!, b!) > dot(a!, c!), 'texts of similar meaning are closer')
    assert.ok(made.usage.total_tokens > 0)
    const sdk = createOpenAI({ apiKey: token, baseURL: `${origin}/v1` }).embedding('oxbow')
    assert.equal((await sdk.doEmbed({ values: input })).embeddings.length, 3)
    await assert.rejects(client.embeddings.create({ model: 'oxbow', input, dimensions: 7 }), /dimensions/)
    await assert.rejects(client.embeddings.create({ model: 'oxbow', input: '' }), OpenAI.BadRequestError)
  })
})
