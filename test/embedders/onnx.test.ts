/**
 * A real ONNX model in the real runtime. The runtime is 465 MB and no part of Oxbow: it is looked for in the folder that a variable names.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { createTextEngine } from '../../src/memory/index.ts'
import { tinyEncoder } from './tiny-onnx.ts'
import { trueModels } from './true-models.ts'

const packages = process.env['OXBOW_TEST_ONNX'] ?? ''
const installed = existsSync(join(packages, 'node_modules/@huggingface/transformers'))
const skip = installed
  ? false
  : 'needs a folder with the ONNX runtime: ONNXRUNTIME_NODE_INSTALL=skip npm install --ignore-scripts --prefix FOLDER @huggingface/transformers, then OXBOW_TEST_ONNX=FOLDER'

const dims = 4

/** Next to the runtime, as a person is told to install it: code behind a link that leads elsewhere is not run. */
const own = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'onnx']

void it('a sentence encoder in ONNX gives the mean of its rows, in the text thread', { skip }, async () => {
  const folder = packages
  const engine = createTextEngine({ embedder: `onnx:${folder}` })
  try {
    const { vocab } = trueModels.wordPiece.model as { readonly vocab: Readonly<Record<string, number>> }
    const count = Object.keys(vocab).length
    const table = Float32Array.from({ length: count * dims }, (_, at) => ((at * 31) % 17) - 8)
    const row = (token: string): number[] => [...table.subarray((vocab[token] ?? 0) * dims, ((vocab[token] ?? 0) + 1) * dims)]
    mkdirSync(join(folder, 'onnx'), { recursive: true })
    writeFileSync(join(folder, 'onnx/model.onnx'), tinyEncoder(table, dims))
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(trueModels.wordPiece))
    writeFileSync(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ tokenizer_class: 'BertTokenizer', pad_token: '[PAD]', unk_token: '[UNK]' }),
    )
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'bert', hidden_size: dims, vocab_size: count }))
    const facts = await engine.embedder()
    assert.equal(facts?.dims, dims)
    assert.match(facts.id, /^onnx:.+@4$/)
    const vectors = await engine.embed(['the river', 'Oxen!', 'a doctor in Lisbon'])
    const wanted = [
      ['the', 'river'],
      ['oxen', '!'],
      ['a', 'doctor', 'in', 'lisbon'],
    ].map((tokens) => unit(tokens.map(row)))
    for (const [at, vector] of vectors.entries()) {
      const apart = Math.max(...[...vector].map((value, dim) => Math.abs(value - wanted[at]![dim]!)))
      assert.ok(apart < 1e-5, `text ${at} is ${apart} apart`)
    }
  } finally {
    await engine.close()
    for (const name of own) rmSync(join(folder, name), { recursive: true, force: true })
  }
})

function unit(rows: readonly (readonly number[])[]): number[] {
  const sum = Array.from({ length: dims }, (_, dim) => rows.reduce((total, row) => total + row[dim]!, 0))
  return sum.map((value) => value / Math.hypot(...sum))
}
