/** Registration of elizaOS plugins: what is refused, what is only warned of, and the order of an agent's start and end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plugin, ServiceClass } from '../eliza-types.ts'
import { componentMethods } from './components.ts'
import type { ElizaRuntime } from './runtime-types.ts'

function open(plugins: readonly Plugin[] = []) {
  const done: string[] = []
  const log = (level: string) => (_fields: object, text: string) => void done.push(`${level}: ${text}`)
  const runtime = {
    agentId: 'agent',
    character: { name: 'Ada', secrets: { KEY: 'sealed' }, settings: { model: 'm', secrets: { OTHER: 'sealed' } } },
    plugins: [] as Plugin[],
    actions: [],
    providers: [],
    routes: [] as { path: string }[],
    services: new Map<string, { stop(): Promise<void> }[]>(),
    elizaOS: {},
    logger: { warn: log('warn'), error: log('error') },
    adapter: { getParticipantsForRoom: async () => [] },
    registerModel: (type: string) => void done.push(`model ${type}`),
    registerEvent: (name: string) => void done.push(`event ${name}`),
    mergeAgentSettings: () => void done.push('settings'),
    ensureAgentExists: async (agent: object) => (done.push(`agent ${JSON.stringify(agent)}`), agent),
    ensureWorldExists: async () => void done.push('world'),
    ensureEntity: async () => void done.push('entity'),
    getRoom: async () => null,
    createRoom: async () => void done.push('room'),
    addParticipant: async () => void done.push('participant'),
  }
  const self = runtime as unknown as ElizaRuntime
  const begin = async (_service: ServiceClass, plugin: string): Promise<void> => void done.push(`service of ${plugin}`)
  const migrate = async (some: readonly Plugin[]): Promise<void> => void done.push(`tables of ${some.map(({ name }) => name).join()}`)
  const ready = { resolve: () => void done.push('ready'), reject: () => void done.push('not ready') }
  Object.assign(self, componentMethods(self, plugins, begin, migrate, ready))
  return { self, done, runtime }
}
const plugin = (name: string, more: object = {}): Plugin => ({ name, description: '', ...more })

test('a plugin that lacks a setting is warned of and keeps what needs none; any other failure of its start is one', async () => {
  const { self, done } = open()
  const failing = (message: string) => async (): Promise<never> => Promise.reject(new Error(message))
  await self.registerPlugin(plugin('keyless', { init: failing('No API key found'), actions: [{ name: 'A' }] }))
  assert.deepEqual([self.actions.length, done], [1, ['warn: Plugin is not configured']])
  await assert.rejects(self.registerPlugin(plugin('broken', { init: failing('out of memory') })), /out of memory/)
})

test('the settings of a plugin reach its start as text, without those that are not set', async () => {
  const { self } = open()
  let given: unknown
  await self.registerPlugin(
    plugin('a', { config: { N: 1, B: false, X: null, Y: undefined }, init: async (some: object) => void (given = some) }),
  )
  assert.deepEqual(given, { N: '1', B: 'false' })
})

test('a plugin or an action of a name that is taken is left out, and a route stands below its plugin', async () => {
  const { self, done } = open()
  await self.registerPlugin(plugin('a', { actions: [{ name: 'GO' }], routes: [{ path: 'x' }, { path: '/y' }] }))
  await self.registerPlugin(plugin('a', { actions: [{ name: 'OTHER' }] }))
  await self.registerPlugin(
    plugin('b', { actions: [{ name: 'GO' }], models: { TEXT: () => '' }, events: { E: [() => {}] }, services: [{}] }),
  )
  assert.deepEqual([self.actions.map(({ name }) => name), self.routes.map(({ path }) => path)], [['GO'], ['/a/x', '/a/y']])
  assert.deepEqual(done, [
    'warn: Plugin already registered, skipping',
    'warn: Action already registered, skipping',
    'model TEXT',
    'event E',
    'service of b',
  ])
})

test("an agent's row has no secrets of its character, and tables of plugin-sql are not made a second time", async () => {
  const sql = plugin('@elizaos/plugin-sql', { schema: {} })
  const { self, done } = open([sql, plugin('own', { schema: {} })])
  await self.initialize()
  assert.deepEqual(done, [
    'agent {"name":"Ada","settings":{"model":"m"},"id":"agent"}',
    'settings',
    'world',
    'entity',
    'room',
    'participant',
    'tables of own',
    'ready',
  ])
  const failed = open([plugin('bad', { init: async () => Promise.reject(new Error('no')) })])
  await assert.rejects(failed.self.initialize(), /no/)
  assert.equal(failed.done.at(-1), 'not ready')
})

test('a service that does not stop keeps no other from stopping', async () => {
  const { self, done, runtime } = open()
  const service = (name: string) => ({ stop: async () => void (done.push(name), name === 'bad' && assert.fail('stuck')) })
  runtime.services.set('x', [service('bad'), service('good')])
  await self.stop()
  assert.deepEqual(done, ['bad', 'error: Service did not stop', 'good'])
  assert.equal(self.elizaOS, undefined)
})
