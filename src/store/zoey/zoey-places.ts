/** Worlds, rooms, and who is in them. */
import { type Filter, missingField, type ZoeyRows } from './zoey-rows.ts'
import type { FollowState, Uuid, ZoeyParticipant, ZoeyRoom, ZoeyWorld } from './zoey-types.ts'

export interface PlaceMethods {
  getWorld(id: Uuid): Promise<ZoeyWorld | null>
  getAllWorlds(): Promise<readonly ZoeyWorld[]>
  createWorld(world: ZoeyWorld): Promise<Uuid>
  /** Makes it or changes it. */
  ensureWorld(world: ZoeyWorld): Promise<void>
  updateWorld(world: ZoeyWorld): Promise<void>
  /** Only the world: its rooms stay. */
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
