/** Our runtime object compared with the class of @elizaos/core 1.7.2: the table of docs/elizaos.md, and the same cases through both. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { ElizaCore, Free, Memory, Plugin } from '../../src/eliza-host/eliza-types.ts'
import { createElizaRuntime } from '../../src/eliza-host/runtime/eliza-runtime.ts'
import { createStoreAdapter } from '../../src/eliza-host/store-adapter.ts'
import { elizaPackages, type FakeStore, openFakeStore } from './eliza-packages-fixture.ts'

type Core = ElizaCore & { readonly AgentRuntime: new (options: object) => Free }
let core: Core
// The runtime of elizaOS leaves a timer of 30 s behind for each service, which would hold this process.
const { setTimeout: realTimeout } = globalThis
globalThis.setTimeout = ((...args: Parameters<typeof realTimeout>) => {
  const timer = realTimeout(...args)
  return args[1] === 30_000 ? timer.unref() : timer
}) as typeof realTimeout
after(() => void (globalThis.setTimeout = realTimeout))
before(async () => {
  const folder = await elizaPackages()
  core = (await import(pathToFileURL(join(folder, 'node_modules/@elizaos/core/dist/node/index.node.js')).href)) as Core
})

/** Rows of a table of the page: name and verdict. */
function tableOf(heading: string): ReadonlyMap<string, string> {
  const page = readFileSync(new URL('../../docs/elizaos.md', import.meta.url), 'utf8')
  const section = page.split(`\n### ${heading}\n`)[1]?.split('\n### ')[0] ?? ''
  return new Map([...section.matchAll(/^\| `([^`]+)`\s*\| (\w+)/gm)].map(([, name = '', verdict = '']) => [name, verdict]))
}

interface Side {
  readonly runtime: Free
  readonly store: FakeStore
}

const character = () => ({
  name: 'Ada',
  bio: ['Ada sails.', 'She knows tides.'],
  system: 'You are Ada.',
  style: { all: ['short'], chat: ['kind'] },
  settings: {
    PLAIN: 'from settings',
    FLAG: 'true',
    EMPTY: '',
    NUMBER: 7,
    secrets: { NESTED: 'from nested', PLAIN: 'not this' },
    TEXT_SMALL_TEMPERATURE: '0.2',
    DEFAULT_MAX_TOKENS: '99',
  },
  secrets: { SECRET: 'from secrets' },
})

/** Both with a store of their own, the same plugin and the same character. */
async function bothSides(plugin: () => Plugin): Promise<readonly Side[]> {
  const open = async (make: (deps: any) => Free): Promise<Side> => {
    const store = await openFakeStore(() => 'model of Oxbow')
    const guest = { isOpen: () => true, call: store.answer }
    const own = character()
    const adapter = createStoreAdapter({ guest, agentId: core.stringToUuid(own.name), now: Date.now, db: () => undefined })
    const runtime = make({
      core,
      guest,
      adapter,
      character: own,
      settings: { BASE: 'from base', PLAIN: 'not this' },
      plugins: [plugin()],
      now: Date.now,
    })
    await runtime['initialize']()
    return { runtime, store }
  }
  return [await open((deps) => new core.AgentRuntime(deps)), await open((deps) => createElizaRuntime({ ...deps, migrate: async () => {} }))]
}

/** Without what differs from run to run. */
function plain(value: unknown): unknown {
  const names = new Map<string, string>()
  const text =
    JSON.stringify(value, (key, each: unknown) => {
      if (['timestamp', 'startTime', 'createdAt', 'executionTime'].includes(key)) return 0
      // In one order of keys, so that ids get their names in the same order.
      return typeof each === 'object' && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).toSorted(([one], [other]) => (one < other ? -1 : 1)))
        : each
    }) ?? 'null'
  return JSON.parse(
    text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!names.has(id)) names.set(id, `id-${names.size}`)
      return names.get(id) ?? ''
    }),
  )
}

describe('the table of docs/elizaos.md', () => {
  it('names each method of AgentRuntime, and what it says is so', async () => {
    const table = tableOf('Methods')
    const names = Object.getOwnPropertyNames(core.AgentRuntime.prototype)
    assert.equal(names.length, 140)
    assert.deepEqual([...table.keys()].toSorted(), names.toSorted())
    const [, ours] = await bothSides(() => ({ name: 'none', description: 'none' }))
    for (const [name, verdict] of table) {
      assert.match(verdict, /^(served|mapped|refused)$/, name)
      const is = name === 'db' ? 'db' in ours!.runtime : name === 'constructor' || typeof ours!.runtime[name] === 'function'
      assert.equal(is, verdict !== 'refused', `${name} is ${verdict}`)
    }
  })
  it('names each event and each model type', async () => {
    assert.deepEqual([...tableOf('Events').keys()].toSorted(), Object.keys(core.EventType).toSorted())
    const models = tableOf('Models')
    assert.deepEqual([...models.keys()].toSorted(), Object.keys(core.ModelType).toSorted())
    const [, ours] = await bothSides(() => ({ name: 'none', description: 'none' }))
    for (const [name, verdict] of models) {
      assert.equal(ours!.runtime['getModel'](core.ModelType[name]) !== undefined, verdict !== 'refused', name)
    }
  })
})

const testPlugin = (log: unknown[]) => (): Plugin => ({
  name: 'cases',
  priority: 5,
  config: { A: 1, B: null },
  init: async (config) => void log.push(['init', config]),
  actions: [
    {
      name: 'SEND_LETTER',
      similes: ['POST_MAIL'],
      validate: async () => true,
      handler: async (_r, _m, _s, options, callback) => {
        await callback?.({ text: 'sent' })
        return {
          success: true,
          text: 'letter',
          values: { letters: 1 },
          data: {
            actionName: 'SEND_LETTER',
            before: options?.['actionContext'].previousResults.length,
            plan: options?.['actionPlan']?.totalSteps,
          },
        }
      },
    },
    { name: 'OLD_WAY', validate: async () => true, handler: async () => true },
    { name: 'TEXT_ONLY', handler: async () => ({ text: 'no success field' }) },
    { name: 'FAIL', handler: async () => ({ success: false, error: 'no luck' }) },
    { name: 'THROW', handler: () => Promise.reject(new Error('thrown')) },
  ],
  providers: [
    { name: 'LATE', position: 10, get: async () => ({ text: 'late', values: { x: 'late' } }) },
    {
      name: 'EARLY',
      position: -1,
      get: async (_r, _m, state) => ({ text: 'early', values: { x: 'early', had: Object.keys(state.values).length } }),
    },
    { name: 'HIDDEN', private: true, get: async () => ({ text: 'hidden' }) },
    { name: 'MOVING', dynamic: true, get: async () => ({ text: 'moving', data: { deep: [1] } }) },
    { name: 'BLANK', get: async () => ({ text: '  ' }) },
  ],
  evaluators: [
    { name: 'ALWAYS', alwaysRun: true, validate: async () => true, handler: async () => void log.push('always') },
    { name: 'ANSWERED', validate: async () => true, handler: async () => void log.push('answered') },
    { name: 'NEVER', alwaysRun: true, validate: async () => false, handler: async () => void log.push('never') },
  ],
  models: {
    TEXT_SMALL: async (_r, params) => `small ${JSON.stringify(params)}`,
    TEXT_LARGE: async (_r, params) => `large ${JSON.stringify(params)}`,
    TEXT_EMBEDDING: async () => [1, 2, 3],
  },
  routes: [
    { type: 'GET', path: 'hello' },
    { type: 'POST', path: '/there' },
  ],
  events: { SOMETHING: [async (payload) => void log.push(['event', payload.source, payload.value, payload.runtime !== undefined])] },
  services: [{ serviceType: 'clock', name: 'Clock', start: async () => ({ stop: async () => void log.push('stopped') }) }],
})

type Case = (runtime: Free, message: Memory) => Promise<unknown>
const failureOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work()
    return 'no failure'
  } catch (error) {
    return (error as Error).message
  }
}
/** In an order that does not depend on which was kept in which millisecond. */
const kinds = (memories: Memory[]): Memory[] =>
  memories.toSorted((one, other) => (JSON.stringify(plain(one)) < JSON.stringify(plain(other)) ? -1 : 1))
const response = (...actions: string[]): Memory => ({ entityId: 'e', roomId: 'r', content: { text: '', thought: 'I think', actions } })
const settings = ['PLAIN', 'FLAG', 'EMPTY', 'NUMBER', 'NESTED', 'SECRET', 'BASE', 'MISSING']

const cases: Readonly<Record<string, Case>> = {
  'settings in their order': async (runtime) => [
    settings.map((key) => runtime['getSetting'](key)),
    (runtime['setSetting']('LATER', 'x'),
    runtime['setSetting']('HUSH', 'y', true),
    [runtime['getSetting']('LATER'), runtime['getSetting']('HUSH')]),
    runtime['getModelSettings']('TEXT_SMALL'),
    runtime['getConversationLength'](),
  ],
  registration: async (runtime) => [
    runtime['actions'].map((one: Free) => one['name']),
    runtime['routes'].map((one: Free) => one['path']),
    (await runtime['registerPlugin']({ name: 'cases' }), runtime['plugins'].length),
    await failureOf(() => runtime['registerPlugin']({})),
    (runtime['registerAction']({ name: 'FAIL' }), runtime['actions'].length),
  ],
  'state of all usual providers': async (runtime, message) => runtime['composeState'](message),
  'state with one more': async (runtime, message) => runtime['composeState'](message, ['MOVING']),
  'state of some alone': async (runtime, message) => runtime['composeState'](message, ['HIDDEN', 'LATE', 'NOBODY'], true),
  'state that is kept by message': async (runtime, message) => [
    await runtime['composeState'](message, ['MOVING'], true),
    await runtime['composeState'](message, ['EARLY'], true),
    await runtime['composeState'](message, ['EARLY'], true, true),
    [...runtime['stateCache'].keys()].length,
  ],
  'one action': async (runtime, message) => {
    const delivered: unknown[] = []
    await runtime['processActions'](message, [response('send_letter')], undefined, async (content: unknown) => void delivered.push(content))
    return [delivered, runtime['getActionResults'](message.id)]
  },
  'actions by simile, containment and a plan': async (runtime, message) => {
    await runtime['processActions'](message, [response('postmail', 'LETTER', 'OLD_WAY', 'TEXT_ONLY', 'FAIL', 'NOBODY_HAS_THIS')])
    return [
      runtime['getActionResults'](message.id),
      kinds(await runtime['getMemories']({ tableName: 'messages', roomId: message.roomId, count: 20 })),
    ]
  },
  'an action that throws': async (runtime, message) => failureOf(() => runtime['processActions'](message, [response('THROW')])),
  evaluators: async (runtime, message) => [
    (await runtime['evaluate'](message, undefined, true)).map((one: Free) => one['name']),
    (await runtime['evaluate'](message, undefined, false)).map((one: Free) => one['name']),
  ],
  'models by priority, provider and settings': async (runtime) => {
    runtime['registerModel']('TEXT_SMALL', async () => 'higher', 'other', 9)
    runtime['registerModel']('TEXT_SMALL', async () => 'lower', 'third', -1)
    return [
      await runtime['useModel']('TEXT_SMALL', { prompt: 'p' }),
      await runtime['useModel']('TEXT_SMALL', { prompt: 'p', temperature: 1 }, 'cases'),
      await runtime['useModel']('TEXT_SMALL', { prompt: 'p' }, 'nobody'),
      await runtime['useModel']('TEXT_LARGE', { prompt: 'p', stopSequences: ['x'] }),
      await failureOf(() => runtime['useModel']('VIDEO', {})),
      await runtime['generateText']('Hello'),
      await runtime['generateText']('Hello', { includeCharacter: false, modelType: 'TEXT_LARGE', maxTokens: 5 }),
      await failureOf(() => runtime['generateText']('  ')),
    ]
  },
  events: async (runtime) => {
    await runtime['emitEvent'](['SOMETHING', 'NOTHING'], { value: 1 })
    await runtime['emitEvent']('SOMETHING', { value: 2, source: 'me' })
    const heard: unknown[] = []
    const listen = (data: unknown): void => void heard.push(data)
    runtime['on']('local', listen)
    runtime['emit']('local', 1)
    runtime['off']('local', listen)
    runtime['emit']('local', 2)
    return [heard, runtime['getEvent']('SOMETHING').length, runtime['getEvent']('NOTHING')]
  },
  services: async (runtime) => {
    await runtime['getServiceLoadPromise']('clock')
    return [
      runtime['getRegisteredServiceTypes'](),
      runtime['hasService']('clock'),
      runtime['getService']('nothing'),
      runtime['getServicesByType']('clock').length,
      runtime['getServiceRegistrationStatus']('nothing'),
      await failureOf(() =>
        runtime['registerService']({ serviceType: 'odd', start: undefined }).catch((error: Error) =>
          Promise.reject(new Error(error.message.slice(0, 40))),
        ),
      ),
    ]
  },
  connections: async (runtime, message) => {
    const ids = ['world', 'room', 'person'].map((name) => core.createUniqueUuid(runtime, name))
    const [worldId, roomId, entityId] = ids
    const connection = {
      entityId,
      roomId,
      worldId,
      userName: 'ann',
      name: 'Ann',
      source: 'test',
      channelId: 'c',
      type: 'GROUP',
      userId: 'u1',
    }
    await runtime['ensureConnection'](connection)
    await runtime['ensureConnection']({ ...connection, name: 'Annie' })
    await runtime['addParticipant'](message.entityId, roomId)
    const { createdAt: _1, ...room } = (await runtime['getRoom'](roomId)) as Free
    const { createdAt: _2, ...person } = (await runtime['getEntityById'](entityId)) as Free
    return [
      room,
      person,
      (await runtime['getParticipantsForRoom'](roomId)).toSorted(),
      await runtime['isRoomParticipant'](roomId, entityId),
      await failureOf(() => runtime['createRoom']({ id: roomId })),
    ]
  },
  memories: async (runtime, message) => {
    const id = core.createUniqueUuid(runtime, 'memory')
    await runtime['createMemory']({ ...message, id, content: { text: 'boats and tides' }, embedding: [1, 0] }, 'notes', true)
    await runtime['updateMemory']({ id, content: { text: 'tides' } })
    const found = await runtime['searchMemories']({ tableName: 'notes', embedding: [1, 0], query: 'tides', match_threshold: 0.5, count: 3 })
    return [
      (await runtime['getMemoryById'](id)).content,
      found.length,
      await runtime['countMemories'](message.roomId, false, 'notes'),
      await failureOf(() => runtime['addEmbeddingToMemory']({ content: {} })),
      (await runtime['addEmbeddingToMemory']({ content: { text: 'x' } })).embedding,
    ]
  },
  'tasks, cache and relationships': async (runtime, message) => {
    const task = await runtime['createTask']({ name: 'T', description: 'd', tags: ['queue', 'x'], metadata: {} })
    runtime['registerTaskWorker']({ name: 'T', execute: async () => {} })
    await runtime['setCache']('k', { v: 1 })
    const pair = { sourceEntityId: message.entityId, targetEntityId: runtime['agentId'], tags: ['friend'] }
    return [
      (await runtime['getTasks']({ tags: ['queue'] })).length,
      (await runtime['getTask'](task)).name,
      runtime['getTaskWorker']('T') !== undefined,
      await runtime['getCache']('k'),
      await runtime['getCache']('none'),
      await runtime['createRelationship'](pair),
      (await runtime['getRelationship'](pair)).tags,
      await runtime['deleteCache']('k'),
    ]
  },
  'messages to channels': async (runtime) => {
    const sent: unknown[] = []
    runtime['registerSendHandler'](
      'chat',
      async (_: unknown, target: Free, content: Free) => void sent.push([target['source'], content['text']]),
    )
    await runtime['sendMessageToTarget']({ source: 'chat' }, { text: 'hi' })
    return [sent, await failureOf(() => runtime['sendMessageToTarget']({ source: 'none' }, {}))]
  },
  runs: async (runtime) => {
    const first = runtime['startRun']('room')
    const same = runtime['getCurrentRunId']() === first
    runtime['endRun']()
    return [same, runtime['getCurrentRunId']() === first]
  },
}

describe('the runtime of @elizaos/core and ours', () => {
  for (const [name, run] of Object.entries(cases)) {
    it(`do the same: ${name}`, async () => {
      const results: unknown[] = []
      const logs: unknown[][] = [[], []]
      let at = 0
      const sides = await bothSides(() => testPlugin(logs[at++] ?? [])())
      for (const [index, { runtime, store }] of sides.entries()) {
        const person = core.createUniqueUuid(runtime, 'ann')
        const room = core.createUniqueUuid(runtime, 'room of ann')
        const message: Memory = {
          id: core.createUniqueUuid(runtime, 'm1'),
          entityId: person,
          roomId: room,
          content: { text: 'hello', source: 'test' },
        }
        const result = await run(runtime, message)
        await runtime['stop']()
        results.push(plain([result, logs[index]]))
        // Theirs does not wait for its logs.
        await new Promise((resolve) => setImmediate(resolve))
        await store.close()
      }
      assert.deepEqual(results[1], results[0])
    })
  }
})
