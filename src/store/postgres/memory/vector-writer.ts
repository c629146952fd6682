/** Vectors as Postgres keeps them: the rows of SQLite, each read, changed and written back once a call. */
import { OxbowError, type UserId } from '../../../types/index.ts'
import type { PassageVector } from '../../memory.ts'
import type { BlockRow, ModelRow } from '../../memory/memory-rows.ts'
import { blockOf, closeBlock, openBlock } from '../../search/vector-block.ts'
import { dropNear, removeNear } from '../near/near-writes.ts'
import type { PostgresSession } from '../postgres-session.ts'
import { jsonRows, memoryWrites } from './memory-writes.ts'

interface Work {
  readonly session: PostgresSession
  readonly user: UserId
  readonly version: number
}

/** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
export async function putVectors(work: Work, model: string, vectors: readonly PassageVector[]): Promise<void> {
  const { session, user } = work
  const kept = (await modelsOf(work)).find((one) => one.model === model)
  if (kept === undefined) throw refusal(`The model ${model} is not kept.`)
  const wrong = vectors.find(({ vector }) => vector.length !== kept.dims)
  if (wrong !== undefined) throw refusal(`A vector of ${model} has ${wrong.vector.length} numbers and not ${kept.dims}.`)
  const given = new Map(vectors.map(({ passage, vector }) => [passage, vector]))
  const there = await session.rows({ ...memoryWrites.passagesIn, values: [user, jsonRows([...given.keys()])] })
  const passages = there.map(([id]) => id as number)
  const more = await changeBlocks(work, kept, passages, (held, inBlock) => {
    for (const passage of inBlock) held.set(passage, given.get(passage) as Float32Array)
    return true
  })
  await putModel(work, { ...kept, vectors: kept.vectors + more })
}

/** @throws OxbowError `bad_input` when it is kept with other dimensions */
export async function changeModel(work: Work, model: string, dims: number, state: 'building' | 'active' | 'dropped'): Promise<void> {
  const { session, user, version } = work
  const kept = await modelsOf(work)
  const same = kept.find((one) => one.model === model)
  if (state === 'dropped') {
    await session.rows({ ...memoryWrites.dropBlocks, values: [user, model] })
    await session.rows({ ...memoryWrites.dropModel, values: [user, model] })
    await dropNear(session, user, model)
    return
  }
  if (same !== undefined && same.dims !== dims) throw refusal(`The model ${model} is kept with ${same.dims} numbers and not ${dims}.`)
  // One is active: the last that was said to be.
  if (state === 'active') {
    for (const other of kept) if (other.state === 'active') await putModel(work, { ...other, state: 'building' })
  }
  await putModel(work, { model, dims, state, began: same?.began ?? version, vectors: same?.vectors ?? 0 })
}

export async function removeVectors(work: Work, passages: readonly number[]): Promise<void> {
  if (passages.length === 0) return
  await removeNear(work.session, work.user, passages)
  for (const kept of await modelsOf(work)) {
    const more = await changeBlocks(work, kept, passages, (held, gone) => gone.filter((passage) => held.delete(passage)).length > 0)
    if (more !== 0) await putModel(work, { ...kept, vectors: kept.vectors + more })
  }
}

/** @returns by how many vectors there are more */
async function changeBlocks(
  { session, user, version }: Work,
  { model, dims }: ModelRow,
  passages: readonly number[],
  change: (vectors: Map<number, Float32Array>, passages: readonly number[]) => boolean,
): Promise<number> {
  const byBlock = Map.groupBy(passages, blockOf)
  const rows = await session.objects<BlockRow>({ ...memoryWrites.blocks, values: [user, jsonRows([...byBlock.keys()]), model] })
  const found = new Map(rows.map((row) => [row.block, row]))
  let more = 0
  for (const [number, inBlock] of byBlock) {
    const row = found.get(number)
    const vectors: Map<number, Float32Array> = row === undefined ? new Map() : openBlock(row, dims)
    const before = vectors.size
    if (!change(vectors, inBlock)) continue
    more += vectors.size - before
    const block = closeBlock(number, vectors, dims)
    if (block === null) await session.rows({ ...memoryWrites.dropBlock, values: [user, model, number] })
    else await session.rows({ ...memoryWrites.putBlock, values: [user, model, number, version, block.mask, block.bytes] })
  }
  return more
}

function modelsOf({ session, user }: Work): Promise<ModelRow[]> {
  return session.objects<ModelRow>({ ...memoryWrites.models, values: [user] })
}

async function putModel({ session, user }: Work, { model, dims, state, began, vectors }: ModelRow): Promise<void> {
  await session.rows({ ...memoryWrites.putModel, values: [user, model, dims, state, began, vectors] })
}

function refusal(message: string): OxbowError {
  return new OxbowError('bad_input', message, { hint: 'Make the vectors anew: `oxbow memory reindex`. Nothing was written.' })
}
