/**
 * Makes the index of pgvector where a user has so many vectors that they are no longer held in eight bits, and brings it up to date.
 * Done by upkeep, while no guest writes: an index takes minutes to make, and each vector that is put into it some milliseconds,
 * which nobody's turn should wait for.
 */
import type { UserId } from '../../../types/index.ts'
import type { BlockRow, ModelRow } from '../../memory/memory-rows.ts'
import { formFor } from '../../search/nearest/vector-scan.ts'
import { openBlock } from '../../search/vector-block.ts'
import { memoryWrites } from '../memory/memory-writes.ts'
import type { PostgresSession } from '../postgres-session.ts'
import { copiedBlocks, maxNearDims, rebuiltPart } from './near-limits.ts'
import { nearName, nearText, type NearRow, safeName } from './near-table.ts'
import { pgvectorVersion } from './no-pgvector.ts'

export type NearState = 'not needed' | 'current' | 'made' | 'extended' | 'no pgvector'

export interface NearDeps {
  readonly session: PostgresSession
  readonly user: UserId
  /** Whether so many vectors are to have an index. Default: those that are not held in eight bits. */
  readonly isMany?: (vectors: number, dims: number) => boolean
  readonly tell?: (done: number, total: number) => void
}

/** Whether vectors of the user's active model are so many that an index finds them faster. */
export async function isNearWanted({ session, user, isMany = beyondSmall }: NearDeps): Promise<boolean> {
  return (await activeModel(session, user, isMany)) !== null
}

/** Within a transaction. @throws what the driver throws */
export async function buildNear(deps: NearDeps): Promise<NearState> {
  const { session, user, isMany = beyondSmall } = deps
  const model = await activeModel(session, user, isMany)
  if (model === null) return 'not needed'
  if ((await pgvectorVersion(session)) === null && !(await makeExtension(session))) return 'no pgvector'
  const [kept] = await session.objects<NearRow>({
    text: 'select model, began, name, version from memory_near where "user" = $1 and model = $2',
    values: [user, model.model],
  })
  const [state] = await session.objects<{ version: number }>({ ...memoryWrites.state, values: [user] })
  const usable = kept !== undefined && kept.began === model.began && safeName(kept.name) !== null
  const fresh = usable ? await vectorsSince(session, user, model.model, kept.version) : model.vectors
  if (fresh === 0) return 'current'
  const extend = usable && fresh < model.vectors * rebuiltPart
  const name = nearName(user, model.model)
  if (!extend) {
    await session.exec(`drop table if exists ${name}; create table ${name} (passage bigint primary key, v halfvec(${model.dims}) not null)`)
  }
  await copyVectors(deps, model, name, extend ? kept.version : 0)
  if (!extend) {
    await session.exec(`set local maintenance_work_mem = '256MB'; create index on ${name} using hnsw (v halfvec_cosine_ops)`)
  }
  await session.rows({
    text: `insert into memory_near ("user", model, began, name, version) values ($1, $2, $3, $4, $5)
      on conflict ("user", model) do update set began = excluded.began, name = excluded.name, version = excluded.version`,
    values: [user, model.model, model.began, name, state?.version ?? 0],
  })
  return extend ? 'extended' : 'made'
}

function beyondSmall(vectors: number, dims: number): boolean {
  return formFor(vectors, dims) === 'signs'
}

async function activeModel(
  session: PostgresSession,
  user: UserId,
  isMany: (vectors: number, dims: number) => boolean,
): Promise<ModelRow | null> {
  const models = await session.objects<ModelRow>({ ...memoryWrites.models, values: [user] })
  const active = models.find(({ state }) => state === 'active')
  return active !== undefined && active.dims <= maxNearDims && isMany(active.vectors, active.dims) ? active : null
}

/** An administrator may have to: then it is not there. */
async function makeExtension(session: PostgresSession): Promise<boolean> {
  await session.exec('savepoint extension')
  try {
    await session.exec('create extension if not exists vector')
    return true
  } catch {
    await session.exec('rollback to savepoint extension')
    return false
  }
}

async function vectorsSince(session: PostgresSession, user: UserId, model: string, version: number): Promise<number> {
  const [row] = await session.rows({
    text: `select coalesce(sum(bit_count(cast(cast(mask as integer) as bit(32)))), 0)::bigint from memory_vectors
      where "user" = $1 and model = $2 and version > $3`,
    values: [user, model, version],
  })
  return Number(row?.[0] ?? 0)
}

async function copyVectors(
  { session, user, tell }: NearDeps,
  { model, dims, vectors }: ModelRow,
  name: string,
  since: number,
): Promise<void> {
  let done = 0
  for (let after = -1; ;) {
    const blocks = await session.objects<BlockRow>({
      text: `select block, mask, bytes from memory_vectors where "user" = $1 and model = $2 and version > $3 and block > $4
        order by block limit ${copiedBlocks}`,
      values: [user, model, since, after],
    })
    const rows = blocks.flatMap((block) =>
      [...openBlock(block, dims)].flatMap(([passage, vector]) => {
        const v = nearText(vector)
        return v === null ? [] : [{ passage, v }]
      }),
    )
    if (rows.length > 0) {
      const text = `insert into ${name} (passage, v) select passage, cast(v as halfvec) from json_to_recordset($1::json) as r(passage bigint, v text)
        on conflict (passage) do update set v = excluded.v`
      await session.rows({ text, values: [JSON.stringify(rows)] })
    }
    done += rows.length
    tell?.(done, vectors)
    after = blocks.at(-1)?.block ?? after
    if (blocks.length < copiedBlocks) return
  }
}
