/**
 * Embeds with a model2vec model in a folder (potion and its kind): each token has a vector, a text is their mean. Reads
 * `config.json`, `tokenizer.json` and `model.safetensors`; nothing in them is run, and each has a bound.
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Embedder, toUnit } from '../text/text-engine.ts'
import { maxDims, maxEmbeddedUnits, weakWeights } from './embed-limits.ts'
import { readTensor, refusedModel, type Tensor } from './model-files.ts'
import { readTokenizer, type Tokenizer } from './tokenizer.ts'

/** Bytes that are read of each file: the largest known models take half of it. */
const maxBytes = { 'config.json': 64 * 1024, 'tokenizer.json': 64 * 1024 * 1024, 'model.safetensors': 1024 * 1024 * 1024 } as const
/** Tokens of one text, as model2vec has it. */
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
  if (typeof config !== 'object' || config === null) throw refusedModel('its config.json is no object')
  const tokenizerBytes = readBounded(folder, 'tokenizer.json')
  const file = readBounded(folder, 'model.safetensors')
  const model = openModel(readTokenizer(jsonOf(tokenizerBytes, 'tokenizer.json')), file)
  // The same folder with other contents is another model: its vectors mean something else.
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
    // A mapping may say anything.
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
