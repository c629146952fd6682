/** Dot products of vectors in eight bits a number with a query of sixteen, all at once, by a WebAssembly program (`dot-program.wat`). */
import { Buffer } from 'node:buffer'
import program from './dot-program.json' with { type: 'json' }

/** Part of the global `WebAssembly`, whose types come with the DOM. */
interface Assembly {
  readonly Memory: new (size: { readonly initial: number }) => WideMemory
  readonly Module: new (program: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

export interface WideMemory {
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
export function widen(memory: WideMemory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)
  if (missing > 0) memory.grow(missing)
}
