/** Private data on its way through a plugin without hosts, in a real sandbox of a real guest: what it was told in one conversation keeps its label in the next. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Guest, startGuest } from '../../src/guest/guest.ts'
import { newCallId } from '../../src/kernel/kernel-fixture.ts'
import { treeHash } from '../../src/plugins/index.ts'
import type { SessionId, UserId } from '../../src/base/index.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import type { GuestEnvelope } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { startModel } from '../support/model.ts'

const source = `
import { definePlugin } from 'oxbow/plugin'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
const kept = () => (existsSync('/data/kept') ? readFileSync('/data/kept', 'utf8') : '')
const text = { name: 'text', type: 'string', required: true }
export default definePlugin({
  name: 'box',
  actions: [
    { name: 'KEEP', description: 'Keeps a text.', parameters: [text],
      handler: (runtime, message, state, { parameters }) => (writeFileSync('/data/kept', parameters.text), { success: true, text: 'Kept.' }) },
    { name: 'READ', description: 'Reads a file and keeps it.', handler: async (runtime) => {
      writeFileSync('/data/kept', (await runtime.call('file.read', { path: '/shared/letter.txt' })).text)
      return { success: true, text: 'Read.' } } },
    { name: 'TELL', description: 'Tells what it has kept.', handler: () => ({ success: true, text: 'It is ' + kept() }) },
    { name: 'FAIL', description: 'Fails with what it has kept.', handler: () => { throw new Error('It is ' + kept()) } },
    { name: 'SAVE', description: 'Writes what it has kept.', handler: async (runtime) => {
      const { text } = await runtime.call('file.write', { path: '/shared/from-box.txt', text: kept() })
      return { success: true, text: 'Saved.' } } },
    { name: 'NOTE', description: 'Notes what it has kept.', handler: async (runtime) => (await runtime.memory.save(kept()), { success: true, text: 'Noted.' }) },
  ],
  providers: [{ name: 'KEPT', dynamic: true, get: () => ({ text: kept() }) }],
  models: { TEXT_LARGE: () => 'I know ' + kept() },
  evaluators: [{ name: 'WATCH', handler: (runtime, message, state, did, { responses }) => { if (responses?.[0]?.text) writeFileSync('/data/heard', responses[0].text) } }],
})
`

type ToolCall = readonly [name: string, args?: object]

interface Home extends AsyncDisposable {
  readonly guest: () => Guest
  /** A new conversation in which the model makes the calls of this name. @returns its labels */
  talk(name: string, model?: string, session?: SessionId): Promise<readonly string[]>
  /** @param hosts of the plugin from now on */
  restart(hosts?: readonly string[]): Promise<void>
}

const labelled = ['private', 'untrusted']

