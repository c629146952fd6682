/** What plugins may ask of the Zoey adapter by a name and arguments, and what elizaOS means by names that ours has with another meaning. */
import { type Json, OxbowError, type UserId } from '../../base/index.ts'
import { matchPhrases } from '../phrase-scan.ts'
import type { UpkeepConnection } from '../upkeep/connection.ts'
import type { ZoeyAdapter } from './zoey-adapter.ts'
import type { ZoeyEntity, ZoeyRoom, ZoeyWorld } from './zoey-types.ts'

export const zoeyReads = [
  ...(['getAgent', 'getAgents', 'getEntitiesByIds', 'getEntitiesForRoom', 'getComponent', 'getComponents'] as const),
  ...(['getRelationship', 'getRelationships', 'getWorld', 'getAllWorlds', 'getRoomsByIds', 'getRoomsByWorld'] as const),
  ...(['getRoomsForParticipant', 'getRoomsForParticipants', 'getParticipantsForRoom', 'getParticipantsForEntity'] as const),
  ...(['getParticipantUserState', 'getMemories', 'getMemoryById', 'getMemoriesByIds', 'getMemoriesByRoomIds'] as const),
  ...(['getMemoriesByWorldId', 'countMemories', 'searchMemories', 'getCachedEmbeddings', 'getTask', 'getTasks'] as const),
  ...(['getTasksByName', 'getLogs', 'getAgentRunSummaries', 'getCache'] as const),
] as const

export const zoeyChanges = [
  ...(['createAgent', 'updateAgent', 'deleteAgent', 'createEntities', 'updateEntity'] as const),
  ...(['createComponent', 'updateComponent', 'deleteComponent', 'createRelationship', 'updateRelationship'] as const),
  ...(['createWorld', 'updateWorld', 'removeWorld', 'createRooms', 'updateRoom', 'deleteRoom', 'deleteRoomsByWorldId'] as const),
  ...(['addParticipantsRoom', 'removeParticipant', 'setParticipantUserState'] as const),
  ...(['createMemory', 'updateMemory', 'deleteMemory', 'deleteManyMemories', 'deleteAllMemories'] as const),
  ...(['createTask', 'updateTask', 'deleteTask', 'log', 'deleteLog', 'setCache', 'deleteCache'] as const),
] as const

type ZoeyRead = (typeof zoeyReads)[number]
type ZoeyChange = (typeof zoeyChanges)[number]

/** A method of the adapter, called from another process. */
export interface ZoeyRequest {
  /** See `ZoeyOptions`. */
  readonly scope: string
  readonly method: ZoeyRead | ZoeyChange
  readonly args: readonly Json[]
}

/** Erases what any plugin keeps with one of these phrases. */
export interface ZoeyForget {
  readonly method: 'forget'
  readonly phrases: readonly string[]
}

/** Erases all that one plugin keeps, for all of its agents. */
export interface ZoeyClear {
  readonly method: 'clear'
  readonly plugin: string
}

/** @returns how many rows were erased */
export async function clearRows(db: UpkeepConnection, user: UserId, { plugin }: ZoeyClear): Promise<number> {
  // The kind of a row begins with its scope: the plugin, and for an agent with a character of its own `@` and the agent.
  const beginnings = [`plugin:${plugin}/`, `plugin:${plugin}@`]
  const begins = beginnings.map(() => 'substr("kind", 1, ?) = ?').join(' or ')
  const values = beginnings.flatMap((each) => [each.length, each])
  return (await db.rows(`delete from "zoey" where "user" = ? and (${begins}) returning 1`, [user, ...values])).length
}

/** Rows that are looked at in one transaction. */
const rowsAtOnce = 500

/** @returns how many rows were erased */
export async function forgetRows(db: UpkeepConnection, user: UserId, { phrases }: ZoeyForget): Promise<number> {
  const match = matchPhrases(phrases)
  let erased = 0
  for (let [afterKind, afterId] = ['', '']; ;) {
    const rows = await db.rows(
      `select "kind", "id", "body" from "zoey" where "user" = ? and ("kind" > ? or ("kind" = ? and "id" > ?)) order by "kind", "id" limit ?`,
      [user, afterKind, afterKind, afterId, rowsAtOnce],
    )
    for (const [kind = '', id = '', body = ''] of rows) {
      if (!match.inBody(String(body))) continue
      await db.rows('delete from "zoey" where "user" = ? and "kind" = ? and "id" = ? returning 1', [user, kind, id])
      erased += 1
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsAtOnce) return erased
    ;[afterKind, afterId] = [String(last[0]), String(last[1])]
  }
}

/** @returns what elizaOS expects of this method; null where it has no value @throws OxbowError `bad_input` */
export async function answerZoey(adapter: ZoeyAdapter, { method, args }: ZoeyRequest): Promise<Json> {
  const create = (creations as Partial<Record<string, (adapter: ZoeyAdapter, given: never) => Promise<unknown>>>)[method]
  const run = adapter[method] as (...args: readonly unknown[]) => Promise<unknown>
  try {
    const result = create === undefined ? await run(...args) : await adapter.withTransaction(() => create(adapter, args[0] as never))
    return (result ?? null) as Json
  } catch (error) {
    // Arguments of another shape than the method reads.
    if (!(error instanceof TypeError)) throw error
    throw new OxbowError('bad_input', `The arguments of ${method} have another form: ${error.message}`, {
      hint: 'See the interface IDatabaseAdapter of elizaOS.',
      cause: error,
    })
  }
}

/** In elizaOS a creation leaves alone what is there; ours replaces it. */
const creations = {
  async createEntities(adapter: ZoeyAdapter, entities: readonly ZoeyEntity[]): Promise<boolean> {
    const there = new Set((await adapter.getEntitiesByIds(entities.map(({ id }) => id))).map(({ id }) => id))
    return adapter.createEntities(entities.filter(({ id }) => !there.has(id)))
  },
  async createWorld(adapter: ZoeyAdapter, world: ZoeyWorld): Promise<string> {
    return (await adapter.getWorld(world.id)) === null ? adapter.createWorld(world) : world.id
  },
  async createRooms(adapter: ZoeyAdapter, rooms: readonly ZoeyRoom[]): Promise<readonly string[]> {
    const there = new Set((await adapter.getRoomsByIds(rooms.map(({ id }) => id))).map(({ id }) => id))
    return adapter.createRooms(rooms.filter(({ id }) => !there.has(id)))
  },
}
