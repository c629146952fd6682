/** Programs of others whose request waits for a person, which want JSON without a schema, or which send tokens in place of text. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { encode } from 'gpt-tokenizer/encoding/cl100k_base'
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

const saves = { tool_call: { name: 'scratchpad_write', arguments: { items: ['x'] } } }

before(async () => {
  model = await startModel({
    turns: [
      { match: 'save', steps: [{ events: [saves] }, { events: [{ text: 'Saved: {{last}}' }] }] },
      { match: 'fenced', steps: [{ events: [{ text: '```json\n{"a": 1}\n```' }] }] },
      { steps: [{ events: [{ text: 'Hello.' }] }] },
    ],
  })
  guest = startGuest({ workspace, config: { model: model.config, approval: { calls: { 'scratchpad.write': 'ask' } } } })
  const started = await guest.started
  assert.ok(started.type === 'ready')
  origin = started.url.replace('ws:', 'http:').replace('/ws', '')
  token = readFileSync(join(workspace.root, 'ipc/token'), 'utf8').trim()
  client = new OpenAI({ apiKey: token, baseURL: `${origin}/v1`, maxRetries: 0 })
})
after(async () => {
  await guest.kill()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

async function post(path: string, body: object, headers: Record<string, string> = {}): Promise<{ status: number; body: any }> {
  const response = await fetch(`${origin}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: await response.json() }
}

const approve = (call: string): Promise<{ status: number }> => post(`/api/v1/approvals/${call}`, { allow: true })
const asked = (content: string) => ({ model: 'oxbow', messages: [{ role: 'user' as const, content }] })

describe('a request whose turn waits for a person', () => {
  it('says so in the stream of a chat, which goes on when the person has decided', async () => {
    const stream = await client.chat.completions.create({ ...asked('Please save it.'), stream: true })
    let text = ''
    const told: any[] = []
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      const { x_oxbow: extra } = chunk as { x_oxbow?: any }
      if (extra === undefined) continue
      told.push(extra)
      assert.equal((await approve(extra.approvals[0].call)).status, 200)
    }
    assert.deepEqual([told.length, told[0].status, told[0].approvals[0].name], [1, 'waiting', 'scratchpad.write'])
    assert.match(text, /^Saved:/)
  })

  it('says so in the stream of a response', async () => {
    const stream = client.responses.stream({ model: 'oxbow', input: 'Please save it.' })
    const told: any[] = []
    for await (const event of stream) {
      const extra = event.type === 'response.in_progress' ? (event.response as any).x_oxbow : undefined
      if (extra === undefined) continue
      told.push(extra.approvals[0].name)
      await approve(extra.approvals[0].call)
    }
    assert.deepEqual(told, ['scratchpad.write'])
    assert.match((await stream.finalResponse()).output_text, /^Saved:/)
  })

  it('is answered with 202 and what it waits for where it is no stream, and its turn goes on', async () => {
    const chat = await client.chat.completions.create(asked('Please save it.')).withResponse()
    assert.equal(chat.response.status, 202)
    assert.match(chat.data.choices[0]!.message.content!, /^Waiting: a person must allow scratchpad\.write/)
    const { x_oxbow: waiting } = chat.data as any
    await approve(waiting.approvals[0].call)
    const next = [...asked('Please save it.').messages, chat.data.choices[0]!.message, { role: 'user' as const, content: 'And?' }]
    const later = await client.chat.completions.create({ model: 'oxbow', messages: next }).withResponse()
    assert.equal(later.response.headers.get('oxbow-session'), waiting.session)
    const made = await client.responses.create({ model: 'oxbow', input: 'Please save it.' }).withResponse()
    assert.deepEqual([made.response.status, made.data.status], [202, 'in_progress'])
    await approve((made.data as any).x_oxbow.approvals[0].call)
    for (let read = made.data; ; read = await client.responses.retrieve(read.id)) {
      if (read.status === 'in_progress') continue
      assert.match(read.output_text, /^Saved:/)
      break
    }
  })

  it('is answered so over the API of Oxbow, and a repeated request gets the reply', async () => {
    const send = () => post('/api/v1/messages', { text: 'Please save it.' }, { 'idempotency-key': 'once' })
    const first = await send()
    assert.deepEqual([first.status, first.body.status, first.body.approvals[0].name], [202, 'waiting', 'scratchpad.write'])
    await approve(first.body.approvals[0].call)
    let again = await send()
    while (again.status === 202) again = await send()
    assert.deepEqual([again.body.turn, again.body.status], [first.body.turn, 'ok'])
    assert.match(again.body.reply, /^Saved:/)
  })
})

describe('an answer as a JSON object', () => {
  it('is asked for in words, and comes without a fence', async () => {
    const form = { response_format: { type: 'json_object' as const } }
    const chat = await client.chat.completions.create({ ...asked('It is fenced.'), ...form })
    assert.deepEqual(JSON.parse(chat.choices[0]!.message.content!), { a: 1 })
    assert.match(JSON.stringify(model.requests.at(-1)), /one JSON object and nothing else/)
    const made = await client.responses.create({ model: 'oxbow', input: 'It is fenced.', text: { format: { type: 'json_object' } } })
    assert.deepEqual(JSON.parse(made.output_text), { a: 1 })
    await client.chat.completions.create(asked('Hi.'))
    assert.doesNotMatch(JSON.stringify(model.requests.at(-1)), /one JSON object/)
  })
})

describe('vectors', () => {
  it("of tokens equal their text's vectors, for one list or many", async () => {
    const texts = ['The sea is blue.', 'Schöne Grüße 👋']
    const vectorsOf = async (input: any) =>
      (await client.embeddings.create({ model: 'oxbow', input, encoding_format: 'float' })).data.map(({ embedding }) => embedding)
    const plain = await vectorsOf(texts)
    assert.deepEqual(await vectorsOf(texts.map((text) => encode(text))), plain)
    assert.deepEqual(await vectorsOf(encode(texts[0]!)), plain.slice(0, 1))
    await assert.rejects(vectorsOf([[99_999_999]]), OpenAI.BadRequestError)
  })
})
