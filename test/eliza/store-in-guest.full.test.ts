/** What a plugin of elizaOS keeps, through a real guest: on record, of one agent and one user, and gone when it is forgotten. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { newCallId } from '../../src/kernel/kernel-fixture.ts'
import type { Json, JsonObject } from '../../src/base/index.ts'
import type { PluginActionResult } from '../../src/protocol/index.ts'
import { startModel } from '../support/model.ts'
import { type ElizaGuest, openElizaGuest, pluginName } from './eliza-guest-fixture.ts'

/** Its one action runs any method of the runtime. */
const source = `
export default {
  name: 'ledger',
  description: 'keeps things',
  actions: [{ name: 'RUN', description: 'Runs a method of the runtime.', similes: [], examples: [], validate: async () => true,
    handler: async (runtime, message, state, { parameters: { method, args } }) => {
      const own = { AGENT: runtime.agentId, ROOM: message.roomId, PERSON: message.entityId }
      const given = JSON.parse(JSON.stringify(args), (_, value) => own[value] ?? value)
      const value = await (method === 'ids' ? own : runtime[method](...given))
      return { success: true, text: 'ok', data: { value: value ?? null } }
    } }],
}
`

describe('what a plugin of elizaOS keeps in a real guest', () => {
  let eliza: ElizaGuest
  before(async () => {
    eliza = await openElizaGuest({ source })
  })
  after(() => eliza[Symbol.asyncDispose]())

  const run = async (method: string, ...args: Json[]): Promise<any> => {
    const outcome = await eliza.call(`${pluginName}.run`, { method, args })
    assert.equal(outcome.status, 'ok', outcome.text)
    const { ok, text, data } = (outcome as { output: PluginActionResult }).output
    assert.equal(ok, true, text)
    return data['value']
  }

  it('is there again, of every kind', async () => {
    const memory = { entityId: 'PERSON', agentId: 'AGENT', roomId: 'ROOM', content: { text: 'The zyzzyva sails at dawn.' } }
    const id = await run('createMemory', memory, 'facts')
    assert.equal((await run('getMemoryById', id)).content.text, memory.content.text)
    const person = '00000000-0000-4000-8000-00000000000a'
    await run('createEntity', { id: person, names: ['Bea'], metadata: {} })
    assert.deepEqual((await run('getEntityById', person)).names, ['Bea'])
    await run('ensureRoomExists', { id: person, name: 'Pier', source: 'x', type: 'GROUP', worldId: 'AGENT' })
    await run('addParticipant', person, person)
    assert.deepEqual(await run('getParticipantsForRoom', person), [person])
    await run('createRelationship', { sourceEntityId: person, targetEntityId: 'AGENT', tags: ['friend'] })
    assert.equal((await run('getRelationships', { entityId: person })).length, 1)
    await run('createComponent', {
      id: person,
      entityId: person,
      type: 'note',
      data: { likes: 'tides' },
      agentId: 'AGENT',
      roomId: person,
      worldId: 'AGENT',
      sourceEntityId: 'AGENT',
    })
    assert.equal((await run('getComponents', person)).length, 1)
    await run('setCache', 'seen', { count: 3 })
    assert.deepEqual(await run('getCache', 'seen'), { count: 3 })
    const task = await run('createTask', { name: 'LATER', description: 'd', tags: ['once'], metadata: {} })
    assert.equal((await run('getTask', task)).name, 'LATER')
    await run('log', { entityId: person, roomId: person, type: 'note', body: { x: 1 } })
    assert.equal((await run('getLogs', { entityId: person })).length, 1)
    assert.equal((await run('useModel', 'TEXT_EMBEDDING', { text: 'tides' })).length > 0, true)
    const kinds = Object.keys(eliza.kept()).map((kind) => kind.split('/')[1])
    assert.deepEqual(kinds, [
      'agent',
      'cache',
      'component',
      'entity',
      'log',
      'memory',
      'participant',
      'relationship',
      'room',
      'task',
      'world',
    ])
  })

  it('is on record by method, size and hash, without a word of it', async () => {
    const rows = eliza.journal().filter(({ name, actor }) => name.startsWith('store.') && actor === `plugin:${pluginName}`)
    const methods = rows
      .filter(({ name, phase }) => name === 'store.change' && phase === 'intent')
      .map(({ body }) => JSON.parse(body).input.method)
    for (const method of [
      'createMemory',
      'createEntities',
      'createRooms',
      'addParticipantsRoom',
      'createRelationship',
      'createComponent',
      'setCache',
      'createTask',
      'log',
    ])
      assert.equal(methods.includes(method), true, method)
    assert.equal(
      rows.some(({ name }) => name === 'store.embed'),
      true,
    )
    assert.equal(
      rows.some(({ body }) => /zyzzyva|Bea|tides/.test(body)),
      false,
    )
  })
})

