/**
 * The database interface of ZoeyOS and elizaOS plugins, on the user's own store: all methods of both, upserts that affect no other row,
 * and filters that are part of the query. It is separate from the journal: plugins keep their own data here, not a record of events.
 */
import { type Clock, OxbowError, type UserId } from '../../base/index.ts'
import type { UpkeepConnection } from '../upkeep/connection.ts'
import { memoryMethods, type MemoryMethods } from './zoey-memories.ts'
import { peopleMethods, type PeopleMethods, placeMethods, type PlaceMethods } from './zoey-people.ts'
import { createRows, missingField, type ZoeyRows } from './zoey-rows.ts'
import type { ZoeyMemory } from './zoey-types.ts'
import { workMethods, type WorkMethods } from './zoey-work.ts'

/** The database adapter of ZoeyOS over the store. */
export interface ZoeyAdapter extends PeopleMethods, PlaceMethods, MemoryMethods, WorkMethods {
  /** The connection, for `getConnection`; plugins of elizaOS ask for `db`. */
  readonly db: UpkeepConnection
  init(): Promise<void>
  initialize(config?: object): Promise<void>
  runPluginMigrations(): Promise<void>
  isReady(): Promise<boolean>
  close(): Promise<void>
  getConnection(): Promise<UpkeepConnection>
  /** Vectors of any size can be stored; a search compares only vectors of its own size. @throws OxbowError `bad_input` for an invalid size */
  ensureEmbeddingDimension(size: number): Promise<void>
  /** Runs `work` in a transaction. */
  withTransaction<Result>(work: (adapter: ZoeyAdapter) => Promise<Result>): Promise<Result>
}

export interface ZoeyOptions {
  readonly db: UpkeepConnection
  readonly user: UserId
  readonly clock: Clock
  /** Whether a memory creates a missing entity or room as an empty one, or is refused. */
  readonly missing?: 'make' | 'refuse'
  /** Whose rows these are, such as `plugin:NAME`: nothing else reads or changes them. Absent: the user's own. */
  readonly scope?: string
}

export function openZoeyAdapter({ db, user, clock, missing = 'make', scope = '' }: ZoeyOptions): ZoeyAdapter {
  const rows = createRows(db, user, clock, scope)
  const adapter: ZoeyAdapter = {
    db,
    ...peopleMethods(rows),
    ...placeMethods(rows),
    ...memoryMethods(rows, (memory) => demand(rows, memory, missing)),
    ...workMethods(rows),
    init: async () => {},
    initialize: async () => {},
    runPluginMigrations: async () => {},
    isReady: () => db.rows('select 1').then(yes, no),
    close: () => db.close(),
    getConnection: async () => db,
    async ensureEmbeddingDimension(size) {
      if (Number.isSafeInteger(size) && size > 0) return
      throw new OxbowError('bad_input', `${size} is not a valid embedding size.`, { hint: 'Give a whole number above 0.' })
    },
    withTransaction: (work) => rows.transaction(() => work(adapter)),
  }
  return adapter
}

/** The entity and room of a memory must exist. */
async function demand(rows: ZoeyRows, { entityId, roomId, agentId, worldId }: ZoeyMemory, missing: 'make' | 'refuse'): Promise<void> {
  const owner = agentId ?? ''
  if ((await rows.get('entity', entityId)) === null) {
    if (missing === 'refuse') throw missingField('memory', 'entityId')
    await rows.put('entity', { id: entityId, agent: owner, body: { id: entityId, agentId: owner, names: [], metadata: { stub: true } } })
  }
  if ((await rows.get('room', roomId)) !== null) return
  if (missing === 'refuse') throw missingField('memory', 'roomId')
  const body = {
    id: roomId,
    agentId: owner,
    ...(worldId !== undefined && { worldId }),
    type: 'API',
    source: 'stub',
    metadata: { stub: true },
  }
  await rows.put('room', { id: roomId, agent: owner, world: worldId ?? '', body })
}

const yes = (): boolean => true
const no = (): boolean => false
