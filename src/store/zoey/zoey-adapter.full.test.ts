import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Clock } from '../../base/index.ts'
import { systemClock } from '../../base/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import { ann, assertRejects, storeFolder } from '../store-fixture.ts'
import { connectPostgres, connectSqlite, type UpkeepConnection } from '../upkeep/connection.ts'
import { openZoeyAdapter, type ZoeyAdapter } from './zoey-adapter.ts'
import type { ZoeyMemory } from './zoey-types.ts'
import { cosine } from './zoey-memories.ts'

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
const [agent, user, other, room, hall, world] = [1, 2, 3, 4, 5, 6].map(id) as [string, string, string, string, string, string]

interface Subject {
  readonly db: UpkeepConnection
  drop(): Promise<void>
}

const postgres = usePostgres()

async function onFile(): Promise<Subject> {
  const files = storeFolder()
  const db = connectSqlite(files.path, 'write')
  return { db, drop: () => db.close().then(() => files[Symbol.asyncDispose]()) }
}

async function inMemory(): Promise<Subject> {
  const db = connectSqlite(':memory:', 'write')
  return { db, drop: () => db.close() }
}

async function onPostgres(): Promise<Subject> {
  const database = await postgres.database()
  const db = await connectPostgres(database.url, 'write')
  return { db, drop: () => db.close().then(() => database[Symbol.asyncDispose]()) }
}

/** A clock that is a second further each time it is asked. */
function ticking(): Clock {
  let now = 1_000_000
  return { ...systemClock, now: () => (now += 1_000) }
}

const said = (n: number, text: string, more: Partial<ZoeyMemory> = {}): ZoeyMemory => ({
  id: id(100 + n),
  entityId: user,
  agentId: agent,
  roomId: room,
  content: { text },
  createdAt: n * 1_000,
  ...more,
})
const textsOf = (found: readonly ZoeyMemory[]): readonly (string | undefined)[] => found.map(({ content }) => content.text)

type Holds = (title: string, check: (adapter: ZoeyAdapter, db: UpkeepConnection) => Promise<void>) => void

function describeConformance(name: string, make: () => Promise<Subject>): void {
  const holds: Holds = (title, check) => {
    void it(title, async () => {
      const { db, drop } = await make()
      try {
        await migrate(db.migration, { now: Date.now, withoutCopy: true })
        await check(openZoeyAdapter({ db, user: ann, clock: ticking() }), db)
      } finally {
        await drop()
      }
    })
  }
  describe(`the ZoeyOS adapter over ${name}`, () => {
    memories(holds)
    searches(holds)
    people(holds)
    places(holds)
    work(holds)
    state(holds)
  })
}

