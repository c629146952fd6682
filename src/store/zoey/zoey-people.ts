/** Agents, entities with their components and relationships, and worlds and rooms with their participants. */
import { randomUUID } from 'node:crypto'
import type {
  FollowState,
  Uuid,
  ZoeyAgent,
  ZoeyComponent,
  ZoeyEntity,
  ZoeyParticipant,
  ZoeyRelationship,
  ZoeyRoom,
  ZoeyWorld,
} from './zoey-types.ts'
import { type Filter, type Found, missingField, type ZoeyRows } from './zoey-rows.ts'

export interface PeopleMethods {
  getAgent(id: Uuid): Promise<ZoeyAgent | null>
  getAgents(): Promise<readonly ZoeyAgent[]>
  createAgent(agent: ZoeyAgent): Promise<boolean>
  updateAgent(id: Uuid, change: Partial<ZoeyAgent>): Promise<boolean>
  deleteAgent(id: Uuid): Promise<boolean>
  getEntityById(id: Uuid): Promise<ZoeyEntity | null>
  /** In the order of `ids`. */
  getEntitiesByIds(ids: readonly Uuid[]): Promise<readonly ZoeyEntity[]>
  getEntitiesForRoom(roomId: Uuid, includeComponents?: boolean): Promise<readonly ZoeyEntity[]>
  createEntities(entities: readonly ZoeyEntity[]): Promise<boolean>
  updateEntity(entity: ZoeyEntity): Promise<void>
  getComponent(entityId: Uuid, type: string, worldId?: Uuid, sourceEntityId?: Uuid): Promise<ZoeyComponent | null>
  getComponents(entityId: Uuid, worldId?: Uuid, sourceEntityId?: Uuid): Promise<readonly ZoeyComponent[]>
  createComponent(component: ZoeyComponent): Promise<boolean>
  updateComponent(component: ZoeyComponent): Promise<void>
  deleteComponent(id: Uuid): Promise<void>
  /** @returns false if one of this pair and type exists already */
  createRelationship(relationship: ZoeyRelationship): Promise<boolean>
  updateRelationship(relationship: ZoeyRelationship): Promise<void>
  getRelationship(a: Uuid | { readonly sourceEntityId: Uuid; readonly targetEntityId: Uuid }, b?: Uuid): Promise<ZoeyRelationship | null>
  /** Relationships of an entity, on either side, that have all of the tags. */
  getRelationships(query: { readonly entityId: Uuid; readonly tags?: readonly string[] }): Promise<readonly ZoeyRelationship[]>
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the writer of the row knows its type
const as = <Item>(found: Found | null): Item | null => (found === null ? null : (found.body as Item))

export function peopleMethods(rows: ZoeyRows): PeopleMethods {
  return { ...agentMethods(rows), ...entityMethods(rows), ...componentMethods(rows), ...relationshipMethods(rows) }
}

type AgentMethods = Pick<PeopleMethods, 'getAgent' | 'getAgents' | 'createAgent' | 'updateAgent' | 'deleteAgent'>

function agentMethods(rows: ZoeyRows): AgentMethods {
  const put = (agent: ZoeyAgent): Promise<void> => rows.put('agent', { id: agent.id, name: agent.name, agent: agent.id, body: agent })
  return {
    getAgent: async (id) => as(await rows.get('agent', id)),
    getAgents: async () => (await rows.find('agent', {})).map(({ body }) => body as ZoeyAgent),
    async createAgent(agent) {
      if (!agent.id) throw missingField('agent', 'id')
      if ((await rows.get('agent', agent.id)) !== null) return false
      await put({ createdAt: rows.clock.now(), ...agent })
      return true
    },
    updateAgent: (id, change) =>
      rows.transaction(async () => {
        const before = as<ZoeyAgent>(await rows.get('agent', id))
        if (before === null) return false
        await put({ ...before, ...change, id })
        return true
      }),
    deleteAgent: async (id) => (await rows.remove('agent', { columns: { id } })) > 0,
  }
}

type EntityMethods = Pick<PeopleMethods, 'getEntityById' | 'getEntitiesByIds' | 'getEntitiesForRoom' | 'createEntities' | 'updateEntity'>

function entityMethods(rows: ZoeyRows): EntityMethods {
  const put = ({ components: _components, ...entity }: ZoeyEntity): Promise<void> =>
    rows.put('entity', { id: entity.id, agent: entity.agentId, body: entity })
  const byIds: PeopleMethods['getEntitiesByIds'] = async (ids) => {
    const found = new Map((await rows.find('entity', { columns: { id: ids } })).map(({ id, body }) => [id, body as ZoeyEntity]))
    return ids.flatMap((id) => found.get(id) ?? [])
  }
  return {
    getEntityById: async (id) => as(await rows.get('entity', id)),
    getEntitiesByIds: byIds,
    async getEntitiesForRoom(roomId, includeComponents = false) {
      const there = await rows.find('participant', { columns: { room: roomId } })
      const entities = await byIds(there.map(({ body }) => String(body['entityId'])).toReversed())
      if (!includeComponents) return entities
      const found = await rows.find('component', { columns: { entity: entities.map(({ id }) => id) } })
      const components = found.map(({ body }) => body as unknown as ZoeyComponent)
      return entities.map((entity) => ({ ...entity, components: components.filter(({ entityId }) => entityId === entity.id) }))
    },
    async createEntities(entities) {
      for (const entity of entities) if (!entity.id) throw missingField('entity', 'id')
      await rows.transaction(async () => {
        for (const entity of entities) await put({ createdAt: rows.clock.now(), ...entity })
      })
      return true
    },
    updateEntity: (entity) => rows.transaction(async () => put({ ...as<ZoeyEntity>(await rows.get('entity', entity.id)), ...entity })),
  }
}

type ComponentMethods = Pick<PeopleMethods, 'getComponent' | 'getComponents' | 'createComponent' | 'updateComponent' | 'deleteComponent'>

function componentMethods(rows: ZoeyRows): ComponentMethods {
  const put = async (component: ZoeyComponent): Promise<void> => {
    for (const field of ['id', 'entityId', 'type'] as const) if (!component[field]) throw missingField('component', field)
    const { id, type, entityId, worldId, sourceEntityId } = component
    await rows.put('component', { id, type, entity: entityId, world: worldId ?? '', other: sourceEntityId ?? '', body: component })
  }
  const find = async (entity: Uuid, type?: string, world?: Uuid, other?: Uuid): Promise<readonly ZoeyComponent[]> =>
    (await rows.find('component', { columns: { entity, type, world, other } })).map(({ body }) => body as unknown as ZoeyComponent)
  return {
    getComponent: async (entityId, type, worldId, sourceEntityId) => (await find(entityId, type, worldId, sourceEntityId))[0] ?? null,
    getComponents: (entityId, worldId, sourceEntityId) => find(entityId, undefined, worldId, sourceEntityId),
    createComponent: (component) =>
      rows.transaction(async () => {
        const { entityId, type, worldId = '', sourceEntityId = '' } = component
        if ((await find(entityId, type, worldId, sourceEntityId)).length > 0) return false
        await put({ createdAt: rows.clock.now(), ...component })
        return true
      }),
    updateComponent: (component) =>
      rows.transaction(async () => put({ ...as<ZoeyComponent>(await rows.get('component', component.id)), ...component })),
    deleteComponent: async (id) => void (await rows.remove('component', { columns: { id } })),
  }
}

type RelationshipMethods = Pick<PeopleMethods, 'createRelationship' | 'updateRelationship' | 'getRelationship' | 'getRelationships'>

function relationshipMethods(rows: ZoeyRows): RelationshipMethods {
  const ends = ({ entityIdA, entityIdB, sourceEntityId, targetEntityId }: ZoeyRelationship): readonly [Uuid, Uuid] => {
    const [a, b] = [sourceEntityId ?? entityIdA, targetEntityId ?? entityIdB]
    if (!a) throw missingField('relationship', 'sourceEntityId')
    if (!b) throw missingField('relationship', 'targetEntityId')
    return [a, b]
  }
  const between = async (a: Uuid, b: Uuid, type?: string): Promise<ZoeyRelationship | null> =>
    as((await rows.find('relationship', { columns: { entity: a, other: b, type }, limit: 1 }))[0] ?? null)
  const put = async (relationship: ZoeyRelationship): Promise<void> => {
    const [a, b] = ends(relationship)
    const id = relationship.id ?? randomUUID()
    const body = {
      createdAt: rows.clock.now(),
      tags: [],
      metadata: {},
      ...relationship,
      id,
      entityIdA: a,
      entityIdB: b,
      sourceEntityId: a,
      targetEntityId: b,
    }
    await rows.put('relationship', { id, entity: a, other: b, type: relationship.type ?? '', agent: relationship.agentId ?? '', body })
  }
  return {
    createRelationship: (relationship) =>
      rows.transaction(async () => {
        if ((await between(...ends(relationship), relationship.type ?? '')) !== null) return false
        await put(relationship)
        return true
      }),
    updateRelationship: (relationship) =>
      rows.transaction(async () => put({ ...(await between(...ends(relationship), relationship.type)), ...relationship })),
    getRelationship: (a, b = '') => (typeof a === 'string' ? between(a, b) : between(a.sourceEntityId, a.targetEntityId)),
    async getRelationships({ entityId, tags = [] }) {
      const sides = await Promise.all([
        rows.find('relationship', { columns: { entity: entityId } }),
        rows.find('relationship', { columns: { other: entityId } }),
      ])
      const found = new Map(sides.flat().map(({ id, body }) => [id, body as ZoeyRelationship]))
      return [...found.values()].filter((one) => tags.every((tag) => one.tags?.includes(tag) === true))
    },
  }
}

export interface PlaceMethods {
  getWorld(id: Uuid): Promise<ZoeyWorld | null>
  getAllWorlds(): Promise<readonly ZoeyWorld[]>
  createWorld(world: ZoeyWorld): Promise<Uuid>
  /** Creates or changes it. */
  ensureWorld(world: ZoeyWorld): Promise<void>
  updateWorld(world: ZoeyWorld): Promise<void>
  /** Removes the world but not its rooms. */
  removeWorld(id: Uuid): Promise<void>
  getRoom(id: Uuid): Promise<ZoeyRoom | null>
  getRoomsByIds(ids: readonly Uuid[]): Promise<readonly ZoeyRoom[]>
  getRooms(worldId: Uuid): Promise<readonly ZoeyRoom[]>
  getRoomsByWorld(worldId: Uuid): Promise<readonly ZoeyRoom[]>
  getRoomsForAgent(agentId: Uuid): Promise<readonly ZoeyRoom[]>
  getRoomsForParticipant(entityId: Uuid): Promise<readonly Uuid[]>
  getRoomsForParticipants(entityIds: readonly Uuid[]): Promise<readonly Uuid[]>
  createRoom(room: ZoeyRoom): Promise<Uuid>
  createRooms(rooms: readonly ZoeyRoom[]): Promise<readonly Uuid[]>
  updateRoom(room: ZoeyRoom): Promise<void>
  deleteRoom(id: Uuid): Promise<void>
  deleteRoomsByWorldId(worldId: Uuid): Promise<void>
  addParticipant(entityId: Uuid, roomId: Uuid): Promise<boolean>
  addParticipantsRoom(entityIds: readonly Uuid[], roomId: Uuid): Promise<boolean>
  removeParticipant(entityId: Uuid, roomId: Uuid): Promise<boolean>
  getParticipants(roomId: Uuid): Promise<readonly ZoeyParticipant[]>
  getParticipantsForRoom(roomId: Uuid): Promise<readonly Uuid[]>
  getParticipantsForEntity(entityId: Uuid): Promise<readonly ZoeyParticipant[]>
  getParticipantUserState(roomId: Uuid, entityId: Uuid): Promise<FollowState>
  setParticipantUserState(roomId: Uuid, entityId: Uuid, state: FollowState): Promise<void>
}

export function placeMethods(rows: ZoeyRows): PlaceMethods {
  return { ...worldMethods(rows), ...roomMethods(rows), ...participantMethods(rows) }
}

type WorldMethods = Pick<PlaceMethods, 'getWorld' | 'getAllWorlds' | 'createWorld' | 'ensureWorld' | 'updateWorld' | 'removeWorld'>

function worldMethods(rows: ZoeyRows): WorldMethods {
  const ensure = (world: ZoeyWorld): Promise<void> =>
    rows.transaction(async () => {
      if (!world.id) throw missingField('world', 'id')
      const body = { createdAt: rows.clock.now(), ...(await rows.get('world', world.id))?.body, ...world }
      await rows.put('world', { id: world.id, name: world.name ?? '', agent: world.agentId, body })
    })
  return {
    getWorld: async (id) => ((await rows.get('world', id))?.body as ZoeyWorld | undefined) ?? null,
    getAllWorlds: async () => (await rows.find('world', {})).map(({ body }) => body as ZoeyWorld),
    createWorld: async (world) => ensure(world).then(() => world.id),
    ensureWorld: ensure,
    updateWorld: ensure,
    removeWorld: async (id) => void (await rows.remove('world', { columns: { id } })),
  }
}

type RoomMethods = Omit<PlaceMethods, keyof WorldMethods | keyof ParticipantMethods>

function roomMethods(rows: ZoeyRows): RoomMethods {
  const put = (room: ZoeyRoom): Promise<void> =>
    rows.transaction(async () => {
      if (!room.id) throw missingField('room', 'id')
      const body = { createdAt: rows.clock.now(), ...(await rows.get('room', room.id))?.body, ...room } as ZoeyRoom
      await rows.put('room', { id: room.id, name: body.name ?? '', agent: body.agentId ?? '', world: body.worldId ?? '', body })
    })
  const find = async (filter: Filter): Promise<readonly ZoeyRoom[]> => (await rows.find('room', filter)).map(({ body }) => body as ZoeyRoom)
  const ofParticipants = async (entityIds: readonly Uuid[]): Promise<readonly Uuid[]> => {
    const found = await rows.find('participant', { columns: { entity: entityIds } })
    return [...new Set(found.map(({ body }) => String(body['roomId'])))]
  }
  const remove = (ids: readonly Uuid[]): Promise<void> =>
    rows.transaction(async () => {
      await rows.remove('participant', { columns: { room: ids } })
      await rows.remove('room', { columns: { id: ids } })
    })
  return {
    getRoom: async (id) => (await find({ columns: { id } }))[0] ?? null,
    async getRoomsByIds(ids) {
      const found = new Map((await find({ columns: { id: ids } })).map((room) => [room.id, room]))
      return ids.flatMap((id) => found.get(id) ?? [])
    },
    getRooms: (worldId) => find({ columns: { world: worldId } }),
    getRoomsByWorld: (worldId) => find({ columns: { world: worldId } }),
    getRoomsForAgent: (agentId) => find({ columns: { agent: agentId } }),
    getRoomsForParticipant: (entityId) => ofParticipants([entityId]),
    getRoomsForParticipants: ofParticipants,
    createRoom: async (room) => put(room).then(() => room.id),
    createRooms: (some) =>
      rows.transaction(async () => {
        for (const room of some) await put(room)
        return some.map(({ id }) => id)
      }),
    updateRoom: put,
    deleteRoom: (id) => remove([id]),
    deleteRoomsByWorldId: async (worldId) => remove((await find({ columns: { world: worldId } })).map(({ id }) => id)),
  }
}

type ParticipantMethods = Pick<
  PlaceMethods,
  | 'addParticipant'
  | 'addParticipantsRoom'
  | 'removeParticipant'
  | 'getParticipants'
  | 'getParticipantsForRoom'
  | 'getParticipantsForEntity'
  | 'getParticipantUserState'
  | 'setParticipantUserState'
>

function participantMethods(rows: ZoeyRows): ParticipantMethods {
  const keyOf = (entityId: Uuid, roomId: Uuid): string => `${entityId}:${roomId}`
  const get = async (entityId: Uuid, roomId: Uuid): Promise<ZoeyParticipant | null> =>
    ((await rows.get('participant', keyOf(entityId, roomId)))?.body as ZoeyParticipant | undefined) ?? null
  const put = (participant: ZoeyParticipant): Promise<void> => {
    const { entityId, roomId } = participant
    return rows.put('participant', { id: keyOf(entityId, roomId), entity: entityId, room: roomId, body: participant })
  }
  const find = async (columns: { readonly room?: Uuid; readonly entity?: Uuid }): Promise<readonly ZoeyParticipant[]> =>
    (await rows.find('participant', { columns })).map(({ body }) => body as unknown as ZoeyParticipant).toReversed()
  const add: PlaceMethods['addParticipantsRoom'] = (entityIds, roomId) =>
    rows.transaction(async () => {
      for (const entityId of entityIds) {
        if ((await get(entityId, roomId)) === null)
          await put({ entityId, roomId, joinedAt: rows.clock.now(), metadata: {}, userState: null })
      }
      return true
    })
  return {
    addParticipant: (entityId, roomId) => add([entityId], roomId),
    addParticipantsRoom: add,
    removeParticipant: async (entityId, roomId) => (await rows.remove('participant', { columns: { id: keyOf(entityId, roomId) } })) > 0,
    getParticipants: (roomId) => find({ room: roomId }),
    getParticipantsForRoom: async (roomId) => (await find({ room: roomId })).map(({ entityId }) => entityId),
    getParticipantsForEntity: (entityId) => find({ entity: entityId }),
    getParticipantUserState: async (roomId, entityId) => (await get(entityId, roomId))?.userState ?? null,
    setParticipantUserState: (roomId, entityId, userState) =>
      rows.transaction(async () => put({ joinedAt: rows.clock.now(), ...(await get(entityId, roomId)), entityId, roomId, userState })),
  }
}
