/**
 * Embeds with a model2vec model in a folder, e.g. potion: each token has a vector, a text is their mean. Reads `config.json`,
 * `tokenizer.json` and `model.safetensors` as data; each has a size limit.
 */
import { isObject, ownValue } from '../../base/index.ts'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { type Embedder, toUnit } from '../text/text-engine.ts'
import { maxDims, maxEmbeddedUnits, weakWeights } from './embed-limits.ts'
import { readTokenizer, refusedModel, type Tokenizer } from './tokenizer.ts'

/** Maximum bytes of each file: twice what the largest known models have. */
const maxBytes = { 'config.json': 64 * 1024, 'tokenizer.json': 64 * 1024 * 1024, 'model.safetensors': 1024 * 1024 * 1024 } as const
/** Tokens of one text, as in model2vec. */
const maxTokens = 512

interface Model {
  readonly tokenizer: Tokenizer
  readonly rows: Tensor
  readonly dims: number
  /** Weight of each token; null: all weigh the same. */
  readonly weights: Tensor | null
  /** Row of each token; null: its id. */
  readonly mapping: Tensor | null
}

/** @throws OxbowError `bad_config` that says what is wrong with the folder */
export function openFolderEmbedder(folder: string): Embedder {
  const config = jsonOf(readBounded(folder, 'config.json'), 'config.json')
  if (!isObject(config)) throw refusedModel('its config.json is not an object')
  const tokenizerBytes = readBounded(folder, 'tokenizer.json')
  const file = readBounded(folder, 'model.safetensors')
  const model = openModel(readTokenizer(jsonOf(tokenizerBytes, 'tokenizer.json')), file)
  // The same folder with other contents is another model.
  const hash = createHash('sha256').update(tokenizerBytes).update(file).digest('hex').slice(0, 12)
  const name = basename(folder)
    .replace(/[^\w.-]/g, '_')
    .slice(0, 60)
  return {
    id: `${name}:${hash}`,
    dims: model.dims,
    weights: weakWeights,
    embed: async (texts) => texts.map((text) => embedOne(model, text)),
  }
}

function openModel(tokenizer: Tokenizer, file: Uint8Array): Model {
  const rows = readTensor(file, 'embeddings') ?? readTensor(file, 'embedding.weight')
  const [count = 0, dims = 0] = rows?.shape ?? []
  if (rows === null || rows.shape.length !== 2 || count < 1 || dims < 1 || dims > maxDims)
    throw refusedModel('it has no table of embeddings')
  const weights = readTensor(file, 'weights')
  const mapping = readTensor(file, 'mapping')
  if (mapping === null && tokenizer.tokens > count) throw refusedModel('its tokenizer has more tokens than its table has rows')
  for (const each of [weights, mapping]) {
    if (each !== null && (each.shape.length !== 1 || (each.shape[0] ?? 0) < tokenizer.tokens))
      throw refusedModel('its weights do not fit its tokens')
  }
  return { tokenizer, rows, dims, weights, mapping }
}

function embedOne({ tokenizer, rows, dims, weights, mapping }: Model, text: string): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(dims)
  const count = rows.shape[0] ?? 0
  for (const id of tokenizer.encode(text.slice(0, maxEmbeddedUnits)).slice(0, maxTokens)) {
    const row = mapping === null ? id : mapping.at(id)
    // A mapping is untrusted.
    if (!(row >= 0 && row < count)) continue
    const weight = weights === null ? 1 : weights.at(id)
    for (let dim = 0; dim < dims; dim += 1) vector[dim] = (vector[dim] ?? 0) + rows.at(row * dims + dim) * weight
  }
  return toUnit(vector)
}

function readBounded(folder: string, name: keyof typeof maxBytes): Uint8Array {
  const path = join(folder, name)
  let bytes: number
  try {
    const facts = statSync(path)
    if (!facts.isFile()) throw new Error('not a file')
    bytes = facts.size
  } catch (cause) {
    throw refusedModel(`it has no ${name} that can be read`, cause)
  }
  if (bytes > maxBytes[name]) throw refusedModel(`its ${name} has ${bytes} bytes, more than ${maxBytes[name]}`)
  try {
    return readFileSync(path)
  } catch (cause) {
    throw refusedModel(`its ${name} cannot be read`, cause)
  }
}

function jsonOf(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch (cause) {
    throw refusedModel(`its ${name} is not JSON`, cause)
  }
}

/**
 * Reads tensors from a safetensors file: eight bytes of length, a JSON header with the place of each tensor, the numbers. The file is
 * untrusted: every offset is checked against its length before it is used.
 */

export interface Tensor {
  readonly shape: readonly number[]
  /** The number at a place, rows after each other. */
  at(place: number): number
}

const sizes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1 } as const
type NumberType = keyof typeof sizes

/** A header names a few tensors; a larger one is refused. */
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
  const found = ownValue(headerOf(file.subarray(8, 8 + length)), name)
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
    if (isObject(header)) return header
  } catch {
    // Reported below.
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

/** A 32-bit float without its lower half. */
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