function memories(holds: Holds): void {
  holds('memories are kept by table with every field, unknown ones too, and given back newest first', async (zoey) => {
    const rich = said(1, 'one', {
      worldId: world,
      unique: true,
      embedding: [0.5, -1],
      content: { text: 'one', extra: { deep: [1] } },
      mood: 'odd',
    })
    assert.equal(await zoey.createMemory(rich, 'messages'), rich.id)
    await zoey.createMemory(said(2, 'two'), 'messages')
    await zoey.createMemory(said(3, 'a fact'), 'facts')
    assert.deepEqual(textsOf(await zoey.getMemories({ tableName: 'messages' })), ['two', 'one'])
    assert.deepEqual(await zoey.getMemoryById(rich.id ?? ''), rich)
    assert.equal(await zoey.getMemoryById(id(999)), null)
  })

  holds('each filter holds, alone and with others; times are inclusive', async (zoey) => {
    for (let n = 1; n <= 6; n++) {
      const more = { roomId: n % 2 === 0 ? room : hall, entityId: n < 4 ? user : other, unique: n === 5, worldId: n > 4 ? world : id(9) }
      await zoey.createMemory(said(n, `m${n}`, more), 'messages')
    }
    const find = async (more: object) => textsOf(await zoey.getMemories({ tableName: 'messages', ...more }))
    assert.deepEqual(await find({ roomId: room }), ['m6', 'm4', 'm2'])
    assert.deepEqual(await find({ entityId: other, roomId: hall }), ['m5'])
    assert.deepEqual(await find({ worldId: world }), ['m6', 'm5'])
    assert.deepEqual(await find({ agentId: other }), [])
    assert.deepEqual(await find({ unique: true }), ['m5'])
    assert.deepEqual(await find({ unique: false, count: 2, offset: 1 }), ['m5', 'm4'])
    assert.deepEqual(await find({ start: 2_000, end: 4_000 }), ['m4', 'm3', 'm2'])
    assert.equal(await zoey.countMemories({ tableName: 'messages', roomId: hall }), 3)
    assert.deepEqual(textsOf(await zoey.getMemoriesByRoomIds({ tableName: 'messages', roomIds: [room, hall], limit: 2 })), ['m6', 'm5'])
    assert.deepEqual(textsOf(await zoey.getMemoriesByWorldId({ tableName: 'messages', worldId: world })), ['m6', 'm5'])
    assert.deepEqual(textsOf(await zoey.getMemoriesByIds([id(103), id(999), id(101)])), ['m3', 'm1'])
  })

  holds('a memory is changed in part, and removed by id, room, agent or table', async (zoey) => {
    for (let n = 1; n <= 5; n++)
      await zoey.createMemory(said(n, `m${n}`, { roomId: n > 3 ? hall : room, embedding: [n, 1] }), n === 5 ? 'facts' : 'messages')
    assert.equal(await zoey.updateMemory({ id: id(101), content: { text: 'changed' } }), true)
    assert.deepEqual((await zoey.getMemoryById(id(101)))?.embedding, [1, 1])
    assert.equal(await zoey.updateMemory({ id: id(999) }), false)
    await zoey.removeMemory(id(101), 'facts')
    assert.equal((await zoey.getMemoryById(id(101)))?.content.text, 'changed')
    await zoey.deleteMemory(id(101))
    await zoey.deleteManyMemories([id(102), id(999)])
    await zoey.deleteAllMemories(hall, 'messages')
    assert.deepEqual(textsOf(await zoey.getMemories({ tableName: 'messages' })), ['m3'])
    await zoey.removeAllMemories(agent, 'messages')
    assert.deepEqual([await zoey.countMemories({ tableName: 'messages' }), await zoey.countMemories({ tableName: 'facts' })], [0, 1])
  })

  holds('what a memory is about is made where it is missing, or named as missing', async (zoey, db) => {
    await zoey.createMemory(said(1, 'hi'), 'messages')
    assert.deepEqual([(await zoey.getEntityById(user))?.id, (await zoey.getRoom(room))?.id], [user, room])
    const strict = openZoeyAdapter({ db, user: ann, clock: ticking(), missing: 'refuse' })
    await assertRejects(strict.createMemory(said(2, 'hi', { roomId: hall }), 'messages'), 'bad_input', /has no roomId/)
    await assertRejects(zoey.createMemory({ ...said(3, ''), entityId: '' }, 'messages'), 'bad_input', /has no entityId/)
  })

  holds('names and texts are never statements', async (zoey) => {
    const nasty = `'; drop table zoey; -- %_\\ \u0000 "x"`
    await zoey.createMemory(said(1, nasty, { roomId: nasty }), nasty)
    assert.deepEqual(textsOf(await zoey.getMemories({ tableName: nasty, roomId: nasty })), [nasty])
    assert.equal(await zoey.countMemories({ tableName: `${nasty}x` }), 0)
  })
}

