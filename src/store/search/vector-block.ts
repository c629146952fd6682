/**
 * Vectors as they are kept: up to sixteen of consecutive passages in one row, so that pages are full. `mask` has a bit for
 * each passage of the block that has a vector; their vectors stand in this order, float32, little endian.
 */
import { endianness } from 'node:os'
import { storeFault } from '../store-fault.ts'
import { blockPassages } from '../memory/memory-limits.ts'

export interface VectorBlock {
  readonly block: number
  readonly mask: number
  readonly bytes: Uint8Array
}

export function blockOf(passage: number): number {
  return Math.floor(passage / blockPassages)
}

/** @returns the vectors of a block, or those that are wanted of them, by passage. @throws OxbowError `store_corrupt` when its length is not that of its mask */
export function openBlock(
  { block, mask, bytes }: VectorBlock,
  dims: number,
  wanted?: ReadonlySet<number>,
): Map<number, Float32Array<ArrayBuffer>> {
  const vectors = new Map<number, Float32Array<ArrayBuffer>>()
  let from = 0
  for (let place = 0; place < blockPassages; place++) {
    if ((mask & (1 << place)) === 0) continue
    if (from + dims * 4 > bytes.byteLength) throw storeFault('store_corrupt', 'Vectors of memory are cut short.')
    const passage = block * blockPassages + place
    if (wanted === undefined || wanted.has(passage)) vectors.set(passage, vectorAt(bytes, from, dims))
    from += dims * 4
  }
  return vectors
}

/** @returns the row of these vectors; null when there are none */
export function closeBlock(block: number, vectors: ReadonlyMap<number, Float32Array>, dims: number): VectorBlock | null {
  let mask = 0
  const bytes = new Uint8Array(vectors.size * dims * 4)
  let from = 0
  for (let place = 0; place < blockPassages; place++) {
    const vector = vectors.get(block * blockPassages + place)
    if (vector === undefined) continue
    mask |= 1 << place
    bytes.set(littleEndian(vector), from)
    from += dims * 4
  }
  return mask === 0 ? null : { block, mask, bytes }
}

function vectorAt(bytes: Uint8Array, from: number, dims: number): Float32Array<ArrayBuffer> {
  // A copy of its own: numbers must begin at a multiple of four, and a Buffer's slice would share.
  const own = new Uint8Array(dims * 4)
  own.set(bytes.subarray(from, from + dims * 4))
  return new Float32Array(turned(own).buffer)
}

function littleEndian(vector: Float32Array): Uint8Array {
  return turned(new Uint8Array(vector.slice().buffer))
}

/** On the rare machine that writes numbers the other way round. Changes `bytes`. */
function turned(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (endianness() === 'LE') return bytes
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse()
  return bytes
}
