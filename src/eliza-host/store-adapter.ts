/**
 * The database interface of elizaOS over calls to the guest, where the data is kept in the user's store, apart from any other plugin's
 * and any other character's.
 * Everything that crosses is JSON; creations get their ids here, so that a call that is repeated changes nothing.
 */
import { randomUUID } from 'node:crypto'
import type { Json } from '../base/index.ts'
import type { PluginCallResult } from '../protocol/index.ts'
import type { Free, Memory, Uuid } from './eliza-types.ts'
import type { ElizaAdapter, GuestCalls } from './runtime/runtime-types.ts'

/** Rows of one call: its input stays far below what the gate accepts. */
const rowsAtOnce = 500
/** The task service of plugin-bootstrap looks every second. */
const queueKeptMs = 15_000

export interface StoreAdapterOptions {
  readonly guest: GuestCalls
  readonly agentId: Uuid
  /** Agent of Oxbow with this character; empty: all that have none of their own. */
  readonly agent?: string
  readonly now: () => number
  /** The database of plugins with tables of their own. */
  readonly db: () => unknown
}

const reads = [
  'getAgent',
  'getAgents',
  'getEntitiesByIds',
  'getEntitiesForRoom',
  'getComponent',
  'getComponents',
  'getRelationship',
  'getRelationships',
  'getWorld',
  'getRoomsByIds',
  'getRoomsByWorld',
  'getRoomsForParticipant',
  'getRoomsForParticipants',
  'getParticipantsForRoom',
  'getParticipantUserState',
  'getMemories',
  'getMemoryById',
  'getMemoriesByIds',
  'getMemoriesByRoomIds',
  'getMemoriesByWorldId',
  'searchMemories',
  'getTask',
  'getLogs',
] as const

const changes = [
  'createAgent',
  'updateAgent',
  'deleteAgent',
  'updateEntity',
  'createComponent',
  'updateComponent',
  'deleteComponent',
  'createRelationship',
  'updateRelationship',
  'createWorld',
  'updateWorld',
  'removeWorld',
  'updateRoom',
  'deleteRoom',
  'deleteRoomsByWorldId',
  'addParticipantsRoom',
  'removeParticipant',
  'setParticipantUserState',
  'updateMemory',
  'deleteMemory',
  'deleteAllMemories',
  'deleteLog',
] as const

export function createStoreAdapter(options: StoreAdapterOptions): ElizaAdapter {
  const { guest, agent = '' } = options
  const of = agent === '' ? {} : { agent }
  const ask =
    (call: 'store.read' | 'store.change', method: string) =>
    async (...args: unknown[]): Promise<any> =>
      (outputOf(await guest.call(call, { method, args: toJson(args), ...of })) as { value: Json }).value
  const named = (names: readonly string[], call: 'store.read' | 'store.change') =>
    Object.fromEntries(names.map((name) => [name, ask(call, name)]))
  return {
    ...named(reads, 'store.read'),
    ...named(changes, 'store.change'),
    ...memoryMethods(ask),
    ...listMethods(ask, options),
    ...workMethods(ask, options),
    get db() {
      return options.db()
    },
    getConnection: async () => options.db(),
    initialize: async () => {},
    init: async () => {},
    close: async () => {},
    isReady: async () => true,
    runMigrations: async () => {},
    /** Vectors of any size can be stored. */
    ensureEmbeddingDimension: async () => {},
  }
}

type Ask = (call: 'store.read' | 'store.change', method: string) => (...args: unknown[]) => Promise<any>

function memoryMethods(ask: Ask): Free {
  return {
    async createMemory(memory: Memory, tableName: string, unique?: boolean): Promise<Uuid> {
      memory.id ??= randomUUID() as Uuid
      return ask('store.change', 'createMemory')(memory, tableName, unique ?? memory.unique ?? false)
    },
    async countMemories(roomId: Uuid, unique = true, tableName = ''): Promise<number> {
      if (tableName === '') throw new Error('tableName is required')
      return ask('store.read', 'countMemories')({ roomId, unique, tableName })
    },
    async deleteManyMemories(ids: Uuid[]): Promise<void> {
      for (const batch of batches(ids)) await ask('store.change', 'deleteManyMemories')(batch)
    },
    async getCachedEmbeddings({ query_table_name: tableName, query_input: text, query_match_count: count }: Free) {
      const found: Free[] = await ask('store.read', 'getCachedEmbeddings')({ tableName, text, count })
      return found.map(({ embedding, similarity }) => ({ embedding, levenshtein_score: similarity }))
    },
  }
}

