/** Worlds, rooms and people that a plugin says exist. */
import type { ElizaRuntime, PlaceMethods, RuntimeDeps } from './runtime-types.ts'
import type { Free, Uuid } from '../eliza-types.ts'
import { ownValue } from '../../base/index.ts'

/** As in elizaOS. */
const entitiesAtOnce = 5_000

export function placeMethods(self: ElizaRuntime, { core, now }: RuntimeDeps): PlaceMethods {
  const { agentId } = self
  return {
    ensureConnections: (entities, rooms, source, world) => ensureConnections(self, entities, rooms, source, world),
    ensureConnection: (connection) => ensureConnection(self, core.createUniqueUuid, connection),
    async ensureParticipantInRoom(entityId, roomId) {
      const entity = await self['getEntityById'](entityId)
      if (!entity && entityId === agentId) throw new Error(`Agent entity ${entityId} not found, cannot add as participant.`)
      if (!entity) self.logger.warn({ src: 'agent', agentId, entityId }, 'Entity not accessible, attempting to add as participant')
      const present: Uuid[] = await self.adapter['getParticipantsForRoom'](roomId)
      if (present.includes(entityId)) return
      if (!(await self['addParticipant'](entityId, roomId))) throw new Error(`Failed to add participant ${entityId} to room ${roomId}`)
    },
    ensureWorldExists: ({ id, name, messageServerId, metadata }) =>
      self.adapter['createWorld']({ id, name, agentId, messageServerId, metadata }).then(() => {}),
    async ensureRoomExists({ id, name, source, type, channelId, messageServerId, worldId, metadata }) {
      if (!worldId) throw new Error('worldId is required')
      if ((await self['getRoom'](id)) !== null) return
      await self['createRoom']({ id, name, agentId, source, type, channelId, messageServerId, worldId, metadata })
    },
    async ensureEntity(entity) {
      if (!entity['id']) return null
      return (await self['createEntity'](entity)) ? entity : null
    },
    ensureAgentExists: (agent) => ensureAgent(self, agent, now),
  }
}

/** Settings of the character are merged over those that are stored; secrets one by one. */
async function ensureAgent(self: ElizaRuntime, agent: Free, now: () => number): Promise<Free> {
  const id: Uuid | undefined = agent['id']
  if (!id) throw new Error('Agent id is required')
  const stored: Free | null = await self.adapter['getAgent'](id)
  if (stored === null) {
    if (!(await self.adapter['createAgent']({ ...agent }))) throw new Error(`Failed to create agent: ${id}`)
    return { ...agent }
  }
  const settings: Free = { ...stored['settings'], ...agent['settings'] }
  const secrets = [stored['settings']?.secrets, agent['settings']?.secrets].filter((some) => typeof some === 'object' && some !== null)
  if (secrets.length > 0) settings['secrets'] = Object.assign({}, ...secrets)
  const updated = { ...stored, ...agent, settings, id, updatedAt: now() }
  await self.adapter['updateAgent'](id, updated)
  return updated
}

async function ensureConnection(self: ElizaRuntime, uniqueId: (runtime: object, name: string) => Uuid, connection: Free): Promise<void> {
  const { agentId } = self
  const { entityId, roomId, worldName, userName, name, source, type, channelId, messageServerId, userId, metadata } = connection
  const worldId: Uuid = !connection['worldId'] && messageServerId ? uniqueId(self, messageServerId) : connection['worldId']
  const names = [name, userName].filter(Boolean)
  const there: Free | null = await self['getEntityById'](entityId)
  if (there === null) {
    const created = await self['createEntity']({ id: entityId, names, metadata: { [source]: { id: userId, name, userName } }, agentId })
    if (!created) throw new Error(`Failed to create entity ${entityId}`)
  } else {
    const known: unknown = ownValue(there['metadata'], source)
    await self.adapter['updateEntity']({
      id: entityId,
      names: [...new Set([...(there['names'] ?? []), ...names])].filter(Boolean),
      metadata: { ...there['metadata'], [source]: { ...(typeof known === 'object' && known), id: userId, name, userName } },
      agentId,
    })
  }
  // A world with a name and one with a server are named alike, as in elizaOS.
  const world = worldName || messageServerId ? `World for server ${messageServerId}` : `World for room ${roomId}`
  await self.ensureWorldExists({ id: worldId, name: world, agentId, messageServerId, metadata })
  const room = { id: roomId, name: name || 'default', source: source || 'default', type: type || 'DM', channelId, messageServerId, worldId }
  await self.ensureRoomExists(room)
  await self.ensureParticipantInRoom(entityId, roomId)
  await self.ensureParticipantInRoom(agentId, roomId)
}

async function ensureConnections(self: ElizaRuntime, entities: Free[], rooms: Free[], source: string, world: Free): Promise<void> {
  const { agentId } = self
  const first = rooms?.[0]
  if (!entities || first === undefined) {
    self.logger.error({ src: 'agent', agentId }, `ensureConnections called without ${entities ? 'rooms' : 'entities'}`)
    return
  }
  await self.ensureWorldExists({ ...world, agentId })
  const common = { worldId: world['id'], messageServerId: world['messageServerId'], source, agentId }
  const found: Free[] | null = await self['getRoomsByIds'](rooms.map(({ id }) => id))
  const missing = rooms.filter(({ id }) => !found?.some((room) => room['id'] === id))
  if (missing.length > 0) await self['createRooms'](missing.map((room) => ({ ...room, ...common, type: room['type'] || 'GROUP' })))
  const fields = { roomId: first['id'], channelId: first['channelId'], type: first['type'], ...common }
  const withIds = entities.filter(({ id }) => id !== undefined)
  for (const batch of batches(withIds)) {
    await self['createEntities'](batch.map((entity) => ({ ...entity, ...fields, metadata: entity['metadata'] || {} })))
  }
  await self.ensureParticipantInRoom(agentId, first['id'])
  const present: Uuid[] = await self['getParticipantsForRoom'](first['id'])
  const absent = withIds.map(({ id }) => id as Uuid).filter((id) => !present.includes(id))
  for (const batch of batches(absent)) await self['addParticipantsRoom'](batch, first['id'])
}

function batches<Item>(items: readonly Item[]): readonly Item[][] {
  return Array.from({ length: Math.ceil(items.length / entitiesAtOnce) }, (_, at) =>
    items.slice(at * entitiesAtOnce, (at + 1) * entitiesAtOnce),
  )
}
