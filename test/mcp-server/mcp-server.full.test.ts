/** `/mcp` as programs use it, in both protocols: of 2025, with a session, and of 2026, where each request stands alone. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Client as FirstClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FirstTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { startModel, type TestModel } from '../support/model.ts'
import { metaOf, openRig, type Rig, textOf } from './mcp-rig.ts'

let model: TestModel
let rig: Rig

const scenario = {
  turns: [
    { match: 'stall', steps: [{ events: [{ text: 'One ' }, { stall: true as const }] }] },
    {
      match: 'note',
      steps: [{ events: [{ tool_call: { name: 'scratchpad_write', arguments: { items: ['x'] } } }] }, { events: [{ text: 'Noted.' }] }],
    },
    // Long enough for the program to follow.
    { steps: [{ events: [{ text: 'Hello ' }, { delay_ms: 500 }, { text: 'there.' }] }] },
  ],
}

before(async () => {
  model = await startModel(scenario)
  rig = await openRig({ model: model.config, approval: { calls: { 'scratchpad.write': 'ask', 'state.save': 'ask' } } })
  writeFileSync(join(rig.workspace.shared, 'a b.md'), '# Title\nline two\n')
  writeFileSync(join(rig.workspace.shared, 'dot.png'), Buffer.from(picture, 'base64'))
})
after(async () => {
  await rig[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const document = { category: 'notes', name: 'one', data: { a: 1 } }
const saved = { name: 'state_save', arguments: document }

for (const era of ['legacy', 'auto'] as const) {
  // What does not depend on the protocol is tried over one of them.
  const itOnce = (name: string, run: () => Promise<void>): void => {
    if (era === 'legacy') void it(name, run)
  }
  describe(`over MCP, ${era === 'legacy' ? 'with a session' : 'request by request'}`, () => {
    itOnce(
      'offers the calls that the key has rights for, with hints from tier and effect, and nothing that decides or configures',
      async () => {
        const { key } = await rig.key('*')
        const program = await rig.program(key, { era })
        const names = (await program.listTools()).tools.map(({ name }) => name)
        for (const name of ['file_read', 'shell_exec', 'turn_send', 'session_list', 'call_result']) assert.ok(names.includes(name), name)
        for (const name of ['call_decide', 'key_create', 'secret_reveal', 'config_save', 'tool_search', 'model_generate'])
          assert.ok(!names.includes(name), name)
        const few = await rig.program((await rig.key('file.read', '!file.write', 'state.write')).key, { era })
        const { tools } = await few.listTools()
        const rights = new Map<string, string>((await rig.output('system.calls', {})).map((call: any) => [call.name, call.right]))
        for (const { name, title = '' } of tools)
          assert.ok(name === 'call_result' || ['file.read', 'state.write'].includes(rights.get(title)!), `${name}: ${rights.get(title)}`)
        assert.ok(['file_read', 'state_save'].every((name) => tools.some((tool) => tool.name === name)))
        const hintsOf = (name: string): unknown => tools.find((tool) => tool.name === name)?.annotations
        const read = { title: 'file.read', readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true }
        assert.deepEqual(hintsOf('file_read'), read)
        const save = { title: 'state.save', readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false }
        assert.deepEqual(hintsOf('state_save'), save)
      },
    )

    it('makes a call as its key, fences what others wrote, and shows pictures', async () => {
      const { key, name } = await rig.newKey('file.read')
      const program = await rig.program(key, { era })
      const read = await program.callTool({ name: 'file_read', arguments: { path: 'a b.md' } })
      assert.match(textOf(read), /^<<data (\S+)\n {4}1\t# Title\n[^]*\n\1>>$/)
      const shown = await program.callTool({ name: 'file_read', arguments: { path: 'dot.png' } })
      assert.ok(JSON.stringify(shown.content).includes(picture.slice(0, 40)))
      const { records } = await rig.output('audit.query', { actor: `key:${name}`, name: 'file.read', phase: 'outcome' })
      assert.equal(records.length, 2)
    })

    itOnce('refuses what the key has no right for, and records that', async () => {
      const { key, name } = await rig.newKey('file.read:/shared/docs')
      const program = await rig.program(key, { era })
      const written = await program.callTool({ name: 'file_write', arguments: { path: 'x', text: 'x' } })
      assert.equal(written.isError, true)
      assert.equal(metaOf(written)['oxbow/code'], 'denied')
      const read = await program.callTool({ name: 'file_read', arguments: { path: 'a b.md' } })
      assert.match(textOf(read), /denied.*file\.read does not cover/)
      const { records } = await rig.output('audit.query', { actor: `key:${name}`, phase: 'refused' })
      assert.equal(records.length, 2)
      await assert.rejects(program.callTool({ name: 'no_such_tool', arguments: {} }), /no tool/)
      await assert.rejects(program.callTool({ name: 'call_decide', arguments: { call: 'x', allow: true } }), /no tool/)
    })

    it('asks in the program where its key may decide, and runs only what was allowed', async () => {
      const { key } = await rig.key('state.write', 'state.read', 'call.decide')
      const asked: string[] = []
      let allow = false
      const answers = (message: string) => {
        asked.push(message)
        return { action: 'accept' as const, content: { allow } }
      }
      const program = await rig.program(key, { era, answers })
      assert.match(textOf(await program.callTool(saved)), /refused this state\.save call/)
      allow = true
      const done = await program.callTool(saved)
      assert.equal(done.isError, false, textOf(done))
      assert.equal(asked.length, 2)
      assert.match(asked[0]!, /allow state\.save\?[^]*"name":"one"/)
    })

    it('answers that a call waits where the program cannot ask or its key may not decide, and gives the result later', async () => {
      const answers = () => assert.fail('it was asked')
      for (const [rights, options] of [
        [['state.write', 'call.decide'], { era }],
        [['state.write'], { era, answers }],
      ] as const) {
        const program = await rig.program((await rig.key(...rights)).key, options)
        const cursor = await rig.cursor()
        const first = await program.callTool(saved)
        assert.match(textOf(first), /^Waiting: a person must allow state\.save/)
        const call = metaOf(first)['oxbow/call']!
        assert.equal((await rig.next('approval_requested', cursor)).fields.call, call)
        const still = await program.callTool({ name: 'call_result', arguments: { call, wait_s: 0 } })
        assert.equal(metaOf(still)['oxbow/status'], 'waiting')
        const later = program.callTool({ name: 'call_result', arguments: { call } })
        await rig.guest.kernel.approve(call as never, true)
        assert.equal(metaOf(await later)['oxbow/status'], 'ok')
        const other = await rig.program((await rig.newKey('state.write')).key, { era })
        await assert.rejects(other.callTool({ name: 'call_result', arguments: { call } }), /No call of this key/)
      }
    })

    it('lists, reads, completes and follows files as resources', async () => {
      const { key } = await rig.key('file.read', 'file.write')
      const program = await rig.program(key, { era })
      const { resources } = await program.listResources()
      const found = resources.find(({ name }) => name === 'a b.md')
      assert.equal(found?.uri, 'oxbow:///shared/a%20b.md')
      const early = await rig.program((await rig.newKey('file.read:/shared/later')).key, { era })
      assert.deepEqual((await early.listResources()).resources, [])
      const { contents } = await program.readResource({ uri: found.uri })
      assert.deepEqual(contents, [{ uri: found.uri, mimeType: 'text/markdown', text: '# Title\nline two\n' }])
      const image = (await program.readResource({ uri: 'oxbow:///shared/dot.png' })).contents[0] as { readonly blob?: string }
      assert.equal(image.blob, picture)
      const { resourceTemplates } = await program.listResourceTemplates()
      const [{ uriTemplate } = { uriTemplate: '' }] = resourceTemplates
      const { completion } = await program.complete({
        ref: { type: 'ref/resource', uri: uriTemplate },
        argument: { name: 'path', value: 'a' },
      })
      assert.deepEqual(completion.values, ['a b.md'])
      for (const uri of ['oxbow:///shared/../../etc/passwd', 'oxbow:///etc/passwd', 'file:///etc/passwd', 'oxbow:///shared/%zz'])
        await assert.rejects(program.readResource({ uri }), /no such resource/i, uri)
      await assert.rejects(program.readResource({ uri: 'oxbow:///shared/none' }))
      const changed = Promise.withResolvers<string>()
      program.setNotificationHandler('notifications/resources/updated', ({ params }) => changed.resolve(params.uri))
      if (era === 'legacy') await program.subscribeResource({ uri: found.uri })
      else await program.listen({ resourceSubscriptions: [found.uri] })
      await program.callTool({ name: 'file_write', arguments: { path: 'other.md', text: 'x' } })
      await rig.output('file.write', { path: 'a b.md', text: '# Title\nline two\n\n' })
      assert.equal(await changed.promise, found.uri)
      await rig.output('file.write', { path: 'a b.md', text: '# Title\nline two\n' })
    })

    it('sends a message to the agent, shows its text as it is written, and continues the session', async () => {
      const { key } = await rig.key('turn.send', 'session.read')
      const program = await rig.program(key, { era })
      let shown = ''
      const onprogress = ({ message = '' }: { readonly message?: string | undefined }) => void (shown += message)
      const said = await program.callTool({ name: 'turn_send', arguments: { text: 'Hi.' } }, { onprogress })
      assert.match(textOf(said), /^Hello there\.\nSession /)
      assert.equal(shown, 'Hello there.')
      const session = metaOf(said)['oxbow/session']!
      await program.callTool({ name: 'turn_send', arguments: { text: 'Again.', session } })
      assert.match(JSON.stringify(model.requests.at(-1)), /Hi\.[^]*Hello there\.[^]*Again\./)
      const { prompts } = await program.listPrompts()
      assert.ok(prompts.some(({ name }) => name === 'agent-oxbow'))
      const { messages } = await program.getPrompt({ name: 'agent-oxbow', arguments: { task: 'Sum up.' } })
      assert.match(JSON.stringify(messages), /turn_send[^]*Sum up\./)
    })

    itOnce('cancels the turn and the call of a request that the program cancels', async () => {
      const { key } = await rig.key('turn.send', 'session.read')
      const program = await rig.program(key, { era })
      const cursor = await rig.cursor()
      const leaving = new AbortController()
      const onprogress = (): void => leaving.abort()
      await assert.rejects(program.callTool({ name: 'turn_send', arguments: { text: 'stall' } }, { onprogress, signal: leaving.signal }))
      assert.equal((await rig.next('turn_ended', cursor)).fields.status, 'cancelled')
    })
  })
}

describe('over MCP', () => {
  it('serves the first version of the SDK', async () => {
    const { key } = await rig.key('file.read')
    const client = new FirstClient({ name: 'v1', version: '1' })
    const requestInit = { headers: { authorization: `Bearer ${key}` } }
    await client.connect(new FirstTransport(rig.url, { requestInit }))
    assert.ok((await client.listTools()).tools.some(({ name }) => name === 'file_read'))
    assert.match(textOf(await client.callTool({ name: 'file_read', arguments: { path: 'a b.md' } })), /# Title/)
    await client.close()
  })

  it('asks in the program for what an agent may not do alone, and the turn goes on', async () => {
    const { key } = await rig.key('turn.send', 'session.read', 'call.decide')
    const program = await rig.program(key, { answers: () => ({ action: 'accept', content: { allow: true } }) })
    assert.match(textOf(await program.callTool({ name: 'turn_send', arguments: { text: 'note' } })), /^Noted\./)
  })
})
