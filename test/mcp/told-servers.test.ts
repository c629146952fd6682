/** A server of tools on this machine keeps what it was told: in a real sandbox, through a real kernel. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServers } from '../../src/connect/index.ts'
import { asks, done, newCallId, openFixture, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { Label } from '../../src/protocol/index.ts'
import { mcpServer } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'

const program = `
let kept = ''
const tool = (name) => ({ name, description: name, inputSchema: { type: 'object', properties: { text: { type: 'string' } } } })
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } }),
  'tools/list': () => ({ tools: [tool('keep'), tool('tell')] }),
  'tools/call': ({ name, arguments: given = {} }) => {
    if (name === 'keep') kept = given.text
    return { content: [{ type: 'text', text: name === 'keep' ? 'Kept.' : 'It is ' + kept }] }
  },
}
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) return
  const answer = answers[method]
  process.stdout.write(JSON.stringify(answer ? { jsonrpc: '2.0', id, result: answer(params) } : { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }) + '\\n')
})
`

const diary = testCall('test.diary', async () => done('Dear diary'), {
  right: 'file.read',
  effect: 'none',
  tier: 'read_only',
  labels: { adds: ['private'], sink: false },
})

void test(
  'what a server was told in a private conversation is private in the next, until it is disabled',
  { timeout: 60_000 },
  async () => {
    await using bench = await makeWorkbench()
    mkdirSync(join(bench.root, 'program'))
    writeFileSync(join(bench.root, 'program', 'notes.cjs'), program)
    const config = parseConfig({}, 'this test')
    const scripts: Readonly<Record<string, readonly string[]>> = {
      harmless: ['mcp_notes_keep', 'mcp_notes_tell'],
      secret: ['test_diary', 'mcp_notes_keep'],
      tell: ['mcp_notes_tell'],
    }
    await using fixture = await openFixture({
      config: {
        agent: { rights: ['file.read', 'mcp.notes'] },
        approval: { side_effecting: 'allow' },
        flow: { both: 'allow', irreversible: 'allow' },
      },
      calls: [diary],
      play({ messages }) {
        const last = messages.findLastIndex(({ role }) => role === 'user')
        const name = Object.keys(scripts).find((each) => JSON.stringify(messages[last]).includes(each)) ?? ''
        const next = scripts[name]?.[messages.slice(last).filter(({ role }) => role === 'assistant').length]
        return next === undefined ? says('Done.') : asks([next, { text: 'x' }])
      },
      servers: (kernel) =>
        createServers({
          ...kernel,
          config: config.mcp,
          sandbox: bench.sandbox,
          hash: async () => (text) => createHash('sha256').update(text).digest('hex'),
          openFetch: () => Promise.reject(new Error('no network in this test')),
          version: '0',
          nowMs: () => performance.now(),
        }),
    })
    const { kernel } = fixture
    const call = async (name: string, input: object): Promise<JsonObject> => {
      const outcome = await kernel.call(name, input as JsonObject)
      assert.ok(outcome.status === 'ok', outcome.text)
      return outcome.output as JsonObject
    }
    const talk = async (text: string): Promise<readonly Label[]> => {
      const { id: session } = await kernel.createSession('talk')
      const clientId = newCallId()
      const ended = Promise.withResolvers<void>()
      await kernel.follow(session, 0, (event) => {
        if (event.type === 'record' && event.record.call === clientId && event.record.phase === 'outcome') ended.resolve()
      })
      await kernel.sendTurn({ session, clientId, text })
      await ended.promise
      return (await call('flow.show', { session }))['labels'] as unknown as readonly Label[]
    }
    await call('server.add', {
      server: 'notes',
      settings: mcpServer.parse({ command: 'node', args: ['/opt/server/notes.cjs'], program_folder: join(bench.root, 'program') }),
    })
    const { digest } = await call('server.diff', { server: 'notes' })
    await call('server.approve', { server: 'notes', digest, no_sink: ['keep', 'tell'] })
    assert.deepEqual(await talk('harmless'), ['untrusted'])
    await talk('secret')
    assert.deepEqual(await talk('tell'), ['private', 'untrusted'])
    await call('server.switch', { server: 'notes', enabled: false })
    await call('server.switch', { server: 'notes', enabled: true })
    assert.deepEqual(await talk('tell'), ['untrusted'])
  },
)
