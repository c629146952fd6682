/** A server of the first SDK of MCP over HTTP, at the gate of a whole kernel: what it asks of the person and of a model, and what it lists. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createServers } from '../../src/connect/index.ts'
import { asks, type Fixture, type FixtureOptions, openFixture, says } from '../../src/kernel/kernel-fixture.ts'
import { openEgressFetch } from '../../src/sandbox/index.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { CallOutcome, GenerateRequest } from '../../src/protocol/index.ts'
import { mcpServer } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'

function oldServer(): McpServer {
  const server = new McpServer({ name: 'old', version: '1' }, { instructions: 'Use it well.' })
  server.registerTool('greet', { description: 'Greets.' }, async () => {
    const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] }
    const { action, content } = await server.server.elicitInput({ message: 'What is your name?', requestedSchema })
    return { content: [{ type: 'text', text: `${action} ${String(content?.['name'])}` }] }
  })
  server.registerTool('think', { description: 'Thinks.' }, async () => {
    const message = { role: 'user', content: { type: 'text', text: 'What is two and two?' } } as const
    const text = await server.server.createMessage({ messages: [message], maxTokens: 50 }).then(
      ({ content }) => JSON.stringify(content),
      (error: Error) => error.message,
    )
    return { content: [{ type: 'text', text }] }
  })
  const template = new ResourceTemplate('note://{id}', { list: undefined })
  server.registerResource('note', template, {}, (uri) => ({ contents: [{ uri: uri.href, text: `the note ${uri.href}` }] }))
  server.registerPrompt('review', {}, () => ({ messages: [{ role: 'user', content: { type: 'text', text: 'Review this.' } }] }))
  return server
}

describe('a server of the first SDK', () => {
  let http: Server
  let host = ''
  const transports = new Map<string, StreamableHTTPServerTransport>()
  before(async () => {
    http = process.getBuiltinModule('node:http').createServer(async (request, response) => {
      const known = transports.get(String(request.headers['mcp-session-id']))
      if (known !== undefined) return known.handleRequest(request, response)
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: () => `session-${transports.size}`,
        onsessioninitialized: (id) => void transports.set(id, transport),
      })
      await oldServer().connect(transport)
      return transport.handleRequest(request, response)
    })
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    host = `127.0.0.1:${(http.address() as AddressInfo).port}`
  })
  after(() => {
    http.closeAllConnections()
    http.close()
  })

  const config = parseConfig({}, 'this test')
  const open = async (samplingTokens: number, play: NonNullable<FixtureOptions['play']>): Promise<Fixture> => {
    const guest = await openFixture({
      config: { agent: { rights: ['mcp.old'] } },
      play,
      servers: (kernel) =>
        createServers({
          ...kernel,
          config: config.mcp,
          sandbox: { status: { tier: 'none' } } as never,
          hash: async () => (text) => createHash('sha256').update(text).digest('hex'),
          openFetch: async (name, allow) => openEgressFetch(config.egress, name, allow),
          version: '0',
          nowMs: () => performance.now(),
        }),
    })
    const settings = mcpServer.parse({ url: `http://${host}/mcp`, allow: [host], sampling_tokens: samplingTokens })
    await output(guest, 'server.add', { server: 'old', settings })
    const { digest } = await output(guest, 'server.diff', { server: 'old' })
    await output(guest, 'server.approve', { server: 'old', digest })
    return guest
  }
  const output = async (guest: Fixture, name: string, input: object, session?: Fixture['session']): Promise<JsonObject> => {
    const outcome: CallOutcome = await guest.kernel.call(name, input as JsonObject, session)
    return outcome.status === 'ok' ? (outcome.output as JsonObject) : assert.fail(outcome.text)
  }
  /** Runs a turn whose model calls this tool, and returns its result. @param answer decides the calls that wait */
  const callTool = async (samplingTokens: number, tool: string, answer: (guest: Fixture) => Promise<unknown>): Promise<string> => {
    let asked = 0
    const requests: GenerateRequest[] = []
    await using guest = await open(samplingTokens, (request) => {
      requests.push(request)
      if (request.system === '' || request.tools.length === 0) return says('four')
      return (asked += 1) === 1 ? asks([tool, {}]) : says('done')
    })
    const turn = guest.turn('go')
    await answer(guest)
    await turn
    const { body } = await guest.record(({ name, phase }) => name === tool.replaceAll('_', '.') && phase === 'outcome')
    const sampled = requests.filter(({ tools }) => tools.length === 0)
    assert.ok(sampled.every(({ messages }) => JSON.stringify(messages).includes('two and two')))
    return JSON.stringify(body)
  }
  const decide = async (guest: Fixture, name: string, decision: object): Promise<void> => {
    const { call } = await guest.record((record) => record.name === name && record.phase === 'parked')
    await output(guest, 'call.decide', { call, ...decision })
  }

  it('gets what the person writes into its form, who is asked whatever the mode of approvals is', async () => {
    const input = { server: 'old', mode: 'form', message: 'What is your name?' }
    const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
    const result = await callTool(0, 'mcp_old_greet', async (guest) => {
      const { call } = await guest.record(({ name, phase }) => name === 'server.elicit' && phase === 'parked')
      // A yes alone, and an answer that does not fit, are refused; the question stays.
      await assert.rejects(guest.kernel.approve(call, true), {
        code: 'bad_input',
        message: /form: it must have required property 'name'\./,
      })
      const wrong = { call, allow: true, input: { ...input, schema, answer: { name: 7 } } }
      const refused = await guest.kernel.call('call.decide', wrong)
      assert.match(refused.text, /form: name must be string\./)
      // The question is the server's, whatever the answer.
      const answered = { ...wrong.input, answer: { name: 'Ada' } }
      for (const other of [
        { schema: { type: 'object', properties: { name: {} } } },
        { message: 'Your key?' },
        { mode: 'url', url: 'https://x.test/' },
      ])
        assert.match(
          (await guest.kernel.call('call.decide', { ...wrong, input: { ...answered, ...other } })).text,
          /only `answer` can be changed/,
        )
      await output(guest, 'call.decide', { ...wrong, input: answered })
    })
    assert.match(result, /accept Ada/)
    assert.match(await callTool(0, 'mcp_old_greet', (guest) => decide(guest, 'server.elicit', { allow: false })), /decline undefined/)
  })

  it('asks a model within the tokens that it has a day, and not at all without any', async () => {
    assert.match(await callTool(5_000, 'mcp_old_think', (guest) => decide(guest, 'server.sample', { allow: true })), /four/)
    assert.match(await callTool(10, 'mcp_old_think', (guest) => decide(guest, 'server.sample', { allow: true })), /budget/i)
    assert.match(await callTool(0, 'mcp_old_think', async () => {}), /not support|not found/i)
  })

  it('has its resources read and its prompts chosen; both make a session untrusted', async () => {
    await using guest = await open(0, () => says('hello'))
    assert.deepEqual(await output(guest, 'mcp.old.resource_read', { uri: 'note://7' }, guest.session), { text: 'the note note://7' })
    assert.deepEqual(await output(guest, 'mcp.old.prompt_get', { prompt: 'review' }, guest.session), { text: 'Review this.' })
    const { body } = await guest.record(({ name, phase }) => name === 'mcp.old.prompt_get' && phase === 'outcome')
    assert.deepEqual((body as { labels: unknown }).labels, ['untrusted'])
  })
})
