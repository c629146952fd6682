/** The one way in which a folder with a model is refused. No path is in it: the person knows which one was configured. */
import { z } from 'zod'
import { OxbowError } from '../../types/index.ts'

export function refusedModel(why: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `The folder of the embedder cannot be used: ${why}.`, {
    hint: 'It must be a model2vec model: config.json, model.safetensors, tokenizer.json. `oxbow embed pull potion-base-8M` fetches one.',
    ...(cause === undefined ? {} : { cause }),
  })
}

/**
 * Reads tensors from a safetensors file: eight bytes of length, a JSON header that says where each tensor stands, the numbers.
 * The file is somebody else's: every offset is checked against its length before anything is read by it.
 */

export interface Tensor {
  readonly shape: readonly number[]
  /** The number at a place, rows after each other. */
  at(place: number): number
}

const sizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1 } as const
type NumberType = keyof typeof sizes

/** A header names a few tensors; one of a megabyte describes something else. */
const maxHeaderBytes: number = 1024 * 1024
const entry = z.object({
  dtype: z.string().max(8),
  shape: z.array(z.int().min(0)).max(4),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
})

/** @returns null when there is no tensor of this name. @throws OxbowError `bad_config` for a file that is not as it says */
export function readTensor(file: Uint8Array, name: string): Tensor | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const length = file.length < 8 ? Infinity : Number(view.getBigUint64(0, true))
  if (length > maxHeaderBytes || length > file.length - 8) throw refusedModel('its safetensors file has no header')
  const found = headerOf(file.subarray(8, 8 + length))[name]
  if (found === undefined) return null
  const read = entry.safeParse(found)
  if (!read.success) throw refusedModel(`the header of its tensor ${name} cannot be read`)
  const { dtype, shape, data_offsets } = read.data
  if (!Object.hasOwn(sizes, dtype)) throw refusedModel(`its tensor ${name} has numbers of type ${JSON.stringify(dtype)}`)
  const type = dtype as NumberType
  const count = shape.reduce((product, side) => product * side, 1)
  const [from, to] = data_offsets
  if (to < from || to - from !== count * sizes[type] || 8 + length + to > file.length) {
    throw refusedModel(`its tensor ${name} is not where the header says`)
  }
  return { shape, at: readerOf(view, 8 + length + from, type) }
}

function headerOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (typeof header === 'object' && header !== null) return header as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw refusedModel('the header of its safetensors file is not JSON')
}

type NumberAt = (view: DataView, at: number) => number
const numberAt: Readonly<Record<NumberType, NumberAt>> = {
  F64: (view, at) => view.getFloat64(at, true),
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => halfOf(view.getUint16(at, true)),
  BF16: (view, at) => upperHalfOf(view.getUint16(at, true)),
  I64: (view, at) => Number(view.getBigInt64(at, true)),
  I32: (view, at) => view.getInt32(at, true),
  I16: (view, at) => view.getInt16(at, true),
  I8: (view, at) => view.getInt8(at),
  U8: (view, at) => view.getUint8(at),
}

function readerOf(view: DataView, from: number, type: NumberType): (place: number) => number {
  const read = numberAt[type]
  const size = sizes[type]
  return (place) => read(view, from + place * size)
}

/** A 32-bit float of which the lower half was left out. */
function upperHalfOf(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? 0
}

/** IEEE 754 binary16. */
function halfOf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
