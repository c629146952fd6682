/** What a key has open ends with the key: each way in, by the client that people use for it, against a real guest whose model never ends its answer. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory } from '@a2a-js/sdk/client'
import { Role, type SendMessageRequest } from '@a2a-js/sdk'
import { Client as McpClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import OpenAI from 'openai'
import { WebSocket } from 'ws'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import type { JsonObject } from '../../src/base/index.ts'
import { protocolVersion } from '../../src/protocol/index.ts'
import { envelopeFor } from '../support/guest-process.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { inTime } from '../support/patience.ts'
import { makeWorkspace } from '../support/workspace.ts'

const workspace = makeWorkspace()
let model: TestModel
let guest: Guest
let origin = ''

before(async () => {
  model = await startModel({ turns: [{ steps: [{ events: [{ text: 'One ' }, { stall: true }] }] }] })
  const config = { model: model.config, a2a: { agents: { helper: { description: 'Answers.' } } } }
  guest = await startGuest(envelopeFor(workspace.root, config))
  origin = guest.url.replace('ws:', 'http:').replace('/ws', '')
})
after(async () => {
  await guest.close()
  await model[Symbol.asyncDispose]()
  workspace[Symbol.dispose]()
})

const output = async (name: string, input: JsonObject): Promise<any> => {
  const outcome = await guest.kernel.call(name, input)
  assert.ok(outcome.status === 'ok', JSON.stringify(outcome))
  return outcome.output
}
const makeKey = async (rights: readonly string[] = ['*'], more: JsonObject = {}): Promise<{ name: string; key: string }> => {
  const name = `k${randomUUID().slice(0, 8)}`
  return { name, key: (await output('key.create', { name, rights: [...rights], ...more })).key }
}
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' })
const post = (key: string, path: string, body: object): Promise<Response> =>
  fetch(`${origin}${path}`, { method: 'POST', headers: bearer(key), body: JSON.stringify(body) })

/** Something that lasts. `over` resolves with how it ended, once it has. */
interface Lasting {
  readonly over: Promise<string>
}

async function readWhole(response: Response): Promise<string> {
  let text = ''
  try {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) text += piece
    return `ended ${text.slice(-200)}`
  } catch (error) {
    return `cut ${String(error)}`
  }
}

/** Resolves when a turn of the key has begun. */
const writing = (key: { readonly name: string }): Promise<void> => running('turn.send', key)

type Open = (key: { readonly name: string; readonly key: string }) => Promise<Lasting>

const openSocket: Open = async ({ key }) => {
  const socket = new WebSocket(guest.url, ['oxbow', `bearer.${key}`])
  const { promise: over, resolve } = Promise.withResolvers<string>()
  const greeted = new Promise((done) => socket.once('message', done))
  socket.on('close', (code, reason) => resolve(`${code} ${reason.toString()}`))
  await new Promise((done) => socket.once('open', done))
  socket.send(JSON.stringify({ type: 'hello', payload: { request_id: randomUUID(), protocol: protocolVersion, client: 'test' } }))
  await greeted
  return { over }
}

