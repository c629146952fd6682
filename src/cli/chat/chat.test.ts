import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionState } from '../../client/index.ts'
import { parseConfig } from '../../services/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import { fakeGateway, startChat, turn } from './chat-fixture.ts'
import { createConnectionNews, lookForServices, needsSetup } from './chat.ts'

const service = (name: string, model: string | null, lines: readonly string[] = ['[model]', `name = "${model}"`]) => ({
  id: name,
  name,
  baseUrl: 'http://127.0.0.1:1/v1',
  models: model === null ? [] : [{ name: model, contextTokens: null }],
  configLines: model === null ? [] : lines,
})

async function* gives(...services: readonly object[]): AsyncGenerator {
  for (const each of services) yield each
}

const never = 60_000

void test('found services are shown with the lines that use them and the file to put them in', async () => {
  assert.equal(
    await lookForServices(
      gives(service('Empty', null), service('Ollama', 'ollama/q'), service('vLLM', 'vllm/m')),
      '/home/a/config.toml',
      never,
    ),
    [
      'Ollama runs on this machine. To use its model ollama/q, start oxbow again with this in',
      '/home/a/config.toml:',
      '    [model]',
      '    name = "ollama/q"',
      'Also here: vLLM at http://127.0.0.1:1/v1.',
      'oxbow models --discover shows all models and how to use each service.',
    ].join('\n'),
  )
})

void test('nothing is shown when nothing is found or usable, and when the search fails', async () => {
  assert.equal(await lookForServices(gives(), 'c', never), null)
  assert.equal(await lookForServices(gives(service('Empty', null)), 'c', never), null)
  // oxlint-disable-next-line require-yield
  const fails = async function* (): AsyncGenerator {
    throw new Error('no guest')
  }
  assert.equal(await lookForServices(fails(), 'c', never), null)
})

void test('a search that does not end is stopped, and its results so far are used', async () => {
  let isAskedForMore = false
  const goesOn = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<void>()
  const hangs = async function* (): AsyncGenerator {
    try {
      yield service('Ollama', 'ollama/q')
      await goesOn.promise
      yield service('late', 'late/m')
      isAskedForMore = true
    } finally {
      stopped.resolve()
    }
  }
  assert.match((await lookForServices(hangs(), 'c', 0)) ?? '', /^Ollama runs(?!.*late)/s)
  goesOn.resolve()
  await stopped.promise
  assert.equal(isAskedForMore, false)
})

void test('texts of a service cannot control the terminal', async () => {
  const found = await lookForServices(gives(service('O\u001b]0;x\u0007', 'm\u001b[2J', ['a\u009b'])), 'c', never)
  assert.match(found ?? '', /^O.* m,/)
  assert.deepEqual(
    Array.from(found ?? '').filter((char) => char < ' ' && char !== '\n'),
    [],
  )
})

void test('the search runs only if nothing is configured, and not in CI', () => {
  const config = parseConfig({}, 'test')
  const setup = { status: { model: 'offline/offline' }, config, env: {} }
  assert.ok(needsSetup(setup))
  assert.ok(needsSetup({ ...setup, env: { CI: 'false' } }))
  assert.ok(!needsSetup({ ...setup, env: { CI: 'true' } }))
  assert.ok(!needsSetup({ ...setup, status: { model: 'openai/gpt-5' } }))
  assert.ok(!needsSetup({ ...setup, config: { ...config, model: { ...config.model, provider: 'offline' } } }))
})

const state = (type: ConnectionState['type']): ConnectionState => ({ type }) as ConnectionState

void test('a lost connection is reported once, whatever the number of attempts, and so is its return', () => {
  const told: string[] = []
  const take = createConnectionNews((text) => told.push(text.trim().split(/[ ;]/).slice(1, 3).join(' ')))
  for (const type of ['reconnecting', 'reconnecting', 'connected', 'connected', 'reconnecting', 'gone'] as const) take(state(type))
  assert.deepEqual(told, ['connection to', 'reconnected —', 'connection to'])
})

void test('the labels of the conversation are shown after a turn when they or their origins have changed', async () => {
  const fake = fakeGateway()
  let read = [['untrusted', 'page:https://example.com/']]
  const call: GatewayPort['call'] = async () => ({
    status: 'ok',
    ok: true,
    text: '',
    output: { labels: ['untrusted'], origins: read, declassified: [] } as never,
  })
  const { type, shown, end, over } = startChat({ ...fake, gateway: { ...fake.gateway, call } })
  for (const origins of [read, read, [...read, ['untrusted', 'path:/shared/a.txt']]]) {
    read = origins
    await type('go')
    fake.tell(turn, 'turn.send', 'started', { text: 'go' })
    fake.tell('h', 'model.generate', 'intent', { labels: ['untrusted'] })
    fake.end()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(shown.text.match(/⚑.*/g), ['⚑ untrusted: https://example.com/', '⚑ untrusted: /shared/a.txt +1'])
  end()
  await over
})
