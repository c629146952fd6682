/**
 * Vectors as they are kept: up to sixteen of consecutive passages in one row, so that pages are full. `mask` has a bit for
 * each passage of the block that has a vector; their vectors stand in this order, little endian.
 *
 * Two forms. Short vectors, and all that were written before there was another: float32, four bytes a number. Longer ones: a
 * byte (1), then for each vector a scale (float32) and its numbers in sixteen bits, which times the scale are what was given to
 * a part in 65 000 of the largest. That is half the room, and no cosine differs by more than some millionths. The first form
 * has an even number of bytes and the second an odd one.
 */
import { endianness } from 'node:os'
import { storeFault } from '../store-fault.ts'
import { blockPassages, minScaledDims } from '../memory/memory-limits.ts'

export interface VectorBlock {
  readonly block: number
  readonly mask: number
  readonly bytes: Uint8Array
}

export function blockOf(passage: number): number {
  return Math.floor(passage / blockPassages)
}

const scaledForm = 1
/** Most that sixteen bits hold, alike on both sides of zero. */
const mostScaled = 32_767
/** A little below the largest float32, so that no rounding makes it infinite. */
const mostKept = 3.4e38

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
    if (from + each > bytes.byteLength) throw storeFault('store_corrupt', 'Vectors of memory are cut short.')
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
  let most = 0
  for (const value of vector) most = Math.max(most, Math.abs(value))
  // As it is kept: what is read is multiplied by this very number.
  const scale = Math.fround(Math.min(most, mostKept) / mostScaled)
  const numbers = new Int16Array(vector.length)
  if (scale > 0) {
    for (let i = 0; i < vector.length; i++) {
      numbers[i] = Math.max(-mostScaled, Math.min(mostScaled, Math.round((vector[i] as number) / scale)))
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
