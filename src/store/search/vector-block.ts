/**
 * Format of stored vectors: up to sixteen of consecutive passages in one row, so that pages are full. `mask` has a bit for each passage of
 * the block that has a vector; the vectors follow in this order, little endian.
 *
 * There are two encodings. Short vectors, and all from older versions: float32, four bytes a number. Longer ones: one byte (1), then for each
 * vector a scale (float32) and its numbers as int16, to be multiplied by the scale; they are exact to 1/65 000 of the largest number. That
 * takes half the space and changes a cosine by a few millionths. The first encoding has an even number of bytes, the second an odd one.
 */
import { endianness } from 'node:os'
import { OxbowError, type UserId } from '../../base/index.ts'
import { blockPassages, minScaledDims } from '../limits.ts'
import type { MemoryChange, MemoryItem, PassageVector } from '../memory.ts'
import { foundArgs, queryRows, type ReadQuery, type QuerySteps, readTexts } from '../memory/memory-reads.ts'
import type { BlockRow, ModelRow } from '../memory/memory-rows.ts'
import { storeFault } from '../store-fault.ts'

interface VectorBlock {
  readonly block: number
  readonly mask: number
  readonly bytes: Uint8Array
}

/** @returns the number of the block that has a passage's vector */
export function blockOf(passage: number): number {
  return Math.floor(passage / blockPassages)
}

const scaledForm = 1
/** Largest int16, used symmetrically. */
const maxScaled = 32_767
/** Slightly below the largest float32, so that rounding never makes it infinite. */
const maxStored = 3.4e38

/** @returns the vectors of a block by passage, optionally only some. @throws OxbowError `store_corrupt` if the block is too short for its mask */
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

/** @returns the row of these vectors; null without vectors */
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
  // As stored, because numbers that are read are multiplied by exactly this one.
  const scale = Math.fround(Math.min(largest, maxStored) / maxScaled)
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

/** Copies the bytes: a typed array must be aligned, and a Buffer's slice may not be. */
function copied(bytes: Uint8Array, from: number, length: number): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(length)
  own.set(bytes.subarray(from, from + length))
  return own
}

/** For big-endian machines. Changes `bytes`. */
function turned(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (endianness() === 'LE') return bytes
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse()
  return bytes
}

type ModelChange = Extract<MemoryChange, { change: 'model' }>

/** @returns the model that these vectors are of. @throws OxbowError `bad_input` for an unknown model, or a vector of another size */
export function modelOf(models: readonly ModelRow[], model: string, vectors: readonly PassageVector[]): ModelRow {
  const kept = models.find((one) => one.model === model)
  if (kept === undefined) throw refusal(`Memory has no vectors of the model ${model}.`)
  const wrong = vectors.find(({ vector }) => vector.length !== kept.dims)
  if (wrong === undefined) return kept
  throw refusal(`A vector of ${model} has ${wrong.vector.length} numbers, not ${kept.dims}.`)
}

/** Vectors that came with the entries of one call, by their model, until its passages are written. */
export interface MadeVectors {
  /** @param first number of the entry's first passage; the others follow it */
  add(item: MemoryItem, first: number): void
  isEmpty(): boolean
  /** @returns the vectors that fit these models */
  of(models: readonly ModelRow[]): readonly (readonly [model: string, vectors: readonly PassageVector[]])[]
}

export function createMadeVectors(): MadeVectors {
  const made = new Map<string, PassageVector[]>()
  return {
    add({ vectors: own, passages }, first) {
      if (own === undefined || own.vectors.length !== passages.length) return
      const list = made.get(own.model) ?? []
      made.set(own.model, list)
      for (const [i, vector] of own.vectors.entries()) list.push({ passage: first + i, vector })
    },
    isEmpty: () => made.size === 0,
    of(models) {
      return [...made].flatMap(([name, vectors]) => {
        const dims = models.find(({ model }) => model === name)?.dims
        const fitting = vectors.filter(({ vector }) => vector.length === dims)
        return fitting.length === 0 ? [] : [[name, fitting] as const]
      })
    },
  }
}

/** @returns the rows that change when a model is built, or becomes active. @throws OxbowError `bad_input` if its stored vectors have other dimensions */
export function modelsAfter(
  kept: readonly ModelRow[],
  { model, dims }: ModelChange,
  state: ModelRow['state'],
  version: number,
): ModelRow[] {
  const same = kept.find((one) => one.model === model)
  if (same !== undefined && same.dims !== dims) throw refusal(`Vectors of ${model} have ${same.dims} numbers, not ${dims}.`)
  // The last one that was activated.
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

/** @returns the row as it is now, null where no vector is left in it, and the change in the number of vectors; null when nothing changed */
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
  return new OxbowError('bad_input', message, { hint: 'Rebuild the vectors: `oxbow memory reindex`. Nothing was written.' })
}

export interface VectorReading {
  /** @returns the existing vectors of these passages */
  read(model: ModelRow, passages: readonly number[]): QuerySteps<ReadonlyMap<number, Float32Array>>
  /** The query that `read` will make, for prefetching; absent if there are several. */
  question?(model: ModelRow, passages: readonly number[]): ReadQuery
}

/** Reads whole blocks, for databases that read them from local memory. */
export function readBlocks(user: UserId): VectorReading {
  return {
    *read({ model, dims }, passages) {
      const wanted = new Set(passages)
      const vectors = new Map<number, Float32Array>()
      for (const some of foundArgs([...new Set(passages.map(blockOf))])) {
        for (const row of yield* queryRows<BlockRow>({ text: readTexts.blocks, args: { user, model, ...some } }))
          for (const [passage, vector] of openBlock(row, dims, wanted)) vectors.set(passage, vector)
      }
      return vectors
    },
  }
}
