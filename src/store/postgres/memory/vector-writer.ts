/** Vectors as Postgres keeps them: the rows of SQLite, each read, changed and written back once a call. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryChange, PassageVector } from '../../memory.ts'
import type { BlockRow, ModelRow } from '../../memory/memory-rows.ts'
import { blockOf } from '../../search/vector-block.ts'
import { type BlockChange, changedBlock, modelOf, modelsAfter, putting, removing } from '../../search/vector-rules.ts'
import { dropNear, removeNear } from '../near/near-writes.ts'
import { jsonRows, type PostgresSession } from '../postgres-session.ts'
import { memoryWrites } from './memory-writes.ts'

interface Work {
  readonly session: PostgresSession
  readonly user: UserId
  readonly version: number
}

/** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
export async function putVectors(work: Work, model: string, vectors: readonly PassageVector[]): Promise<void> {
  const { session, user } = work
  const kept = modelOf(await modelsOf(work), model, vectors)
  const ids = new Set(vectors.map(({ passage }) => passage))
  const there = await session.rows({ ...memoryWrites.passagesIn, values: [user, jsonRows([...ids])] })
  const passages = there.map(([id]) => id as number)
  const more = await changeBlocks(work, kept, passages, putting(vectors))
  await putModel(work, { ...kept, vectors: kept.vectors + more })
}

/** @throws OxbowError `bad_input` when it is kept with other dimensions */
export async function changeModel(work: Work, change: MemoryChange & { change: 'model' }): Promise<void> {
  const { session, user, version } = work
  const { model, state } = change
  const kept = await modelsOf(work)
  if (state === 'dropped') {
    await session.rows({ ...memoryWrites.dropBlocks, values: [user, model] })
    await session.rows({ ...memoryWrites.dropModel, values: [user, model] })
    await dropNear(session, user, model)
    return
  }
  for (const row of modelsAfter(kept, change, state, version)) await putModel(work, row)
}

export async function removeVectors(work: Work, passages: readonly number[]): Promise<void> {
  if (passages.length === 0) return
  await removeNear(work.session, work.user, passages)
  for (const kept of await modelsOf(work)) {
    const more = await changeBlocks(work, kept, passages, removing)
    if (more !== 0) await putModel(work, { ...kept, vectors: kept.vectors + more })
  }
}

/** @returns by how many vectors there are more */
async function changeBlocks(
  { session, user, version }: Work,
  { model, dims }: ModelRow,
  passages: readonly number[],
  change: BlockChange,
): Promise<number> {
  const byBlock = Map.groupBy(passages, blockOf)
  const rows = await session.objects<BlockRow>({ ...memoryWrites.blocks, values: [user, jsonRows([...byBlock.keys()]), model] })
  const found = new Map(rows.map((row) => [row.block, row]))
  let more = 0
  for (const [block, inBlock] of byBlock) {
    const changed = changedBlock(block, found.get(block), dims, (held) => change(held, inBlock))
    if (changed === null) continue
    more += changed.more
    const { row } = changed
    if (row === null) await session.rows({ ...memoryWrites.dropBlock, values: [user, model, block] })
    else await session.rows({ ...memoryWrites.putBlock, values: [user, model, block, version, row.mask, row.bytes] })
  }
  return more
}

function modelsOf({ session, user }: Work): Promise<ModelRow[]> {
  return session.objects<ModelRow>({ ...memoryWrites.models, values: [user] })
}

async function putModel({ session, user }: Work, { model, dims, state, began, vectors }: ModelRow): Promise<void> {
  await session.rows({ ...memoryWrites.putModel, values: [user, model, dims, state, began, vectors] })
}
