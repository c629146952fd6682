/**
 * Vectors in eight bits a number, a quarter of their size, all compared by a WebAssembly program (`dot-program.wat`). The result is nearly in
 * the right order, so the best and a few more are then compared exactly, with vectors from the database.
 */
import { Buffer } from 'node:buffer'
import { comparedBeyond } from '../limits.ts'
import program from './dot-program.json' with { type: 'json' }
import { widerColumn } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'
import { compareExactly, type VectorScan } from './vector-scan.ts'

const maxSmall = 127
const maxQuery = 32_767
/** Upper bound of the sums of products. */
const maxSum = 2_147_483_647
/** Vectors compared by one call: their sums take 16 kB. */
const atOnce = 4_096
const firstSlots = 1_024
const maxOff = 4

export function createSmallScan(dims: number): VectorScan {
  const stride = Math.ceil(dims / 16) * 16
  const sumsAt = stride * 2
  const codesAt = sumsAt + atOnce * 4
  const { memory, run } = createDotProgram(codesAt + firstSlots * stride)
  /** 1 / length of each quantized vector; 0 for none, or one of zeros. */
  let scales = new Float32Array(firstSlots)
  const makeRoom = (slot: number): void => {
    const room = Math.max(slot + 1, Math.ceil(scales.length * 1.5))
    widen(memory, codesAt + room * stride)
    scales = widerColumn(scales, room)
  }
  return {
    dims,
    form: 'small',
    set(slot, vector) {
      if (slot >= scales.length) makeRoom(slot)
      const held = new Int8Array(memory.buffer, codesAt + slot * stride, dims)
      const peak = largest(vector)
      let squares = 0
      for (let i = 0; i < dims; i++) {
        const value = peak === 0 ? 0 : Math.round(((vector[i] as number) / peak) * maxSmall)
        held[i] = value
        squares += value * value
      }
      scales[slot] = squares === 0 ? 0 : 1 / Math.sqrt(squares)
    },
    drop(slot) {
      if (slot < scales.length) scales[slot] = 0
    },
    compare: (question, vectors) => compareExactly(question, dims, vectors),
    search({ vector, limit, high, passes, goesFirst }) {
      const peak = largest(vector)
      if (peak === 0 || limit === 0) return []
      const factor = Math.min(maxQuery, Math.floor(maxSum / (maxSmall * dims))) / peak
      const query = new Int16Array(memory.buffer, 0, stride)
      for (let i = 0; i < dims; i++) query[i] = Math.round((vector[i] as number) * factor)
      const top = createTop(limit + comparedBeyond, goesFirst)
      const end = Math.min(high, scales.length)
      const sums = new Int32Array(memory.buffer, sumsAt, atOnce)
      let least = -Infinity
      for (let first = 0; first < end; first += atOnce) {
        const count = Math.min(atOnce, end - first)
        run(codesAt + first * stride, stride, 0, count, sumsAt)
        for (let i = 0; i < count; i++) {
          const scale = scales[first + i] as number
          const score = (sums[i] as number) * scale
          if (scale > 0 && score >= least && passes(first + i)) {
            top.add(first + i, score)
            least = top.least()
          }
        }
      }
      return likely(top.taken(), limit, query, scales)
    },
  }
}

/**
 * Drops candidates that cannot be among the best. Rounding changes each number by at most half a unit, up or down at random, so a score is
 * wrong by more than `maxOff` units of its vector once in 10 ^ 13 times (Hoeffding's bound for a query of length 1).
 */
function likely(scored: readonly ScoredSlot[], limit: number, query: Int16Array, scales: Float32Array): readonly ScoredSlot[] {
  const last = scored[limit - 1]
  if (last === undefined) return scored
  let squares = 0
  for (const value of query) squares += value * value
  const off = (slot: number): number => maxOff * Math.sqrt(squares) * (scales[slot] as number)
  const least = last.score - off(last.slot)
  return scored.filter(({ slot, score }, i) => i < limit || score + off(slot) >= least)
}

function largest(vector: Float32Array): number {
  let peak = 0
  for (const value of vector) peak = Math.max(peak, Math.abs(value))
  return peak
}

/** Part of the global `WebAssembly`, whose types come with the DOM. */
interface Assembly {
  readonly Memory: new (size: { readonly initial: number }) => WideMemory
  readonly Module: new (program: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

interface WideMemory {
  /** Replaced when the memory grows. */
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

interface DotProgram {
  readonly memory: WideMemory
  /**
   * Writes for each of `count` vectors the dot product with the query, as int32. All parameters except `stride` and `count` are addresses in `memory`.
   * @param codes `stride` bytes (int8) for each vector, one after the other @param query `stride` int16 numbers
   * @param stride a multiple of 16; vectors are padded with zeros
   */
  readonly run: (codes: number, stride: number, query: number, count: number, sums: number) => void
}

const pageBytes = 65_536

/** @param bytes initial size of its memory */
export function createDotProgram(bytes: number): DotProgram {
  const assembly = (globalThis as unknown as { readonly WebAssembly: Assembly }).WebAssembly
  const memory = new assembly.Memory({ initial: Math.ceil(bytes / pageBytes) })
  return { memory, run: compiled(assembly, memory) ?? createPlainDot(memory) }
}

/** @returns null on a processor without SIMD */
function compiled(assembly: Assembly, memory: WideMemory): DotProgram['run'] | null {
  try {
    const { exports } = new assembly.Instance(new assembly.Module(Buffer.from(program.wasm, 'base64')), { o: { memory } })
    return exports['run'] as DotProgram['run']
  } catch {
    return null
  }
}

/** The same without WebAssembly, number by number. */
export function createPlainDot(memory: WideMemory): DotProgram['run'] {
  return (from, width, asking, many, to) => {
    const numbers = new Int8Array(memory.buffer)
    const other = new Int16Array(memory.buffer, asking, width)
    const into = new Int32Array(memory.buffer, to, many)
    for (let i = 0; i < many; i++) {
      let total = 0
      for (let n = 0, at = from + i * width; n < width; n++, at++) total += (numbers[at] as number) * (other[n] as number)
      into[i] = total
    }
  }
}

/** Grows the memory to at least this many bytes. */
function widen(memory: WideMemory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)
  if (missing > 0) memory.grow(missing)
}