function searches(holds: Holds): void {
  holds('a search by vector gives the cosine, best first, within threshold, table, room and unique', async (zoey) => {
    const vectors: readonly (readonly number[])[] = [
      [1, 0],
      [1, 1],
      [0, 1],
      [-1, 0],
    ]
    for (const [n, embedding] of vectors.entries()) {
      await zoey.createMemory(said(n, `v${n}`, { embedding, unique: n > 0, roomId: n === 2 ? hall : room }), 'facts')
    }
    await zoey.createMemory(said(9, 'without'), 'facts')
    const search = async (more: object) => zoey.searchMemories({ tableName: 'facts', embedding: [2, 0], count: 10, ...more })
    const all = await search({})
    assert.deepEqual(textsOf(all), ['v0', 'v1', 'v2', 'v3'])
    assert.deepEqual(
      all.map(({ similarity }) => Math.round((similarity ?? 9) * 100) / 100),
      [1, 0.71, 0, -1],
    )
    assert.deepEqual(textsOf(await search({ match_threshold: 0.5 })), ['v0', 'v1'])
    assert.deepEqual(textsOf(await search({ threshold: 0, unique: true, roomId: room })), ['v1'])
    assert.deepEqual(textsOf(await search({ count: 1 })), ['v0'])
    assert.deepEqual(await search({ tableName: 'messages' }), [])
    await assertRejects(search({ embedding: [1, 2, 3] }), 'bad_input', /3|2/)
  })

  holds('without an embedding a search ranks by words, in the same shape', async (zoey) => {
    const texts = ['the cat sat on the mat', 'dogs chase the cat, the cat hides', 'nothing of it', 'die Katze schläft']
    for (const [n, text] of texts.entries()) await zoey.createMemory(said(n, text), 'messages')
    const found = await zoey.searchMemories({ tableName: 'messages', query: 'cat hides?', count: 5 })
    assert.deepEqual(textsOf(found), [texts[1], texts[0]])
    assert(found.every(({ similarity = 0 }) => similarity > 0))
    assert.deepEqual(textsOf(await zoey.searchMemories({ tableName: 'messages', query: 'KATZE' })), [texts[3]])
  })

  holds('what words rank, and what vectors chose, go together; cached embeddings are found by their text', async (zoey) => {
    await zoey.createMemory(said(1, 'green tea', { embedding: [1, 0.1] }), 'facts')
    await zoey.createMemory(said(2, 'black coffee', { embedding: [1, 0] }), 'facts')
    const both = { tableName: 'facts', embedding: [1, 0], count: 2, query: 'tea' }
    assert.deepEqual(textsOf(await zoey.searchMemories(both)), ['green tea', 'black coffee'])
    const [cached] = await zoey.getCachedEmbeddings({ tableName: 'facts', text: 'coffee' })
    assert.deepEqual(cached?.embedding, [1, 0])
  })
}

function people(holds: Holds): void {
  holds('agents and entities are made, changed and found; to change one removes nothing that belongs to it', async (zoey) => {
    assert.equal(await zoey.createAgent({ id: agent, name: 'Ox', settings: { a: 1 } }), true)
    assert.equal(await zoey.createAgent({ id: agent, name: 'Other' }), false)
    assert.equal(await zoey.updateAgent(agent, { status: 'active' }), true)
    assert.deepEqual([(await zoey.getAgent(agent))?.name, (await zoey.getAgent(agent))?.['status']], ['Ox', 'active'])
    await zoey.createEntities([
      { id: user, agentId: agent, names: ['Ann'] },
      { id: other, agentId: agent, name: 'Bob' },
    ])
    await zoey.createMemory(said(1, 'mine'), 'messages')
    await zoey.createEntities([{ id: user, agentId: agent, names: ['Anna'] }])
    await zoey.updateEntity({ id: user, agentId: agent, metadata: { role: 'ADMIN' } })
    assert.equal(await zoey.countMemories({ tableName: 'messages', entityId: user }), 1)
    assert.deepEqual((await zoey.getEntityById(user))?.['names'], ['Anna'])
    assert.deepEqual(
      (await zoey.getEntitiesByIds([other, id(99), user])).map((one) => one.id),
      [other, user],
    )
    assert.deepEqual([await zoey.deleteAgent(agent), await zoey.deleteAgent(agent), (await zoey.getAgents()).length], [true, false, 0])
  })

  holds('components belong to an entity, a world and a source, once of each type', async (zoey) => {
    const component = { id: id(50), entityId: user, worldId: world, sourceEntityId: agent, type: 'mood', data: { joy: 1 } }
    assert.equal(await zoey.createComponent(component), true)
    assert.equal(await zoey.createComponent({ ...component, id: id(51) }), false)
    await zoey.updateComponent({ ...component, data: { joy: 2 } })
    assert.deepEqual((await zoey.getComponent(user, 'mood', world, agent))?.['data'], { joy: 2 })
    assert.equal(await zoey.getComponent(user, 'mood', hall), null)
    await zoey.addParticipant(user, room)
    await zoey.createEntities([{ id: user, agentId: agent }])
    assert.equal((await zoey.getEntitiesForRoom(room, true))[0]?.components?.length, 1)
    assert.equal((await zoey.getEntitiesForRoom(room))[0]?.components, undefined)
    await zoey.deleteComponent(id(50))
    assert.deepEqual(await zoey.getComponents(user), [])
  })

  holds('relationships take both pairs of names and are found from either side and by tags', async (zoey) => {
    assert.equal(await zoey.createRelationship({ entityIdA: user, entityIdB: other, type: 'friend', tags: ['a', 'b'] }), true)
    assert.equal(await zoey.createRelationship({ sourceEntityId: user, targetEntityId: other, type: 'friend' }), false)
    const found = await zoey.getRelationship({ sourceEntityId: user, targetEntityId: other })
    assert.deepEqual([found?.sourceEntityId, found?.entityIdB, found?.type], [user, other, 'friend'])
    assert.deepEqual(await zoey.getRelationship(other, user), null)
    await zoey.updateRelationship({ ...found, metadata: { since: 2020 } })
    assert.deepEqual((await zoey.getRelationship(user, other))?.['metadata'], { since: 2020 })
    assert.equal((await zoey.getRelationships({ entityId: other, tags: ['b'] })).length, 1)
    assert.equal((await zoey.getRelationships({ entityId: user, tags: ['c'] })).length, 0)
    await assertRejects(zoey.createRelationship({ entityIdA: user }), 'bad_input', /targetEntityId/)
  })
}