function listMethods(ask: Ask, { agentId }: StoreAdapterOptions): Free {
  return {
    async createEntities(entities: Free[]): Promise<boolean> {
      for (const entity of entities) entity['id'] ??= randomUUID()
      for (const batch of batches(entities)) await ask('store.change', 'createEntities')(batch)
      return true
    },
    async createRooms(rooms: Free[]): Promise<Uuid[]> {
      const made = rooms.map((room) => ({ ...room, agentId, id: (room['id'] as Uuid | undefined) ?? randomUUID() }))
      for (const batch of batches(made)) await ask('store.change', 'createRooms')(batch)
      return made.map(({ id }) => id)
    },
    async getAllWorlds(): Promise<Free[]> {
      const all: Free[] = await ask('store.read', 'getAllWorlds')()
      return all.filter((world) => world['agentId'] === agentId)
    },
    isRoomParticipant: async (roomId: Uuid, entityId: Uuid): Promise<boolean> =>
      ((await ask('store.read', 'getParticipantsForRoom')(roomId)) as Uuid[]).includes(entityId),
    async getParticipantsForEntity(entityId: Uuid): Promise<Free[]> {
      const found: Free[] = await ask('store.read', 'getParticipantsForEntity')(entityId)
      return found.map((participant) => ({
        id: participant['id'] ?? participant['entityId'],
        entity: { id: entityId, agentId, names: [] },
        ...participant,
      }))
    },
  }
}

/** Tasks, logs and the cache, each of this agent only. */
function workMethods(ask: Ask, { guest, agentId, now }: StoreAdapterOptions): Free {
  /** What the queue held when it was read last, as long as this process has not changed it. */
  let queue: { readonly tasks: Free[]; readonly until: number } | undefined
  const own = (tasks: Free[]): Free[] => tasks.filter((task) => (task['agentId'] ?? agentId) === agentId)
  const changed = async <Result>(work: Promise<Result>): Promise<Result> => {
    queue = undefined
    return work
  }
  return {
    createTask: (task: Free) => changed(ask('store.change', 'createTask')({ ...task, agentId, id: task['id'] ?? randomUUID() })),
    updateTask: (id: Uuid, change: Free) => changed(ask('store.change', 'updateTask')(id, change)),
    deleteTask: (id: Uuid) => changed(ask('store.change', 'deleteTask')(id)),
    getTasksByName: async (name: string) => own(await ask('store.read', 'getTasksByName')(name)),
    async getTasks(query: Free): Promise<Free[]> {
      const tags = (query['tags'] ?? []) as string[]
      const isQueue = tags.join() === 'queue' && query['roomId'] === undefined && query['entityId'] === undefined
      if (!isQueue) return own(await ask('store.read', 'getTasks')(query))
      // Between requests of the guest nothing runs, so nothing is due.
      if (!guest.isOpen()) return []
      if (queue === undefined || now() > queue.until)
        queue = { tasks: own(await ask('store.read', 'getTasks')(query)), until: now() + queueKeptMs }
      return queue.tasks
    },
    log: (entry: Free) => ask('store.change', 'log')({ ...entry, id: randomUUID() }),
    async getAgentRunSummaries(query: Free = {}): Promise<Free> {
      const { status, ...rest } = query
      const runs: Free[] = await ask('store.read', 'getAgentRunSummaries')({ ...rest, ...(status !== 'all' && { status }) })
      return { runs, total: runs.length, hasMore: false }
    },
    async getCache(key: string): Promise<unknown> {
      return (await ask('store.read', 'getCache')(`${agentId}:${key}`)) ?? undefined
    },
    setCache: (key: string, value: unknown) => ask('store.change', 'setCache')(`${agentId}:${key}`, value),
    deleteCache: (key: string) => ask('store.change', 'deleteCache')(`${agentId}:${key}`),
  }
}

/** @throws Error with what the guest says of a call that did not work */
export function outputOf({ status, ok, text, output, failure }: PluginCallResult): Json {
  if (status === 'ok' && ok) return output
  throw new Error(failure === null ? text : `${failure.message} ${failure.hint}`.trim())
}

/** What JSON keeps of arguments; a missing one is null, at the end none. */
function toJson(args: readonly unknown[]): Json[] {
  const seen: object[] = []
  const text = JSON.stringify(args, function (this: unknown, _, value: unknown) {
    if (typeof value === 'bigint') return value.toString()
    if (typeof value !== 'object' || value === null) return value
    // Of a cycle, such as a runtime in a payload, only the first time is kept.
    while (seen.length > 0 && seen.at(-1) !== this) seen.pop()
    if (seen.includes(value)) return undefined
    seen.push(value)
    return value
  })
  const made = JSON.parse(text) as Json[]
  while (made.length > 0 && args[made.length - 1] === undefined) made.pop()
  return made
}

function batches<Item>(items: readonly Item[]): readonly Item[][] {
  return Array.from({ length: Math.ceil(items.length / rowsAtOnce) }, (_, at) => items.slice(at * rowsAtOnce, (at + 1) * rowsAtOnce))
}
