/**
 * The pgvector index (HNSW over 16-bit floats), for users with so many vectors that comparing all of them takes long.
 *
 * Upkeep builds it while no guest writes: building takes minutes, and adding one vector takes milliseconds, which no turn should wait
 * for. Removed vectors leave the index at once; new ones enter it with the next upkeep. A search takes candidates from the index, compares
 * newer vectors one by one, and scores both by the stored vectors, as without an index.
 *
 * pgvector filters after its search, not during it. So filters are applied here, to an increasing number of candidates, and if too few of
 * a thousand pass, the index is not used. A filter never makes a search return too few hits.
 */
import { createHash } from 'node:crypto'
import type { UserId } from '../../base/index.ts'
import { copiedBlocks, maxCandidates, maxHeldBytes, maxNearDims, maxTailBlocks, nearPerHit, nearSpare, rebuiltPart } from '../limits.ts'
import { queryRows, type ReadQuery, type QuerySteps } from '../memory/memory-reads.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import type { Nearest } from '../search/memory-search.ts'
import type { SlotTable } from '../search/slot-table.ts'
import { blockOf, openBlock, type VectorReading } from '../search/vector-block.ts'
import { compareExactly, type VectorQuery } from '../search/vector-scan.ts'
import { memoryWrites } from './memory-statements.ts'
import { pgvectorVersion } from './postgres-schema.ts'
import type { PostgresSession } from './postgres-session.ts'
import { asOwner } from './row-security.ts'

interface NearRow {
  readonly model: string
  /** Equal to the model's; a different value means another collection of vectors of the same name. */
  readonly began: number
  readonly name: string
  /** The index has all vectors of blocks up to this version. */
  readonly version: number
}

const named = /^memory_near_[0-9a-f]{24}$/

/** @returns a generated name that is safe in a statement */
function nearName(user: UserId, model: string): string {
  return `memory_near_${createHash('sha256').update(`${user}\0${model}`).digest('hex').slice(0, 24)}`
}

/** @returns the name, or null if `nearName` did not generate it */
function safeName(name: string): string | null {
  return named.test(name) ? name : null
}

/** @returns a vector of length 1 in pgvector's syntax; null for the zero vector */
function nearText(vector: Float32Array): string | null {
  const length = Math.hypot(...vector)
  return length > 0 ? `[${Array.from(vector, (value) => (value / length).toFixed(5)).join(',')}]` : null
}

/** Drops the indexes of a user whose rows are deleted. Call within a transaction. */
export async function dropNear(session: PostgresSession, user: UserId, model: string | null = null): Promise<void> {
  const rows = await session.objects<NearRow & { readonly is_owned: boolean }>({
    text: `select n.name, pg_has_role(session_user, c.relowner, 'usage') as is_owned
      from memory_near n join pg_class c on c.oid = to_regclass(n.name) where n."user" = $1 and (n.model = $2 or $2 is null)`,
    values: [user, model],
  })
  for (const { name, is_owned: isOwned } of rows) {
    if (safeName(name) !== null) await session.exec(isOwned ? asOwner(`drop table if exists ${name}`) : `delete from ${name}`)
  }
  await session.rows({ text: 'delete from memory_near where "user" = $1 and (model = $2 or $2 is null)', values: [user, model] })
}

/** Removes the vectors of passages at once, so that no vector of forgotten text remains. */
export async function removeNear(session: PostgresSession, user: UserId, passages: readonly number[]): Promise<void> {
  const rows = await session.objects<NearRow>({ text: 'select name from memory_near where "user" = $1', values: [user] })
  for (const name of rows.flatMap((row) => safeName(row.name) ?? [])) {
    await session.rows({ text: `delete from ${name} where passage = any(cast($1 as bigint[]))`, values: [`{${passages.join(',')}}`] })
  }
}

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
  return vectors * dims > maxHeldBytes
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

const tailText = `select version, block, mask, bytes from memory_vectors
  where "user" = :user and model = :model and version > :version order by version limit :limit`
const effortText = `select set_config('hnsw.ef_search', cast(:effort as text), true)`

/** What every search of vectors asks first: who knows it may ask it before. */
export function nearQuery(user: UserId, model: string): ReadQuery {
  return { text: 'select model, began, name, version from memory_near where "user" = :user and model = :model', args: { user, model } }
}

/** Blocks that were written after the index was made. */
interface Tail {
  readonly began: number
  readonly made: number
  seen: number
  readonly blocks: Map<number, ReadonlyMap<number, Float32Array>>
}

export function createNearSearch(user: UserId, reading: VectorReading): Nearest {
  const tails = new Map<string, Tail>()

  function* tailOf(row: NearRow, dims: number): QuerySteps<Tail | null> {
    const before = tails.get(row.model)
    const usable = before !== undefined && before.began === row.began && before.made === row.version
    const tail: Tail = usable ? before : { began: row.began, made: row.version, seen: row.version, blocks: new Map() }
    tails.set(row.model, tail)
    const args = { user, model: row.model, version: tail.seen, limit: maxTailBlocks + 1 }
    const rows = yield* queryRows<BlockRow & { readonly version: number }>({ text: tailText, args })
    if (rows.length > maxTailBlocks) {
      tails.delete(row.model)
      return null
    }
    for (const block of rows) tail.blocks.set(block.block, openBlock(block, dims))
    tail.seen = rows.at(-1)?.version ?? tail.seen
    return tail.blocks.size > maxTailBlocks ? null : tail
  }

  return function* (model, slots, question) {
    const [row] = yield* queryRows<NearRow>(nearQuery(user, model.model))
    const name = row === undefined || row.began !== model.began ? null : safeName(row.name)
    if (row === undefined || name === null) return null
    const wanted = nearText(question.vector)
    if (wanted === null) return null
    const tail = yield* tailOf(row, model.dims)
    if (tail === null) return null
    const candidates = yield* passing({ name, wanted, slots, question, tail })
    if (candidates === null) return null
    const vectors = yield* reading.read(model, candidates)
    const all = [...vectors, ...[...tail.blocks.values()].flatMap((block) => [...block])]
    const bySlot = all.map(([passage, vector]) => [slots.slotOf(passage), vector] as const)
    return compareExactly(
      question,
      model.dims,
      bySlot.filter(([slot]) => slot >= 0 && question.passes(slot)),
    )
  }
}

interface Sought {
  readonly name: string
  readonly wanted: string
  readonly slots: SlotTable
  readonly question: VectorQuery
  readonly tail: Tail
}

/** @returns passages that pass, enough of them to answer; null where too few of all that pgvector gives do */
function* passing({ name, wanted, slots, question, tail }: Sought): QuerySteps<readonly number[] | null> {
  const text = `select passage from ${name} order by v <=> cast(cast(:wanted as text) as halfvec) limit :limit`
  const enough = question.limit + nearSpare / 2
  for (const limit of [Math.min(maxCandidates, question.limit * nearPerHit + nearSpare), maxCandidates]) {
    yield* queryRows({ text: effortText, args: { effort: limit } })
    const rows = yield* queryRows<readonly [number]>({ text, args: { wanted, limit }, arrays: true })
    const found = rows.map(([passage]) => passage)
    const good = found.filter((passage) => {
      const slot = slots.slotOf(passage)
      return slot >= 0 && !tail.blocks.has(blockOf(passage)) && question.passes(slot)
    })
    if (good.length >= enough) return good
  }
  return null
}