/** @param scripts the calls of conversations, by their only message */
async function openHome(scripts: Readonly<Record<string, readonly ToolCall[]>>, flow: object = { both: 'allow' }): Promise<Home> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-told-'))
  for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(root, folder))
  writeFileSync(join(root, 'shared', 'letter.txt'), 'the code is 4711')
  const folder = join(root, 'plugin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), source)
  const turns = Object.entries(scripts).map(([match, calls]) => ({
    match,
    steps: [...calls.map(([name, args = {}]) => ({ events: [{ tool_call: { name, arguments: args } }] })), { events: [{ text: 'Done.' }] }],
  }))
  const model = await startModel({ turns })
  const envelope = await envelopeFor(root, folder, model.config.base_url, flow)
  const now = (hosts: readonly string[]): readonly HostedPlugin[] => envelope.plugins!.map((plugin) => ({ ...plugin, hosts }))
  let guest = await startGuest(envelope)
  const described = join(root, 'internal', 'plugins', '.exports')
  await guest.kernel.call('plugin.info', { plugin: 'box' })
  while (!existsSync(described) || readdirSync(described).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    guest: () => guest,
    async talk(text, by, given) {
      const session = given ?? (await guest.kernel.createSession('talk')).id
      const clientId = newCallId()
      const ended = Promise.withResolvers<void>()
      await guest.kernel.follow(session, 0, (event) => {
        if (event.type === 'record' && event.record.call === clientId && event.record.phase === 'outcome') ended.resolve()
      })
      await guest.kernel.sendTurn({ session, clientId, text, model: by })
      await ended.promise
      const shown = await guest.kernel.call('flow.show', { session })
      assert.ok(shown.status === 'ok', shown.text)
      return [...(shown.output as { labels: readonly string[] }).labels].sort()
    },
    async restart(hosts = []) {
      await guest.close()
      guest = await startGuest({ ...envelope, plugins: now(hosts) }, { host: { plugins: async () => now(hosts) } as never })
    },
    async [Symbol.asyncDispose]() {
      await guest.close()
      await model[Symbol.asyncDispose]()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

const letter = ['file_read', { path: '/shared/letter.txt' }] as const
const code = 'the code is 4711'

void test(
  'what a plugin was told in a private conversation is private in the next, also after a restart',
  { timeout: 120_000 },
  async () => {
    await using home = await openHome({
      harmless: [['box_keep', { text: 'nothing of note' }], ['box_tell']],
      secret: [letter, ['box_keep', { text: code }]],
      tell: [['box_tell']],
      fail: [['box_fail']],
      quiet: [],
      'what is kept': [],
    })
    assert.deepEqual(await home.talk('harmless'), ['untrusted'])
    assert.deepEqual(await home.talk('secret'), labelled)
    assert.deepEqual(await home.talk('tell'), labelled)
    await home.restart()
    assert.deepEqual(await home.talk('tell'), labelled)
    assert.deepEqual(await home.talk('fail'), labelled)
    assert.deepEqual(await home.talk('quiet'), [], 'one that does not ask it has no label')
    assert.deepEqual(await home.talk('what is kept'), labelled, 'its provider')
  },
)

void test(
  'what a plugin has read itself is private in the next conversation, in its files and memories too',
  { timeout: 120_000 },
  async () => {
    await using home = await openHome({
      read: [['box_read']],
      save: [['box_save']],
      note: [['box_note']],
      search: [['memory_search', { query: code }]],
    })
    assert.deepEqual(await home.talk('read'), labelled)
    await home.talk('save')
    const shown = await home.guest().kernel.call('flow.show', {})
    assert.match(shown.text, /\/shared\/from-box\.txt {2}private data/)
    await home.talk('note')
    assert.deepEqual(await home.talk('search'), labelled)
  },
)

void test('a plugin that was told private data is not loaded with a new host until it is emptied', { timeout: 120_000 }, async () => {
  await using home = await openHome({ secret: [letter, ['box_keep', { text: code }]], tell: [['box_tell']] }, {})
  await home.talk('secret')
  await home.restart(['collect.example'])
  const { kernel } = home.guest()
  const info = async (): Promise<unknown> => {
    const shown = await kernel.call('plugin.info', { plugin: 'box' })
    assert.ok(shown.status === 'ok', shown.text)
    return shown.output
  }
  assert.match(JSON.stringify(await info()), /may have kept private data.*collect\.example.*oxbow plugin clear box/)
  const cleared = await kernel.call('plugin.sync', { cleared: ['box'] })
  assert.equal(cleared.status, 'ok', cleared.text)
  assert.equal((await kernel.call('flow.show', {})).text, 'No file has labels.')
  assert.deepEqual(await home.talk('tell'), ['untrusted'])
})

void test('a plugin that is the model of a conversation tells what it was asked', { timeout: 120_000 }, async () => {
  await using home = await openHome({ secret: [letter], tell: [['box_tell']] })
  assert.deepEqual(await home.talk('aloud', 'plugin:box/TEXT_LARGE'), [])
  const { id: session } = await home.guest().kernel.createSession('both')
  await home.talk('secret', undefined, session)
  assert.deepEqual(await home.talk('aloud', 'plugin:box/TEXT_LARGE', session), labelled)
  assert.deepEqual(await home.talk('aloud', 'plugin:box/TEXT_LARGE'), ['private'])
})

async function envelopeFor(root: string, folder: string, baseUrl: string, flow: object): Promise<GuestEnvelope> {
  const plugin: HostedPlugin = {
    name: 'box',
    version: '1.0.0',
    program: 'plugin-host',
    folder,
    tree_hash: await treeHash(folder),
    entries: ['index.mjs'],
    rights: ['file.read', 'file.write', 'memory.write', 'memory.read'],
    hosts: [],
    secrets: [],
    paths: [],
    config: {},
  }
  const config = parseConfig(
    {
      model: { provider: 'openai', base_url: baseUrl },
      agent: { rights: ['file.read', 'file.write', 'memory.read', 'memory.write', 'plugin.box'] },
      approval: { side_effecting: 'allow', privileged: 'allow' },
      flow: { ...flow, source: [{ path: '/shared/letter.txt', labels: ['private'] }] },
      memory: { embedder: 'none' },
    },
    'this test',
  )
  const keys = { OPENAI_API_KEY: 'sk-not-a-key' }
  return { user: 'ada' as UserId, workspaceRoot: root, config, insecure: false, version: '0.0.0', keys, plugins: [plugin] }
}
