/** A guest whose configuration files change while it runs, as editors change them: a real runner, a real guest, a real client. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, connect } from '../../src/client/index.ts'
import type { Json, JsonObject, SessionId } from '../../src/base/index.ts'
import type { ConfigState } from '../../src/config/index.ts'
import { ensureGuest, loadConfig, openHome, openWorkspace, parseUser, type RunningGuest } from '../../src/runner/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { patienceMs } from '../support/patience.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-reload-'))
const home = openHome({ OXBOW_HOME: root })
const workspace = openWorkspace(home, parseUser('ada'))
const file = join(root, 'config.toml')
let usual: string
let guest: RunningGuest
let client: Client
let model: TestModel
let losses = 0

before(async () => {
  const write = { tool_call: { name: 'file_write', arguments: { path: '/shared/x.txt', text: 'x' } } }
  model = await startModel({
    turns: [
      { steps: [{ events: [{ delay_ms: 3_000 }, write] }, { events: [{ text: 'first' }] }] },
      { steps: [{ events: [write] }, { events: [{ text: 'second' }] }] },
      { steps: [{ events: [{ text: 'calm' }] }] },
      { steps: [{ events: [{ text: 'wild' }] }] },
    ],
  })
  usual = `[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\nname = "gpt-4.1-mini"\n[memory]\nembedder = "none"\n`
  writeFileSync(file, usual)
  guest = await ensureGuest({
    home,
    workspace,
    config: loadConfig(home, workspace),
    insecure: false,
    version: '0.0.0-test',
    env: { PATH: process.env['PATH'], OPENAI_API_KEY: 'sk-test-0123456789' },
    warn: () => {},
  })
  const onState = ({ type }: { type: string }): void => void (losses += type === 'connected' ? 0 : 1)
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

async function say(text: string, session?: SessionId, more: { readonly model?: string } = {}): Promise<SessionId> {
  const { id } = session === undefined ? await client.createSession() : { id: session }
  await client.sendTurn({ session: id, text, ...more })
  return id
}

/** As an editor saves: another file takes the place of the one that is there. */
function save(text: string): void {
  writeFileSync(`${file}.swp`, text)
  renameSync(`${file}.swp`, file)
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 25) {
    if (await holds()) return
    await sleep(25)
  }
  assert.fail(`not in ${patienceMs / 1_000} s: ${what}`)
}

const generation = async (): Promise<number> => (await ask<{ generation: number }>('config.changes')).generation
const events = async (): Promise<string> => JSON.stringify(await ask('events.next', { after: 0, limit: 200 }))

test('a saved file counts at once, without a lost connection; a turn ends with what it began with, and its record names that', async () => {
  await until('the first generation is recorded', async () => (await generation()) === 1)
  const first = await say('write')
  await until('the first turn asks the model', async () => model.requests.length === 1)
  const since = losses
  save(`${usual}[approval.calls]\n"file.write" = "deny"\n`)
  await until('the change is recorded', async () => (await generation()) === 2)
  assert.deepEqual((await ask<ConfigState>('config.show')).pending, [])
  await until('the first turn goes on', async () => model.requests.length === 2)
  assert.doesNotMatch(model.results().join(), /den(?:y|ied)/i)
  await until('it has ended', async () => (await ask<{ turns: readonly unknown[] }>('system.now')).turns.length === 0)
  await say('again', first)
  await until('the next turn has called', async () => model.requests.length === 4)
  assert.match(model.results().at(-1)!, /den(?:y|ied)/i)
  assert.equal(losses, since)
  const { records } = await ask<{ records: readonly { phase: string; body: string }[] }>('audit.query', { name: 'turn.send', limit: 50 })
  const started = records.filter(({ phase }) => phase === 'started')
  assert.deepEqual(new Set(started.map(({ body }) => (JSON.parse(body) as JsonObject)['config'])), new Set([1, 2]))
})

test('files that cannot be used change nothing, and every terminal is told why, once', async () => {
  const standing = await generation()
  for (const text of ['[approval]\nmode = "nonsense"\n', '[approval]\nmode = "nonsense"\n\n']) {
    save(usual + text)
    await sleep(200)
  }
  await until('the refusal is an event', async () => /config_refused.*approval\.mode/.test(await events()))
  assert.equal((await events()).match(/config_refused/g)?.length, 1)
  assert.equal(await generation(), standing)
  await assert.rejects(ask('config.reload'), { code: 'bad_config' })
})

test('a key that needs a restart waits for it, and what is asked for is taken up at once', async () => {
  save(`${usual}[agent]\nname = "other"\n[turn]\nmax_turns = 9\n`)
  const taken = await ask<{ applied: readonly string[]; waiting: readonly string[] }>('config.reload')
  assert.deepEqual(taken.waiting, ['agent.name'])
  assert.deepEqual((await ask<ConfigState>('config.show')).pending, ['agent.name'])
  await until('the change is recorded', async () =>
    /turn\.max_turns/.test(JSON.stringify(await ask('audit.query', { name: 'config.taken', limit: 50 }))),
  )
})

test('a profile counts as its file says now, for the next turn that names it', async () => {
  const asked = model.requests.length
  const profile = (temperature: number): string =>
    `[model.profiles.calm]\nmodel = "gpt-4.1-mini"\ntemperature = ${temperature}\nmax_output_tokens = 77\n`
  const applied = async (text: string): Promise<readonly string[]> => {
    save(usual + text)
    // The watcher may have been faster.
    await ask('config.reload')
    return (await ask<{ changes: readonly { key: string }[] }>('config.changes')).changes.map(({ key }) => key)
  }
  await assert.rejects(say('hello', undefined, { model: 'profile:calm' }), /There is no profile:calm/)
  assert.ok((await applied(profile(0.25))).includes('model.profiles.calm.temperature'))
  await say('hello', undefined, { model: 'profile:calm' })
  await until('the model is asked', async () => model.requests.length === asked + 1)
  const { model: name, temperature, max_tokens: most, max_completion_tokens: atMost } = model.settings.at(-1)!
  assert.deepEqual([name, temperature, most ?? atMost], ['gpt-4.1-mini', 0.25, 77])
  await applied(profile(1.5))
  await say('hello', undefined, { model: 'profile:calm' })
  await until('the model is asked again', async () => model.requests.length === asked + 2)
  assert.equal(model.settings.at(-1)!['temperature'], 1.5)
  const { models } = await ask<{ models: readonly { id: string }[] }>('model.usable')
  assert.ok(models.some(({ id }) => id === 'profile:calm'))
  await applied('')
  await assert.rejects(say('hello', undefined, { model: 'profile:calm' }), /There is no profile:calm/)
})

test('a schedule of a file comes with its entry, without a restart, and goes with it', async () => {
  const schedules = async (): Promise<readonly { name: string; source: string }[]> =>
    (await ask<{ schedules: readonly { name: string; source: string }[] }>('schedule.search')).schedules
  assert.deepEqual(await schedules(), [])
  save(`${usual}[[schedule]]\nname = "nightly"\ngoal = "Say what is new."\ncron = "0 3 * * *"\n`)
  await until('it is made', async () => (await schedules()).some(({ name, source }) => name === 'nightly' && source === 'config'))
  save(usual)
  await until('it is gone', async () => (await schedules()).length === 0)
})
