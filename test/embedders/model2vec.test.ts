/** Folders as model2vec saves them, compared with tokens of Hugging Face's own tokenizers (`make-golden.ts`) and vectors made of them here. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readTokenizer } from '../../src/memory/embed/tokenizer.ts'
import { createTextEngine } from '../../src/memory/index.ts'
import { oddTexts, type TrueModel, trueModels } from './true-models.ts'

const dims = 12
const names = Object.keys(trueModels) as TrueModel[]
const golden = JSON.parse(readFileSync(new URL('golden-tokens.json', import.meta.url), 'utf8')) as Record<TrueModel, number[][]>
/** model2vec leaves out what is unknown. */
const unknown: Readonly<Record<TrueModel, number>> = { wordPiece: 1, distilled: 1, sentencePiece: 1, bytePair: -1 }
const tokensOf = (name: TrueModel): number[][] => golden[name].map((ids) => ids.filter((id) => id !== unknown[name]))

/** Numbers between -1 and 1 that are the same each time. */
function table(rows: number): number[] {
  let state = 7
  return Array.from({ length: rows * dims }, () => (state = (state * 16_807) % 2_147_483_647) / 1_073_741_823.5 - 1)
}

type Floats = new (values: readonly number[]) => Float32Array
const written = {
  F32: Float32Array as Floats,
  // The standard's own half floats; the types of this TypeScript do not know them yet.
  F16: (globalThis as unknown as { readonly Float16Array: Floats }).Float16Array,
}

/** As `safetensors.numpy.save_file` writes it: the header is padded with spaces. */
function safetensors(dtype: keyof typeof written, rows: number, numbers: Float32Array): Buffer {
  const header = { embeddings: { dtype, shape: [rows, dims], data_offsets: [0, numbers.byteLength] } }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)])
}

function expected(ids: readonly number[], numbers: Float32Array): number[] {
  const sum = Array.from({ length: dims }, (_, dim) => ids.reduce((total, id) => total + numbers[id * dims + dim]!, 0) / (ids.length || 1))
  const length = Math.hypot(...sum)
  return length === 0 ? sum : sum.map((value) => value / length)
}

describe('a model2vec folder', () => {
  for (const name of names) {
    it(`gives the tokens of Hugging Face's tokenizer (${name})`, () => {
      const { encode } = readTokenizer(trueModels[name])
      const differ = oddTexts.filter((text, at) => JSON.stringify(encode(text)) !== JSON.stringify(tokensOf(name)[at]))
      assert.deepEqual(differ, [])
    })
  }

  for (const dtype of ['F32', 'F16'] as const) {
    it(`gives the vectors of model2vec, in the text thread (${dtype})`, async () => {
      for (const name of names) {
        const folder = mkdtempSync(join(tmpdir(), 'oxbow-true-model-'))
        const engine = createTextEngine({ embedder: `folder:${folder}` })
        try {
          const { vocab } = trueModels[name].model
          const rows = Array.isArray(vocab) ? vocab.length : Object.keys(vocab).length
          const numbers = new written[dtype](table(rows))
          writeFileSync(join(folder, 'model.safetensors'), safetensors(dtype, rows, numbers))
          writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(trueModels[name]))
          const config = {
            model_type: 'model2vec',
            architectures: ['StaticModel'],
            hidden_dim: dims,
            seq_length: 1_000_000,
            normalize: true,
          }
          writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 4))
          assert.equal((await engine.embedder())?.dims, dims)
          const vectors = await engine.embed(oddTexts)
          for (const [at, vector] of vectors.entries()) {
            const wanted = expected(tokensOf(name)[at] ?? [], numbers)
            const apart = Math.max(...wanted.map((value, dim) => Math.abs(value - vector[dim]!)))
            assert.ok(apart < 1e-6, `${name}: ${JSON.stringify(oddTexts[at])} is ${apart} apart`)
          }
        } finally {
          await engine.close()
          rmSync(folder, { recursive: true })
        }
      }
    })
  }
})
