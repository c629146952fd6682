/**
 * Vectors as stored: up to sixteen of consecutive passages in one row, so that pages are full. `mask` has a bit for each passage of the
 * block that has a vector; the vectors follow in this order, little endian.
 *
 * Two forms. Short vectors, and all that were written before there was another: float32, four bytes a number. Longer ones: a
 * byte (1), then for each vector a scale (float32) and its numbers in sixteen bits, which times the scale are what was given to
 * a part in 65 000 of the largest. That is half the room, and no cosine differs by more than some millionths. The first form
 * has an even number of bytes and the second an odd one.
 */
import { endianness } from 'node:os'
import { OxbowError, type UserId } from '../../types/index.ts'
import { blockPassages, minScaledDims } from '../limits.ts'
import type { MemoryChange, PassageVector } from '../memory.ts'
import { queryRows, type ReadQuery, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import { storeFault } from '../store-fault.ts'

interface VectorBlock {
  readonly block: number
  readonly mask: number
  readonly bytes: Uint8Array
}

export function blockOf(passage: number): number {
  return Math.floor(passage / blockPassages)
}

const scaledForm = 1
/** Most that sixteen bits hold, alike on both sides of zero. */
const maxScaled = 32_767
/** A little below the largest float32, so that no rounding makes it infinite. */
const maxKept = 3.4e38

/** @returns the vectors of a block, or those that are wanted of them, by passage. @throws OxbowError `store_corrupt` when its length is not that of its mask */
export function openBlock(
  { block, mask, bytes }: VectorBlock,
  dims: number,
  wanted?: ReadonlySet<number>,
): Map<number, Float32Array<ArrayBuffer>> {
  const vectors = new Map<number, Float32Array<ArrayBuffer>>()
  const isScaled = bytes.byteLength % 2 === 1
  const each = isScaled ? scaledBytes(dims) : dims * 4
  let from = isScaled ? 1 : 0
  for (let place = 0; place < blockPassages; place++) {
    if ((mask & (1 << place)) === 0) continue
    if (from + each > bytes.byteLength) throw storeFault('store_corrupt', 'Vectors of memory are truncated.')
    const passage = block * blockPassages + place
    if (wanted === undefined || wanted.has(passage))
      vectors.set(passage, isScaled ? scaledAt(bytes, from, dims) : vectorAt(bytes, from, dims))
    from += each
  }
  return vectors
}

/** @returns the row of these vectors; null when there are none */
export function closeBlock(block: number, vectors: ReadonlyMap<number, Float32Array>, dims: number): VectorBlock | null {
  let mask = 0
  const isScaled = dims >= minScaledDims
  const each = isScaled ? scaledBytes(dims) : dims * 4
  let from = isScaled ? 1 : 0
  const bytes = new Uint8Array(from + vectors.size * each)
  if (isScaled) bytes[0] = scaledForm
  for (let place = 0; place < blockPassages; place++) {
    const vector = vectors.get(block * blockPassages + place)
    if (vector === undefined) continue
    mask |= 1 << place
    bytes.set(isScaled ? scaled(vector) : turned(new Uint8Array(vector.slice().buffer), 4), from)
    from += each
  }
  return mask === 0 ? null : { block, mask, bytes }
}

function scaledBytes(dims: number): number {
  return 4 + dims * 2
}

function vectorAt(bytes: Uint8Array, from: number, dims: number): Float32Array<ArrayBuffer> {
  return new Float32Array(turned(copied(bytes, from, dims * 4), 4).buffer)
}

function scaledAt(bytes: Uint8Array, from: number, dims: number): Float32Array<ArrayBuffer> {
  const scale = new Float32Array(turned(copied(bytes, from, 4), 4).buffer)[0] ?? 0
  const numbers = new Int16Array(turned(copied(bytes, from + 4, dims * 2), 2).buffer)
  const vector = new Float32Array(dims)
  for (let i = 0; i < dims; i++) vector[i] = (numbers[i] as number) * scale
  return vector
}

function scaled(vector: Float32Array): Uint8Array {
  let largest = 0
  for (const value of vector) largest = Math.max(largest, Math.abs(value))
  // As it is kept: what is read is multiplied by this very number.
  const scale = Math.fround(Math.min(largest, maxKept) / maxScaled)
  const numbers = new Int16Array(vector.length)
  if (scale > 0) {
    for (let i = 0; i < vector.length; i++) {
      numbers[i] = Math.max(-maxScaled, Math.min(maxScaled, Math.round((vector[i] as number) / scale)))
    }
  }
  const bytes = new Uint8Array(scaledBytes(vector.length))
  bytes.set(turned(new Uint8Array(Float32Array.of(scale).buffer), 4))
  bytes.set(turned(new Uint8Array(numbers.buffer), 2), 4)
  return bytes
}

/** A copy of its own: numbers must begin at a multiple of their size, and a Buffer's slice would share. */
function copied(bytes: Uint8Array, from: number, length: number): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(length)
  own.set(bytes.subarray(from, from + length))
  return own
}

/** On the rare machine that writes numbers the other way round. Changes `bytes`. */
function turned(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (endianness() === 'LE') return bytes
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse()
  return bytes
}

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
  const added = new Map(vectors.map(({ passage, vector }) => [passage, vector]))
  return (held, passages) => {
    for (const passage of passages) held.set(passage, added.get(passage) as Float32Array)
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

export interface VectorReading {
  /** @returns the vectors of these passages that there are */
  read(model: ModelRow, passages: readonly number[]): QuerySteps<ReadonlyMap<number, Float32Array>>
  /** The only question that reading them will ask, where it is one: who knows it may ask it before. */
  question?(model: ModelRow, passages: readonly number[]): ReadQuery
}

/** Whole rows of several vectors: where a row is read from memory that is at hand. */
export function readBlocks(user: UserId): VectorReading {
  return {
    *read({ model, dims }, passages) {
      const wanted = new Set(passages)
      const vectors = new Map<number, Float32Array>()
      for (const block of new Set(passages.map(blockOf))) {
        const [row] = yield* queryRows<BlockRow>({ text: readTexts.block, args: { user, model, block } })
        if (row === undefined) continue
        for (const [passage, vector] of openBlock(row, dims, wanted)) vectors.set(passage, vector)
      }
      return vectors
    },
  }
}
