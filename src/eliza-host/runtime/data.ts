/** The methods of the runtime that pass on to its adapter, and what elizaOS adds to a few of them. */
import { textOfError } from './events.ts'
import type { ElizaRuntime, RuntimeDeps } from './runtime-types.ts'
import type { Free, Memory, Uuid } from '../eliza-types.ts'

/** Methods of the adapter that the runtime offers under the same name. */
const passedOn = [
  'getAgent',
  'getAgents',
  'createAgent',
  'updateAgent',
  'deleteAgent',
  'getEntitiesByIds',
  'getEntitiesForRoom',
  'updateEntity',
  'getComponent',
  'getComponents',
  'createComponent',
  'updateComponent',
  'deleteComponent',
  'getMemories',
  'getMemoryById',
  'getMemoriesByIds',
  'getMemoriesByRoomIds',
  'getMemoriesByWorldId',
  'getCachedEmbeddings',
  'updateMemory',
  'deleteMemory',
  'deleteManyMemories',
  'deleteAllMemories',
  'countMemories',
  'log',
  'getLogs',
  'deleteLog',
  'getAgentRunSummaries',
  'createWorld',
  'getWorld',
  'removeWorld',
  'getAllWorlds',
  'updateWorld',
  'getRoomsByIds',
  'createRooms',
  'deleteRoom',
  'deleteRoomsByWorldId',
  'updateRoom',
  'getRoomsForParticipant',
  'getRoomsForParticipants',
  'getRoomsByWorld',
  'removeParticipant',
  'getParticipantsForEntity',
  'getParticipantsForRoom',
  'isRoomParticipant',
  'addParticipantsRoom',
  'getParticipantUserState',
  'setParticipantUserState',
  'createRelationship',
  'updateRelationship',
  'getRelationship',
  'getRelationships',
  'getCache',
  'setCache',
  'deleteCache',
  'createTask',
  'getTasks',
  'getTask',
  'getTasksByName',
  'updateTask',
  'deleteTask',
] as const

const tablesOfAll = ['memories', 'messages', 'facts', 'documents']

export function dataMethods(self: ElizaRuntime, { core }: RuntimeDeps): Free {
  const passing = Object.fromEntries(passedOn.map((name) => [name, (...args: unknown[]): unknown => self.adapter[name](...args)]))
  return {
    ...passing,
    ...peopleMethods(self),
    ...memoryMethods(self, core),
    getConnection: () => self.adapter['getConnection'](),
    isReady: () => self.adapter['isReady'](),
    init: () => self.adapter['init'](),
    close: () => self.adapter['close'](),
    runMigrations: async (): Promise<void> => {},
    hasElizaOS: () => self.elizaOS !== undefined,
  }
}

function peopleMethods(self: ElizaRuntime): Free {
  return {
    getEntityById: async (id: Uuid) => ((await self.adapter['getEntitiesByIds']([id])) as Free[] | null)?.[0] ?? null,
    createEntity: (entity: Free) => self['createEntities']([entity]),
    async createEntities(entities: Free[]) {
      for (const entity of entities) entity['agentId'] = self.agentId
      return self.adapter['createEntities'](entities)
    },
    addParticipant: (entityId: Uuid, roomId: Uuid) => self.adapter['addParticipantsRoom']([entityId], roomId),
    getRoom: async (id: Uuid) => ((await self.adapter['getRoomsByIds']([id])) as Free[] | null)?.[0] ?? null,
    getRooms: (worldId: Uuid) => self.adapter['getRoomsByWorld'](worldId),
    async createRoom({ id, name, source, type, channelId, messageServerId, worldId }: Free) {
      if (!worldId) throw new Error('worldId is required')
      const [created] = (await self.adapter['createRooms']([{ id, name, source, type, channelId, messageServerId, worldId }])) as Uuid[]
      if (created === undefined) throw new Error('Failed to create room')
      return created
    },
  }
}

function memoryMethods(self: ElizaRuntime, core: RuntimeDeps['core']): Free {
  const logged = { src: 'agent', agentId: self.agentId }
  return {
    async createMemory(memory: Memory, tableName: string, unique?: boolean) {
      if (unique !== undefined) memory.unique = unique
      return self.adapter['createMemory'](memory, tableName, unique)
    },
    async searchMemories(params: Free) {
      const found: Memory[] = await self.adapter['searchMemories'](params)
      return params['query'] ? self['rerankMemories'](params['query'], found) : found
    },
    async rerankMemories(query: string, memories: Memory[]) {
      const documents = memories.map(({ id, content }) => ({ title: id, content: content.text }))
      return new core.BM25(documents).search(query, memories.length).map(({ index }) => memories[index])
    },
    async getAllMemories() {
      const all: Memory[] = []
      for (const tableName of tablesOfAll)
        all.push(...(await self.adapter['getMemories']({ agentId: self.agentId, tableName, count: 10_000 })))
      return all
    },
    async clearAllAgentMemories() {
      const ids = ((await self['getAllMemories']()) as Memory[]).flatMap(({ id }) => id ?? [])
      if (ids.length > 0) await self.adapter['deleteManyMemories'](ids)
    },
    async addEmbeddingToMemory(memory: Memory) {
      if (memory.embedding) return memory
      if (!memory.content.text) throw new Error('Cannot generate embedding: Memory content is empty')
      try {
        memory.embedding = await self.useModel('TEXT_EMBEDDING', { text: memory.content.text })
      } catch (error) {
        self.logger.error({ ...logged, error: textOfError(error) }, 'Embedding generation failed')
        memory.embedding = await self.useModel('TEXT_EMBEDDING', { text: '' })
      }
      return memory
    },
    async queueEmbeddingGeneration(memory: Memory | null, priority: string = 'normal') {
      if (!memory || memory.embedding || !memory.content?.text) return
      const request = { memory, priority, source: 'runtime', retryCount: 0, maxRetries: 3, runId: self.getCurrentRunId() }
      await self.emitEvent('EMBEDDING_GENERATION_REQUESTED', { runtime: self, ...request })
    },
  }
}