const ways: Readonly<Record<string, Open>> = {
  'a WebSocket': openSocket,
  'the stream of events': async ({ key }) => {
    const response = await fetch(`${origin}/api/v1/events`, { headers: bearer(key) })
    assert.equal(response.status, 200)
    return { over: readWhole(response) }
  },
  'the stream of a session': async ({ key }) => {
    const { id } = (await (await post(key, '/api/v1/sessions', {})).json()) as { id: string }
    const response = await fetch(`${origin}/api/v1/events?session=${id}`, { headers: bearer(key) })
    assert.equal(response.status, 200)
    return { over: readWhole(response) }
  },
  'a message that waits for its reply': async (key) => {
    const asked = post(key.key, '/api/v1/messages', { text: 'Go on.' })
    await writing(key)
    return { over: asked.then(async (response) => `${response.status} ${await response.text()}`, String) }
  },
  'a call that waits': async ({ key }) => {
    const { cursor } = await output('events.next', { wait_s: 0 })
    const asked = post(key, '/api/v1/calls/events.next', { after: cursor, session: randomUUID(), wait_s: 50 })
    // Sent later, and answered: the first one waits by then.
    await (await fetch(`${origin}/api/v1/status`, { headers: bearer(key) })).text()
    return { over: asked.then(async (response) => `${response.status} ${await response.text()}`, String) }
  },
  'waiting for an agent': async ({ key, name }) => {
    const spawned = await post(key, '/api/v1/agents', { name: 'slow', task: 'Go on.' })
    assert.equal(spawned.status, 201, await spawned.clone().text())
    const asked = post(key, '/api/v1/agents/wait', { agents: ['slow'], timeout_s: 50 })
    await running('agent.wait', { name })
    return { over: asked.then(async (response) => `${response.status} ${await response.text()}`, String) }
  },
  'a chat that streams, by the package of OpenAI': async ({ key }) => {
    const client = new OpenAI({ apiKey: key, baseURL: `${origin}/v1`, maxRetries: 0 })
    const stream = await client.chat.completions.create({ model: 'oxbow', stream: true, messages: [{ role: 'user', content: 'Go on.' }] })
    const pieces = stream[Symbol.asyncIterator]()
    await pieces.next()
    const drain = async (): Promise<string> => {
      for (;;) if ((await pieces.next()).done === true) return 'ended'
    }
    return { over: drain().catch(String) }
  },
  'a response that does not stream, by the package of OpenAI': async (key) => {
    const client = new OpenAI({ apiKey: key.key, baseURL: `${origin}/v1`, maxRetries: 0 })
    const asked = client.responses.create({ model: 'oxbow', input: 'Go on.' })
    asked.catch(() => {})
    await writing(key)
    return { over: asked.then(() => 'answered', String) }
  },
  'a tool over MCP': async (key) => {
    const client = new McpClient({ name: 'a program', version: '1' })
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers: { authorization: `Bearer ${key.key}` } } }),
    )
    const asked = client.callTool({ name: 'turn_send', arguments: { text: 'Go on.' } })
    asked.catch(() => {})
    await writing(key)
    return { over: asked.then((result) => JSON.stringify(result), String) }
  },
  'the stream of a task over A2A': async (key) => {
    const fetchImpl: typeof fetch = (input, init = {}) =>
      fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), authorization: `Bearer ${key.key}` } })
    const transports = [new JsonRpcTransportFactory({ fetchImpl })]
    const client = await new ClientFactory(ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { transports })).createFromUrl(
      origin,
    )
    const message = {
      messageId: randomUUID(),
      role: Role.ROLE_USER,
      parts: [{ content: { $case: 'text', value: 'Go on.' } }],
      contextId: '',
      taskId: '',
      extensions: [],
      referenceTaskIds: [],
    }
    const request = { tenant: '', message, configuration: undefined, metadata: undefined } as unknown as SendMessageRequest
    const drain = async (): Promise<string> => {
      for await (const _ of client.sendMessageStream(request));
      return 'ended'
    }
    const over = drain().catch(String)
    await writing(key)
    return { over }
  },
}

/** Resolves when a call of the key runs. */
async function running(name: string, key: { readonly name: string }): Promise<void> {
  for (;;) {
    const { records } = await output('audit.query', { name, phase: 'intent', actor: `key:${key.name}`, limit: 5 })
    if (records.length > 0) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a key that is revoked', () => {
  for (const [way, open] of Object.entries(ways))
    it(`ends ${way}`, { timeout: 12_000 }, async () => {
      const key = await makeKey()
      const { over } = await open(key)
      await output('key.revoke', { key: key.name })
      const how = await inTime(over, () => `the end of ${way}`)
      assert.match(how, /revoked|^cut|^ended|terminated|cancel/i)
      assert.equal((await fetch(`${origin}/api/v1/status`, { headers: bearer(key.key) })).status, 401)
    })
})