const character = (name: string): JsonObject => ({ name, bio: [`${name} sails.`] })

describe('what is kept for agents with characters of their own', () => {
  it('is not there for other agents, and by name of the agent on record', async () => {
    const steps = (agent: string) => [
      { events: [{ tool_call: { name: 'ledger_run', arguments: { method: 'setCache', args: ['mine', agent] } } }] },
      {
        events: [{ tool_call: { name: 'ledger_run', arguments: { method: 'getMemories', args: [{ tableName: 'messages', count: 50 }] } } }],
      },
      { events: [{ text: 'Done.' }] },
    ]
    await using model = await startModel({ turns: [{ steps: steps('ox') }] })
    await using eliza = await openElizaGuest({
      source,
      plugin: { characters: { ox: character('Ada') } },
      keys: { OPENAI_API_KEY: 'sk-not-a-key' },
      config: { model: model.config, agent: { name: 'ox', rights: ['plugin.ledger'] } },
    })
    await eliza.call('ledger.run', { method: 'setCache', args: ['mine', 'nobody'] })
    const { kernel } = eliza.guest()
    const { id: session } = await kernel.createSession('scope')
    const ended = Promise.withResolvers<void>()
    await kernel.follow(session, 0, (event) => {
      if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') ended.resolve()
    })
    await kernel.sendTurn({ session, clientId: newCallId(), text: 'Keep it' })
    await ended.promise
    const kept = eliza.kept()
    assert.equal(kept['plugin:ledger/cache'], 1)
    assert.equal(kept['plugin:ledger@ox/cache'], 1)
    const changes = eliza
      .journal()
      .filter(({ name, phase, body }) => name === 'store.change' && phase === 'intent' && body.includes('"setCache"'))
    assert.deepEqual(
      changes.map(({ body }) => (JSON.parse(body) as { input: { agent?: string } }).input.agent),
      [undefined, 'ox'],
    )
    const [, listed] = eliza
      .journal()
      .filter(({ name, phase }) => name === 'ledger.run' && phase === 'outcome')
      .slice(-2)
    assert.equal(String(listed?.body).includes('nobody'), false)
  })
})

const tables = `
import { pgTable, text, jsonb } from 'drizzle-orm/pg-core'
const boats = pgTable('boats', { name: text('name').primaryKey(), more: jsonb('more') })
export default { name: 'tables', description: 'boats', schema: { boats }, actions: [{ name: 'RUN', description: 'd', similes: [], examples: [],
  validate: async () => true,
  handler: async (runtime, message, state, { parameters: { keep, more } }) => {
    if (keep) await runtime.db.insert(boats).values({ name: keep, more })
    return { success: true, text: JSON.stringify((await runtime.db.select().from(boats)).map(({ name }) => name)) }
  } }] }
`

describe('what plugins keep', () => {
  it('is forgotten with a phrase, from the store and from tables of a plugin, and stays in neither file', async () => {
    await using eliza = await openElizaGuest({ source: tables, needs: ['@elizaos/plugin-sql'] })
    const boats = async (input: JsonObject = {}): Promise<Json> => {
      const outcome = await eliza.call('ledger.run', input)
      return JSON.parse(outcome.text.split('\n').at(-1) ?? '') as Json
    }
    await boats({ keep: 'Skagen' })
    await boats({ keep: 'Marstal', more: { deep: ['the Quibblefrost\n  lies at anchor'] } })
    assert.deepEqual(await boats({ keep: 'Quibblefrost lies at anchor' }), ['Skagen', 'Marstal', 'Quibblefrost lies at anchor'])
    const forgotten = await eliza.call('memory.forget', { text: 'quibblefrost lies at anchor' })
    assert.equal(forgotten.status, 'ok', forgotten.text)
    assert.deepEqual(await boats(), ['Skagen'])
    await eliza.stop()
    await eliza.start()
    assert.deepEqual(await boats(), ['Skagen'])
    await eliza.stop()
    const found = filesUnder(join(eliza.root, 'internal')).filter((path) => /quibblefrost\s+lies/i.test(readFileSync(path, 'latin1')))
    assert.deepEqual(found, [])
  })
})

const filesUnder = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  )