function places(holds: Holds): void {
  holds('worlds and rooms are made, changed, found and removed', async (zoey) => {
    await zoey.ensureWorld({ id: world, agentId: agent, name: 'W', metadata: { roles: { [user]: 'OWNER' } } })
    await zoey.createRooms([
      { id: room, worldId: world, agentId: agent, name: 'R', type: 'GROUP' },
      { id: hall, agentId: agent, name: 'H' },
    ])
    await zoey.ensureWorld({ id: world, agentId: agent, name: 'W2' })
    assert.deepEqual([(await zoey.getWorld(world))?.name, (await zoey.getAllWorlds()).length], ['W2', 1])
    assert.deepEqual((await zoey.getWorld(world))?.['metadata'], { roles: { [user]: 'OWNER' } })
    assert.deepEqual(
      (await zoey.getRoomsByWorld(world)).map((one) => one.id),
      [room],
    )
    assert.equal((await zoey.getRoomsForAgent(agent)).length, 2)
    await zoey.updateRoom({ id: hall, worldId: world })
    assert.deepEqual([(await zoey.getRoom(hall))?.name, (await zoey.getRooms(world)).length], ['H', 2])
    await zoey.deleteRoom(hall)
    assert.deepEqual(
      (await zoey.getRoomsByIds([hall, room])).map((one) => one.id),
      [room],
    )
    await zoey.deleteRoomsByWorldId(world)
    await zoey.removeWorld(world)
    assert.deepEqual([await zoey.getRoom(room), await zoey.getWorld(world)], [null, null])
  })

  holds('participants are in rooms once, and follow or mute them', async (zoey) => {
    await zoey.addParticipantsRoom([user, other], room)
    await zoey.addParticipant(user, room)
    await zoey.addParticipant(user, hall)
    assert.deepEqual([...(await zoey.getParticipantsForRoom(room))].toSorted(), [user, other])
    assert.deepEqual([...(await zoey.getRoomsForParticipants([user, other]))].toSorted(), [room, hall])
    assert.equal(await zoey.getParticipantUserState(room, user), null)
    await zoey.setParticipantUserState(room, user, 'MUTED')
    await zoey.addParticipant(user, room)
    assert.equal(await zoey.getParticipantUserState(room, user), 'MUTED')
    assert.equal((await zoey.getParticipantsForEntity(user)).length, 2)
    assert.deepEqual([await zoey.removeParticipant(user, room), await zoey.removeParticipant(user, room)], [true, false])
    assert.deepEqual(await zoey.getRoomsForParticipant(user), [hall])
  })
}