describe('the rights of a key', () => {
  it('end what is open when the key expires', { timeout: 30_000 }, async () => {
    const key = await makeKey(['*'], { expires_in_s: 3 })
    const [socket, events] = await Promise.all([openSocket(key), ways['the stream of events']!(key)])
    assert.match(await inTime(socket.over, () => 'the end of the socket'), /^1008 .*expired/)
    assert.match(await inTime(events.over, () => 'the end of the events'), /^cut|^ended/)
  })

  it('end what is open when a role of it changes, and are the new ones at the next connection', { timeout: 30_000 }, async () => {
    await output('role.set', { role: 'watcher', rights: ['session.read', 'events.read'] })
    const key = await makeKey(['watcher'])
    const { over } = await openSocket(key)
    await output('role.set', { role: 'watcher', rights: ['events.read'] })
    assert.match(await inTime(over, () => 'the end of the socket'), /^1008 .*changed/)
    const again = await openSocket(key)
    assert.equal((await post(key.key, '/api/v1/calls/session.list', { limit: 1 })).status, 403)
    await output('role.remove', { role: 'watcher' }).catch(() => output('key.revoke', { key: key.name }))
    await inTime(again.over, () => 'the end of the second socket')
  })

  it('cancel the turns that the key has sent', { timeout: 30_000 }, async () => {
    const key = await makeKey(['turn.send', 'session.read', 'session.write'])
    const sent = (await (
      await fetch(`${origin}/api/v1/messages`, {
        method: 'POST',
        headers: { ...bearer(key.key), prefer: 'respond-async' },
        body: '{"text":"Go on."}',
      })
    ).json()) as { turn: string }
    await writing(key)
    await output('key.revoke', { key: key.name })
    const ended = async (): Promise<unknown> => (await output('audit.query', { call: sent.turn, phase: 'outcome' })).records[0]
    let outcome = await ended()
    for (let cursor = 0; outcome === undefined; outcome = await ended())
      cursor = (await output('events.next', { after: cursor, wait_s: 1 })).cursor
    assert.match(JSON.stringify(outcome), /cancelled/)
  })

  it('end with the sign-out of a page, whose turns go on', { timeout: 30_000 }, async () => {
    const headers = { origin, 'content-type': 'application/json' }
    const link = await fetch(`${origin}/web/link`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${guest.token}` } })
    const { code } = (await link.json()) as { code: string }
    const signed = await fetch(`${origin}/web/session`, { method: 'POST', headers, body: JSON.stringify({ code }) })
    const { page } = (await signed.json()) as { page: string }
    const cookie = signed.headers.get('set-cookie')!.split(';', 1)[0]!
    const own = { ...headers, cookie }
    const sent = (await (
      await fetch(`${origin}/web/${page}/api/v1/messages`, {
        method: 'POST',
        headers: { ...own, prefer: 'respond-async' },
        body: '{"text":"Go on."}',
      })
    ).json()) as { turn: string; session: string }
    const socket = new WebSocket(guest.url.replace('/ws', `/web/${page}/ws`), ['oxbow'], { headers: { cookie, origin } })
    const over = new Promise<string>((resolve) => socket.on('close', (number, reason) => resolve(`${number} ${reason.toString()}`)))
    await new Promise((done) => socket.once('open', done))
    const out = await fetch(`${origin}/web/${page}/web/session`, { method: 'DELETE', headers: own })
    assert.equal(out.status, 200, await out.text())
    assert.match(await inTime(over, () => 'the end of the socket'), /^1008 .*revoked/)
    assert.equal((await output('audit.query', { call: sent.turn, phase: 'outcome' })).records.length, 0)
    assert.ok((await output('turn.cancel', { session: sent.session })).cancelled)
  })
})
