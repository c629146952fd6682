import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { createLocalTextEngine } from '../text/text-thread.ts'
import { tableWeights, weakWeights } from './embed-limits.ts'
import { openFolderEmbedder } from './folder-embedder.ts'
import { readTokenizer } from './tokenizer.ts'

/** A safetensors file of these tensors. */
function safetensors(tensors: Readonly<Record<string, { dtype: string; shape: readonly number[]; bytes: Buffer }>>): Buffer {
  let at = 0
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    at += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...Object.values(tensors).map(({ bytes }) => bytes)])
}

const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
const rows = [
  [9, 9],
  [3, 0],
  [0, 4],
  [1, 1],
]
const f32 = { embeddings: { dtype: 'F32', shape: [4, 2], bytes: floats(rows.flat()) } }
const bert = {
  model: { type: 'WordPiece', vocab: { '[UNK]': 0, ox: 1, '##en': 2, river: 3 }, unk_token: '[UNK]' },
  normalizer: { type: 'BertNormalizer', lowercase: true, strip_accents: null, clean_text: true, handle_chinese_chars: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
}

void describe('the embedder of a model2vec folder', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxbow-m2v-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const put = (tensors: Parameters<typeof safetensors>[0] | Buffer = f32, tokenizer: unknown = bert): void => {
    writeFileSync(join(folder, 'config.json'), '{"normalize":true}')
    writeFileSync(join(folder, 'tokenizer.json'), typeof tokenizer === 'string' ? tokenizer : JSON.stringify(tokenizer))
    writeFileSync(join(folder, 'model.safetensors'), Buffer.isBuffer(tensors) ? tensors : safetensors(tensors))
  }
  const vectorsOf = async (...texts: string[]): Promise<number[][]> =>
    (await openFolderEmbedder(folder).embed(texts)).map((vector) => Array.from(vector, (value) => Math.round(value * 1e4) / 1e4))
  const isRefused = (error: unknown): boolean =>
    isOxbowError(error, 'bad_config') && error.hint.includes('oxbow embed pull') && !error.message.includes(folder)

  void it('gives the mean of the tokens that it knows, by hand', async () => {
    put()
    // oxen is ox and ##en: (3,0) + (0,4), of length 5.
    assert.deepEqual(await vectorsOf('Oxen!', 'RIVER ox', 'unheard', '', 'rivér'), [
      [0.6, 0.8],
      [0.9701, 0.2425],
      [0, 0],
      [0, 0],
      [0.7071, 0.7071],
    ])
    assert.equal(openFolderEmbedder(folder).dims, 2)
  })

  void it('has weights of its own, and leaves single words to the built-in table', async () => {
    put()
    const engine = createLocalTextEngine({ embedder: `folder:${folder}` })
    assert.deepEqual((await engine.embedder())?.weights, weakWeights)
    assert.notDeepEqual(weakWeights, tableWeights)
    const passages = ['nurse', 'fence'].map((terms) => ({ terms, context: '' }))
    const [near = 0, far = 1] = (await engine.closeness({ question: 'Which doctor?', terms: ['doctor'] }, passages)) ?? []
    assert.ok(near > far, `${near} ${far}`)
    await engine.close()
  })

  void it('reads numbers of half size and of one byte, weights, and rows by a mapping', async () => {
    const halves = Buffer.from(Uint16Array.from([0, 0, 0x4200, 0, 0, 0x4400, 0x3c00, 0x3c00]).buffer)
    put({ embeddings: { dtype: 'F16', shape: [4, 2], bytes: halves } })
    assert.deepEqual(await vectorsOf('oxen'), [[0.6, 0.8]])
    put({ embeddings: { dtype: 'I8', shape: [4, 2], bytes: Buffer.from(Int8Array.from(rows.flat())) } })
    assert.deepEqual(await vectorsOf('oxen'), [[0.6, 0.8]])
    put({ ...f32, weights: { dtype: 'F32', shape: [4], bytes: floats([1, 4, 3, 1]) } })
    assert.deepEqual(await vectorsOf('oxen'), [[0.7071, 0.7071]])
    put({
      embeddings: { dtype: 'F32', shape: [2, 2], bytes: floats([3, 0, 0, 4]) },
      mapping: { dtype: 'I64', shape: [4], bytes: Buffer.from(BigInt64Array.from([0n, 0n, 1n, 99n]).buffer) },
    })
    assert.deepEqual(await vectorsOf('oxen', 'river'), [
      [0.6, 0.8],
      [0, 0],
    ])
  })

  void it('has another name for other contents', () => {
    put()
    const first = openFolderEmbedder(folder).id
    assert.equal(openFolderEmbedder(folder).id, first)
    put({ embeddings: { dtype: 'F32', shape: [4, 2], bytes: floats(rows.flat().toReversed()) } })
    assert.notEqual(openFolderEmbedder(folder).id, first)
    assert.equal(first.includes(tmpdir()), false)
  })

  void it('refuses files that are missing, damaged or lie about their size', () => {
    assert.throws(() => openFolderEmbedder(folder), isRefused)
    const good = safetensors(f32)
    const lying = Buffer.from(good)
    lying.writeBigUInt64LE(2n ** 60n)
    const bad: (Parameters<typeof safetensors>[0] | Buffer)[] = [
      Buffer.alloc(0),
      good.subarray(0, good.length - 1),
      lying,
      Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('[]')]),
      { other: f32.embeddings },
      { embeddings: { ...f32.embeddings, shape: [5, 2] } },
      { embeddings: { ...f32.embeddings, shape: [2, 4] } },
      { embeddings: { ...f32.embeddings, dtype: 'constructor' } },
      { embeddings: { dtype: 'F32', shape: [2 ** 30, 2 ** 30], bytes: Buffer.alloc(8) } },
      { ...f32, weights: { dtype: 'F32', shape: [1], bytes: floats([1]) } },
    ]
    for (const each of bad) {
      put(each)
      assert.throws(() => openFolderEmbedder(folder), isRefused)
    }
    put(f32, '{"model":')
    assert.throws(() => openFolderEmbedder(folder), isRefused)
    put()
    truncateSync(join(folder, 'tokenizer.json'), 65 * 1024 * 1024)
    assert.throws(() => openFolderEmbedder(folder), isRefused)
  })

  void it('refuses a tokenizer with a step that it does not know, and never runs an expression of it', () => {
    for (const part of [
      { model: { type: 'WordLevel', vocab: {} } },
      { normalizer: { type: 'Magic' } },
      { normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' } },
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated' } },
      { model: { ...bert.model, vocab: { ox: -1 } } },
      { normalizer: { type: 'Sequence', normalizers: Array.from({ length: 65 }, () => ({ type: 'NFC' })) } },
    ]) {
      assert.throws(() => readTokenizer({ ...bert, ...part }), isRefused)
    }
    let deep: unknown = { type: 'NFC' }
    for (let depth = 0; depth < 50; depth += 1) deep = { type: 'Sequence', normalizers: [deep] }
    assert.throws(() => readTokenizer({ ...bert, normalizer: deep }), isRefused)
  })
})

