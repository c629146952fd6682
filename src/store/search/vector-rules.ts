/** The rules by which vectors are kept, the same in every dialect: an engine only reads and writes rows by them. */
import { OxbowError } from '../../types/index.ts'
import type { MemoryChange, PassageVector } from '../memory.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import { closeBlock, openBlock, type VectorBlock } from './vector-block.ts'

type ModelChange = Extract<MemoryChange, { change: 'model' }>

/** @returns the model that these vectors are of. @throws OxbowError `bad_input` for one that is not kept, or a vector of another size */
export function modelOf(models: readonly ModelRow[], model: string, vectors: readonly PassageVector[]): ModelRow {
  const kept = models.find((one) => one.model === model)
  if (kept === undefined) throw refusal(`The model ${model} is not kept.`)
  const wrong = vectors.find(({ vector }) => vector.length !== kept.dims)
  if (wrong === undefined) return kept
  throw refusal(`A vector of ${model} has ${wrong.vector.length} numbers and not ${kept.dims}.`)
}

/** @returns the rows that change when a model is built, or becomes active. @throws OxbowError `bad_input` when it is kept with other dimensions */
export function modelsAfter(
  kept: readonly ModelRow[],
  { model, dims }: ModelChange,
  state: ModelRow['state'],
  version: number,
): ModelRow[] {
  const same = kept.find((one) => one.model === model)
  if (same !== undefined && same.dims !== dims) throw refusal(`The model ${model} is kept with ${same.dims} numbers and not ${dims}.`)
  // One is active: the last that was said to be.
  const others = state === 'active' ? kept.filter((other) => other.state === 'active') : []
  return [
    ...others.map((other): ModelRow => ({ ...other, state: 'building' })),
    { model, dims, state, began: same?.began ?? version, vectors: same?.vectors ?? 0 },
  ]
}

/** Changes the vectors of a block that belong to these passages. @returns whether anything changed */
export type BlockChange = (vectors: Map<number, Float32Array>, passages: readonly number[]) => boolean

export function putting(vectors: readonly PassageVector[]): BlockChange {
  const given = new Map(vectors.map(({ passage, vector }) => [passage, vector]))
  return (held, passages) => {
    for (const passage of passages) held.set(passage, given.get(passage) as Float32Array)
    return true
  }
}

export const removing: BlockChange = (held, passages) => passages.filter((passage) => held.delete(passage)).length > 0

/** @returns the row as it is now, null where no vector is left in it, and by how many there are more; null when nothing changed */
export function changedBlock(
  block: number,
  row: BlockRow | undefined,
  dims: number,
  change: (vectors: Map<number, Float32Array>) => boolean,
): { readonly row: VectorBlock | null; readonly more: number } | null {
  const vectors: Map<number, Float32Array> = row === undefined ? new Map() : openBlock(row, dims)
  const before = vectors.size
  return change(vectors) ? { row: closeBlock(block, vectors, dims), more: vectors.size - before } : null
}

function refusal(message: string): OxbowError {
  return new OxbowError('bad_input', message, { hint: 'Make the vectors anew: `oxbow memory reindex`. Nothing was written.' })
}