function work(holds: Holds): void {
  holds('tasks are found by room, tags, name and status, oldest first', async (zoey) => {
    const first = await zoey.createTask({
      name: 'REMIND',
      agentId: agent,
      roomId: room,
      tags: ['queue', 'repeat'],
      metadata: { updateInterval: 5 },
    })
    const second = await zoey.createTask({ name: 'REMIND', agentId: agent, tags: ['queue'] })
    assert.deepEqual(
      (await zoey.getTasks({ tags: ['queue'] })).map((one) => one.id),
      [first, second],
    )
    assert.deepEqual(
      (await zoey.getTasks({ tags: ['queue', 'repeat'], roomId: room })).map((one) => one.id),
      [first],
    )
    assert.equal((await zoey.getTasksByName('REMIND')).length, 2)
    assert.equal(await zoey.updateTask(first, { status: 'completed' }), true)
    assert.deepEqual(
      (await zoey.getPendingTasks(agent)).map((one) => one.id),
      [second],
    )
    assert.deepEqual((await zoey.getTask(first))?.['metadata'], { updateInterval: 5 })
    await zoey.deleteTask(first)
    assert.deepEqual([await zoey.getTask(first), await zoey.updateTask(first, {})], [null, false])
  })

  holds('logs tell of runs, newest first', async (zoey) => {
    const event = (runId: string, status: string) => zoey.log({ entityId: agent, roomId: room, type: 'run_event', body: { runId, status } })
    await event('r1', 'started')
    await zoey.log({ entityId: agent, roomId: room, type: 'action', body: { runId: 'r1', action: 'REPLY' } })
    await event('r1', 'completed')
    await event('r2', 'started')
    const [second, first] = await zoey.getAgentRunSummaries({})
    assert.deepEqual([second?.runId, second?.status, second?.endedAt], ['r2', 'started', null])
    assert.deepEqual([first?.status, first?.durationMs, first?.counts], ['completed', 4_000, { action: 1 }])
    assert.equal((await zoey.getAgentRunSummaries({ status: 'completed' })).length, 1)
    const [newest] = await zoey.getLogs({ type: 'action' })
    await zoey.deleteLog(newest?.id ?? '')
    assert.deepEqual(await zoey.getLogs({ entityId: agent, type: 'action' }), [])
  })
}

function state(holds: Holds): void {
  holds('the cache keeps any JSON by key', async (zoey) => {
    assert.equal(await zoey.getCache('k'), undefined)
    for (const value of [null, false, 'x', { a: [1] }]) {
      await zoey.setCache('k', value)
      assert.deepEqual(await zoey.getCache('k'), value)
    }
    assert.deepEqual([await zoey.deleteCache('k'), await zoey.deleteCache('k')], [true, false])
  })

  holds('what fails in a transaction has not happened; users do not see each other', async (zoey, db) => {
    const failing = zoey.withTransaction(async (inside) => {
      await inside.createMemory(said(1, 'gone'), 'messages')
      await inside.setCache('k', 1)
      throw new Error('no')
    })
    await assert.rejects(failing, /no/)
    assert.deepEqual([await zoey.countMemories({ tableName: 'messages' }), await zoey.getCache('k')], [0, undefined])
    // What others ask meanwhile is no part of it.
    const both = await Promise.allSettled([
      zoey.withTransaction(async (inside) => {
        await inside.setCache('mine', 1)
        await inside.setCache('mine', 2)
        throw new Error('no')
      }),
      zoey.setCache('theirs', 1),
      zoey.createMemory(said(2, 'theirs'), 'messages'),
    ])
    assert.deepEqual([both[0].status, await zoey.getCache('mine'), await zoey.getCache('theirs')], ['rejected', undefined, 1])
    assert.equal(await zoey.countMemories({ tableName: 'messages' }), 1)
    await zoey.withTransaction(async (inside) => inside.setCache('k', 1))
    const stranger = openZoeyAdapter({ db, user: 'bob' as typeof ann, clock: ticking() })
    assert.equal(await stranger.getCache('k'), undefined)
    assert.equal(await zoey.getCache('k'), 1)
    assert.equal(await zoey.isReady(), true)
    await assertRejects(zoey.ensureEmbeddingDimension(0), 'bad_input')
  })
}

describeConformance('memory', inMemory)
describeConformance('a SQLite file', onFile)
if (postgresSkip() === false) describeConformance('Postgres', onPostgres)

void it('a cosine is within -1 and 1, the same both ways, and 1 with itself', () => {
  const vector = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1_000, max: 1_000 }), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(vector, vector, (a, b) => {
      const score = cosine(a, b)
      assert(score >= -1 && score <= 1 && score === cosine(b, a))
      if (a.some((x) => Math.abs(x) > 1e-3)) assert(cosine(a, a) > 0.999)
    }),
  )
})
