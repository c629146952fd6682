/** The first plugin of a guest that runs: it is taken over during a turn, which goes on, and its parts are there from then on. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { treeHash } from '../../src/plugins/index.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import { newId } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'

const source = `export default { name: 'late',
  actions: [{ name: 'hello', effect: 'none', handler: () => ({ success: true, text: 'hello from the plugin' }) }],
  models: { TEXT_LARGE: async function* (runtime, { messages, tools, stream }) {
    const last = messages.at(-1)
    if (last.role !== 'tool') {
      yield 'I write '
      await new Promise((resolve) => setTimeout(resolve, 100))
      yield { text: 'it down.' }
      return yield { toolCall: { name: tools.find(({ name }) => name === 'file_write').name, input: { path: 'poem.txt', text: 'Oh rose' } } }
    }
    yield 'It says: '
    yield { text: last.ok ? 'done' : last.content, usage: { promptTokens: 9, completionTokens: 4 } }
  } },
  hooks: [{ step: 'call.before', run: (runtime, { name }) => (name === 'file.read' ? { verdict: 'refuse', reason: 'the plugin says no' } : { verdict: 'pass' }) }],
}`

void test('the first plugin comes to a guest during a turn, which goes on', { timeout: 60_000 }, async () => {
  using workspace = makeWorkspace()
  const command = 'touch begun; while [ ! -e go ]; do sleep 0.05; done; echo ran >> log.txt'
  await using model = await startModel([
    { events: [{ tool_call: { name: 'shell_exec', arguments: { command } } }] },
    {
      events: [{ tool_call: { name: 'late_hello', arguments: {} } }, { tool_call: { name: 'file_read', arguments: { path: 'log.txt' } } }],
    },
    { events: [{ text: 'Done.' }] },
  ])
  const folder = join(workspace.home, 'plugin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), source)
  const base = { version: '1.0.0', program: 'plugin-host', entries: ['index.mjs'], hosts: [], secrets: [], paths: [], config: {} } as const
  const plugin: HostedPlugin = { ...base, name: 'late', folder, tree_hash: await treeHash(folder), rights: [], hooks: ['call.before'] }
  const config = {
    model: model.config,
    agent: { rights: ['shell.run', 'file.read', 'file.write', 'plugin.late'] },
    approval: { privileged: 'allow' },
    memory: { index_messages: false },
  }
  await using guest = startGuest({
    workspace,
    config,
    answer: ({ ask }) => (ask === 'plugins' ? [plugin] : ask === 'definitions' ? [] : { skills: [], prompts: [] }),
  })
  {
    using terminal = await openReady(guest, workspace)
    const { result } = await terminal.expect('result', 'create_session', {})
    const { id: session } = result as { id: string }
    await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
    const call = async (name: string, input: object) =>
      (await terminal.expect('result', 'call', { name, input, session })).result as { status: string; text: string; output: unknown }
    const turn = newId()
    await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: 'Go.' })
    await workspace.appears('begun')
    assert.equal((await terminal.ask('call', { name: 'plugin.list', input: {}, session })).type, 'result')
    const synced = await call('plugin.sync', {})
    assert.deepEqual([synced.status, synced.output], ['ok', { plugins: ['late'], problems: {}, untagged: 0 }])
    writeFileSync(join(workspace.shared, 'go'), '')
    const ended = await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
    assert.equal((ended.body as { reply?: string }).reply, 'Done.')
    assert.match(JSON.stringify(model.results()), /hello from the plugin/)
    assert.deepEqual(
      ((await call('plugin.list', {})).output as { plugins: { plugin: string }[] }).plugins.map(({ plugin: name }) => name),
      ['late'],
    )
    assert.match(JSON.stringify(model.results()), /the plugin says no/)
    // And its model holds a conversation, with tools, which streams to who follows.
    const own = newId()
    await terminal.expect('ack', 'send_turn', { session, client_id: own, text: 'Write a poem.', model: 'plugin:late' })
    const written = await terminal.record((record) => String(record.call) === own && record.phase === 'outcome')
    assert.equal((written.body as { reply?: string }).reply, 'It says: done')
    assert.equal(readFileSync(join(workspace.shared, 'poem.txt'), 'utf8'), 'Oh rose')
    const deltas = terminal.frames.flatMap((frame) => (frame.type === 'delta' ? [(frame.payload as { text: string }).text] : []))
    assert.ok(deltas.join('|').includes('I write |it down.|'), deltas.join('|'))
  }
  assert.deepEqual(workspace.lines('log.txt'), ['ran'])
  const end = await guest.stop()
  assert.doesNotMatch(end.stderr, /restarted/)
  const { entries } = await readLedger(workspace)
  assert.deepEqual(
    entries
      .filter(({ name, phase }) => name === 'shell.exec' && phase === 'outcome')
      .map(({ body }) => (body as { status: string }).status),
    ['ok'],
  )
})
