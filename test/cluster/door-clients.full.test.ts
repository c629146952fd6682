/** Programs of others through the door of a node that does not have the guest: the official clients, files, streams, and webhooks. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { type Task, TaskState } from '@a2a-js/sdk'
import { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client'
import Anthropic from '@anthropic-ai/sdk'
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import OpenAI from 'openai'
import { Webhook } from 'standardwebhooks'
import { request as taskRequest, says } from '../a2a/a2a-fixture.ts'
import { connect } from '../../src/client/index.ts'
import { clusterSkip } from './cluster-fixture.ts'
import { type DoorRig, openDoorRig, user } from './doors-fixture.ts'

const skip = clusterSkip()

describe('through the door of another node', { skip }, () => {
  let rig: DoorRig
  let headers: Record<string, string> = {}
  before(async () => {
    if (skip !== false) return
    rig = await openDoorRig({ sections: ['[a2a.agents.helper]', 'description = "Answers what it is asked."'] })
    headers = { authorization: `Bearer ${rig.key}` }
  })
  after(() => rig?.[Symbol.asyncDispose]())

  test('the client of OpenAI streams a turn, and reads its refusal', async () => {
    const open = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${rig.address}/v1`, maxRetries: 0 })
    const [agent] = (await open(rig.key).models.list()).data
    assert.ok(agent !== undefined)
    const asked = { model: agent.id, messages: [{ role: 'user', content: 'hi from OpenAI' }] } as const
    const stream = open(rig.key).chat.completions.stream({ ...asked, messages: [...asked.messages] })
    assert.equal((await stream.finalChatCompletion()).choices[0]?.message.content, 'Heard: hi from OpenAI')
    const wrong = `oxbow_${'0'.repeat(16)}${'a'.repeat(43)}`
    await assert.rejects(open(wrong).models.list(), (error: { status?: number; message?: string }) => error.status === 401)
  })

  test('metrics name the node that has the guest, whatever door they are asked at', async () => {
    const text = await (await fetch(`${rig.address}/metrics`, { headers })).text()
    assert.match(text, new RegExp(`^oxbow_cluster_node\\{node="${rig.home.name}"\\} 1$`, 'm'))
  })

  test('the client of Anthropic gets a message', async () => {
    const client = new Anthropic({ apiKey: rig.key, baseURL: rig.address, maxRetries: 0 })
    const { id } = (await client.models.list()).data[0]!
    const answer = await client.messages.create({ model: id, max_tokens: 100, messages: [{ role: 'user', content: 'hi from Anthropic' }] })
    assert.deepEqual(answer.content.map((part) => (part.type === 'text' ? part.text : '')).join(''), 'Heard: hi from Anthropic')
  })

  test('a client of MCP lists tools and calls one', async () => {
    const client = new McpClient({ name: 'a program', version: '1' })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${rig.address}/mcp`), { requestInit: { headers } }))
    const { tools } = await client.listTools()
    assert.ok(
      tools.some(({ name }) => name === 'session_list'),
      tools.map(({ name }) => name).join(),
    )
    const called = await client.callTool({ name: 'session_list', arguments: {} })
    assert.notEqual(called.isError, true)
    await client.close()
  })

  for (const transport of ['JSONRPC', 'HTTP+JSON'] as const)
    test(`a client of A2A finds the card, whose addresses lead through a door, and gets a task over ${transport}`, async () => {
      const fetchImpl: typeof fetch = (input, init) =>
        fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), ...headers } })
      const transports = [new JsonRpcTransportFactory({ fetchImpl }), new RestTransportFactory({ fetchImpl })]
      const factory = new ClientFactory(
        ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { transports, preferredTransports: [transport] }),
      )
      const card = (await (await fetch(`${rig.address}/.well-known/agent-card.json`)).json()) as { supportedInterfaces: { url: string }[] }
      for (const { url } of card.supportedInterfaces) assert.ok(url.startsWith(`${rig.home.door}/users/${user}/a2a/helper`), url)
      const client = await factory.createFromUrl(`${rig.address}/`)
      const task = (await client.sendMessage(taskRequest(says('hi from A2A')))) as Task
      assert.equal(task.status?.state, TaskState.TASK_STATE_COMPLETED)
      const kinds: string[] = []
      for await (const { payload } of client.sendMessageStream(taskRequest(says('again')))) kinds.push(payload?.$case ?? '')
      assert.equal(kinds.at(-1), 'statusUpdate')
    })

  test('the HTTP API streams events, takes an upload, and gives parts of a file', async () => {
    const leaving = new AbortController()
    const streamed = await fetch(`${rig.address}/api/v1/events`, { headers, signal: leaving.signal })
    assert.match(streamed.headers.get('content-type') ?? '', /text\/event-stream/)
    const sent = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'hi by events' }),
    }
    assert.ok((await fetch(`${rig.address}/api/v1/messages`, sent)).ok)
    let heard = ''
    for await (const chunk of streamed.body!.pipeThrough(new TextDecoderStream())) if (/turn_ended/.test((heard += chunk))) break
    assert.match(heard, /event: turn_ended/)
    leaving.abort()
    const content = randomBytes(3_000_000)
    const address = `${rig.address}/api/v1/files/large.bin?raw=1`
    const put = await fetch(address, { method: 'PUT', headers, body: content })
    assert.ok(put.ok, await put.text())
    assert.deepEqual(Buffer.from(await (await fetch(address, { headers })).arrayBuffer()), content)
    const part = await fetch(address, { headers: { ...headers, range: 'bytes=1000000-1000099' } })
    assert.equal(part.status, 206)
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), content.subarray(1_000_000, 1_000_100))
  })

  test('a webhook is taken by its signature, and told from a forged one', async () => {
    const client = await connect({ url: `${rig.address.replace('http', 'ws')}/ws`, token: rig.key, client: 'test' })
    await client.close()
    const made = await rig.cluster.oxbow(rig.home.name, 'channel', 'add', 'webhook', '--name', 'news', '--user', user, '--json')
    assert.equal(made.exit, 0, made.text)
    const { secret } = JSON.parse(made.text.slice(made.text.indexOf('{'))) as { secret: string }
    const body = JSON.stringify({ text: 'something happened' })
    const post = (key: string): Promise<Response> => {
      const [id, at] = [crypto.randomUUID(), new Date()]
      const signed = { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)) }
      const signature = new Webhook(key).sign(id, at, body)
      return fetch(`${rig.address}/hooks/news`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...signed, 'webhook-signature': signature },
        body,
      })
    }
    const taken = await post(secret)
    assert.equal(taken.status, 202, await taken.text())
    assert.equal((await post(`whsec_${randomBytes(24).toString('base64')}`)).status, 401)
  })
})