void describe('a tokenizer of a file', () => {
  void it('cuts by the likeliest pieces (Unigram), and leaves out what it does not know', () => {
    const vocab = [
      ['<unk>', 0],
      ['▁ox', -1],
      ['en', -1],
      ['▁o', -2],
      ['x', -5],
      ['▁', -3],
    ]
    const { encode } = readTokenizer({
      model: { type: 'Unigram', vocab, unk_id: 0 },
      normalizer: { type: 'NFKC' },
      pre_tokenizer: { type: 'Metaspace' },
    })
    assert.deepEqual(encode('oxen ox'), [1, 2, 1])
    assert.deepEqual(encode('x?'), [5, 4])
  })

  void it('joins bytes in the order of the merges (BPE)', () => {
    const vocab = { o: 0, x: 1, e: 2, n: 3, ox: 4, en: 5, oxen: 6, Ġ: 7, Ġox: 8 }
    const { encode } = readTokenizer({
      model: { type: 'BPE', vocab, merges: ['o x', ['e', 'n'], 'ox en', 'Ġ ox'] },
      pre_tokenizer: { type: 'ByteLevel' },
    })
    assert.deepEqual(encode('oxen ox'), [6, 8])
    assert.deepEqual(encode('né'), [3])
  })

  void it('takes any text in time that grows with it', () => {
    const unigram = readTokenizer({
      model: {
        vocab: [
          ['a', -1],
          ['aa', -1],
        ],
      },
      pre_tokenizer: null,
    })
    const bytes = readTokenizer({ model: { vocab: { a: 0, aa: 1 }, merges: ['a a'] } })
    const pieces = readTokenizer(bert)
    for (const tokenizer of [unigram, bytes, pieces]) {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) =>
          assert.ok(tokenizer.encode(text).every((id) => id >= 0 && id < tokenizer.tokens)),
        ),
      )
      assert.ok(tokenizer.encode('a'.repeat(8_192)).length <= 8_192)
    }
  })
})
