/** A guest whose owner changes its configuration, as from the browser: a real runner, a real guest, a real client. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Client, connect, type OutputOf } from '../src/client/index.ts'
import { ensureGuest, loadConfig, openHome, openWorkspace, parseUser, type RunningGuest } from '../src/runner/index.ts'
import type { Json, JsonObject } from '../src/base/index.ts'
import { type ConfigProposal, type ConfigState, setupChanges } from '../src/config/index.ts'
import { inTime } from './support/patience.ts'
import { startModel, type TestModel } from './support/model.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-settings-'))
const home = openHome({ OXBOW_HOME: root })
const workspace = openWorkspace(home, parseUser('ada'))
const file = join(workspace.root, 'config.toml')
const key = 'sk-settings-0123456789abcdef'
let guest: RunningGuest
let client: Client
let model: TestModel
let reconnected = Promise.withResolvers<void>()

before(async () => {
  writeFileSync(join(root, 'config.toml'), '[model]\nprovider = "offline"\n[agent]\nname = "home"\n')
  model = await startModel([{ events: [{ text: 'hello' }] }])
  guest = await ensureGuest({
    home,
    workspace,
    config: loadConfig(home, workspace),
    insecure: false,
    version: '0.0.0-test',
    env: { PATH: process.env['PATH'] },
    warn: () => {},
  })
  const onState = ({ type }: { type: string }): void => (type === 'connected' ? reconnected.resolve() : undefined)
  client = await connect({ url: guest.url, token: guest.token, client: 'test', onState })
})
after(async () => {
  await client.close()
  await guest.stop()
  await model[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

async function ask<Output>(name: string, input: Json = {}): Promise<Output> {
  const outcome = await client.call(name, input)
  if (outcome.status !== 'ok') throw Object.assign(new Error(outcome.failure.message), outcome.failure)
  return outcome.output as Output
}

async function restart(): Promise<void> {
  reconnected = Promise.withResolvers()
  await ask('guest.restart')
  await inTime(reconnected.promise, () => 'the restarted guest')
}

test('a saved change has its source, waits for a restart, and is then in force in the same process at the same address', async () => {
  const { hash, entries } = await ask<ConfigState>('config.show')
  const source = (name: string): string | undefined => entries.find((entry) => entry.key.join('.') === name)?.source
  assert.deepEqual([source('agent.name'), source('approval.mode')], ['all_users', 'default'])
  const draft = { changes: [{ key: ['agent', 'name'], value: 'ox two' }] }
  const checked = await ask<ConfigProposal>('config.check', { draft })
  assert.deepEqual(checked.changes, [{ key: 'agent.name', before: 'home', after: 'ox two' }])
  assert.equal(existsSync(file), false)
  await ask('config.save', { draft, base: hash })
  assert.equal(readFileSync(file, 'utf8'), '[agent]\nname = "ox two"\n')
  assert.deepEqual((await ask<ConfigState>('config.show')).pending, ['agent.name'])
  const { pid, url } = guest
  await restart()
  const shown = await ask<ConfigState>('config.show')
  assert.deepEqual(shown.pending, [])
  assert.equal(shown.last_good?.text, '')
  assert.deepEqual(JSON.parse(readFileSync(join(workspace.ipc, 'gateway.json'), 'utf8')), { url, pid })
})

test('what a guest takes up is on record, by whatever means it was changed, and a loosened wall is told of until it stands again', async () => {
  const taken = (): Promise<OutputOf<'config.changes'>> => ask('config.changes')
  assert.deepEqual(await taken(), { generation: 2, changes: [{ key: 'agent.name', before: 'home', after: 'ox two' }], loosened: [] })
  const asItWas = readFileSync(file, 'utf8')
  // As an editor does.
  writeFileSync(file, `${asItWas}[approval]\nmode = "auto"\n[providers.mine]\nbase_url = "http://user:hunter2@127.0.0.1:1"\n`)
  await restart()
  const { generation, changes, loosened } = await taken()
  // What counts at once may be a generation of its own, before the restart.
  assert.ok(generation === 3 || generation === 4, String(generation))
  assert.deepEqual(
    loosened.map((each) => [each.key, each.before, each.after]),
    [['approval.mode', 'allow_list', 'auto']],
  )
  assert.match(JSON.stringify(changes), /"providers\.mine\.base_url","before":null,"after":"sha256:[0-9a-f]{12}"/)
  const records = await ask<{ records: JsonObject[] }>('audit.query', { name: 'config.taken' })
  assert.match(JSON.stringify(records), /approval\.mode/)
  assert.doesNotMatch(JSON.stringify(records), /hunter2/)
  writeFileSync(file, asItWas)
  await restart()
  const { generation: next, loosened: left } = await taken()
  assert.ok(next > generation)
  assert.deepEqual(left, [])
})

test('what cannot be used is not saved, and names the line; neither is a change to an outdated text', async () => {
  const { hash } = await ask<ConfigState>('config.show')
  const unchanged = readFileSync(file, 'utf8')
  const save = (draft: Json, base = hash): Promise<unknown> => ask('config.save', { draft, base })
  await assert.rejects(save({ text: '[approval]\nmode = "nonsense"\n' }), { code: 'bad_config', message: /line 2, approval\.mode/ })
  await assert.rejects(save({ text: '[model]\napi_key = "sk-abcdefabcdefabcdefabcdef"\n' }), { code: 'bad_config' })
  await assert.rejects(save({ changes: [{ key: ['__proto__', 'x'], value: 1 }] }), { code: 'bad_config' })
  await assert.rejects(save({ text: '', last_good: true }), { code: 'bad_input' })
  await assert.rejects(save({ text: '' }, '0'.repeat(64)), { code: 'edit_mismatch' })
  assert.equal(readFileSync(file, 'utf8'), unchanged)
})

test('a configuration with which the guest cannot start leaves it running with the previous one, which can be restored', async () => {
  const { hash } = await ask<ConfigState>('config.show')
  const draft = { changes: [{ key: ['web', 'search'], value: 'searxng' }] }
  await assert.rejects(ask('config.save', { draft, base: hash }), { code: 'bad_config', message: /search_url/ })
  const nameless = {
    changes: [
      { key: ['model', 'provider'], value: 'openai' },
      { key: ['model', 'name'], value: 'gpt5minni' },
    ],
  }
  await assert.rejects(ask('config.save', { draft: nameless, base: hash }), { code: 'bad_config', message: /gpt-5-mini/ })
  assert.equal((await ask<ConfigState>('config.show')).hash, hash)
  // A person may still write it by hand.
  writeFileSync(file, `${readFileSync(file, 'utf8')}[web]\nsearch = "searxng"\n`)
  await restart()
  const failed = await ask<ConfigState & { restart_problem: string }>('config.show')
  assert.notEqual(failed.restart_problem, '')
  assert.deepEqual(failed.pending, ['web.search'])
  assert.equal((await client.status()).model, 'offline/offline')
  await ask('config.save', { draft: { last_good: true }, base: failed.hash })
  assert.equal(readFileSync(file, 'utf8'), '[agent]\nname = "ox two"\n')
  await restart()
  assert.equal((await ask<{ restart_problem: string }>('config.show')).restart_problem, '')
})

test('a first-run setup with a key ends in an answer; the key is in no file, no record and no answer', async () => {
  await ask('secret.set', { name: 'OPENAI_API_KEY', value: ` ${key}\n` })
  const { hash } = await ask<ConfigState>('config.show')
  const choice = { kind: 'address', baseUrl: model.config.base_url, model: 'test-model', contextTokens: 32_000, price: null } as const
  const draft = { changes: setupChanges({ model: choice, tier: 'process' }) } as unknown as Json
  await ask('config.save', { draft, base: hash })
  await restart()
  // The guest knows it by now: it is stored as the value that it is, and not as the name that stands for it.
  assert.deepEqual(await ask('secret.set', { name: 'OPENAI_API_KEY', value: key }), { name: 'OPENAI_API_KEY', changed: false })
  const services = await ask<{ services: { id: string; key: string; is_default: boolean }[] }>('model.services')
  const openai = services.services.find(({ id }) => id === 'openai')
  assert.deepEqual([openai?.key, openai?.is_default], ['present', true])
  const { id } = await client.createSession()
  const ended = Promise.withResolvers<unknown>()
  await client.follow(id, 0, (event) => {
    if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended.resolve(event.record.body)
  })
  await client.sendTurn({ session: id, text: 'hi' })
  assert.equal(((await inTime(ended.promise, () => 'the answer')) as { reply: string }).reply, 'hello')
  const records = await ask<unknown>('audit.query', { name: 'secret.', limit: 50 })
  assert.doesNotMatch(JSON.stringify([records, services]), new RegExp(key))
  assert.doesNotMatch(readFileSync(file, 'utf8'), new RegExp(key))
  assert.equal(readFileSync(join(workspace.root, 'internal', 'oxbow.db')).includes(key), false)
})

test('no agent, and no key without the right, reaches the configuration', async () => {
  const calls = await ask<{ name: string; audience: string[]; right: string }[]>('system.calls')
  const own = calls.filter(({ name }) => /^(?:config|guest)\.|^secret\.(?:set|remove)$/.test(name))
  assert.equal(own.length, 10)
  for (const { name, audience } of own) assert.deepEqual(audience, ['terminal'], name)
  const made = await ask<{ key: string }>('key.create', { name: 'limited', rights: ['superuser'] })
  const limited = await connect({ url: guest.url, token: made.key, client: 'test' })
  for (const [name, input] of [
    ['config.show', {}],
    ['config.save', { draft: { last_good: true }, base: '0'.repeat(64) }],
    ['guest.restart', {}],
    ['secret.set', { name: 'OPENAI_BASE_URL', value: 'http://evil.example' }],
  ] as const) {
    const outcome = await limited.call(name, input)
    assert.equal(outcome.status === 'refused' && outcome.failure.code, 'denied', name)
  }
  await limited.close()
})
