import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { openOnnxEmbedder } from './onnx-embedder.ts'

void describe('the embedder of an ONNX model', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxbow-onnx-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const install = (source: string): void => {
    const at = join(folder, 'node_modules/@huggingface/transformers')
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, 'package.json'), '{"name":"@huggingface/transformers","type":"module","exports":"./index.js"}')
    writeFileSync(join(at, 'index.js'), source)
  }

  void it('says how to install the package, and that there must be a folder', async () => {
    await assert.rejects(
      openOnnxEmbedder(folder),
      (error) => isOxbowError(error, 'bad_config') && error.hint.includes('npm install') && !error.hint.includes(folder),
    )
    await assert.rejects(openOnnxEmbedder(join(folder, 'none')), (error) => isOxbowError(error, 'bad_config'))
  })

  void it('asks the package for mean vectors in batches, from this folder only and without fetching', async () => {
    install(`
      export const env = {}
      export async function pipeline(task, model, options) {
        if (task !== 'feature-extraction' || env.allowRemoteModels || !options.local_files_only) throw new Error('wrong')
        return async (texts, { pooling, normalize }) => {
          if (texts.length > 16 || pooling !== 'mean' || !normalize) throw new Error('wrong')
          return { dims: [texts.length, 2], data: Float32Array.from(texts.flatMap((text) => [text.length, 0])) }
        }
      }`)
    const embedder = await openOnnxEmbedder(folder)
    assert.equal(embedder.dims, 2)
    const vectors = await embedder.embed(Array.from({ length: 40 }, () => 'ox'))
    assert.equal(vectors.length, 40)
    for (const vector of vectors) assert.deepEqual(vector, Float32Array.of(1, 0))
  })

  void it('refuses a model that does not load', async () => {
    install(`export const env = {}; export async function pipeline() { throw new Error('no model.onnx') }`)
    await assert.rejects(openOnnxEmbedder(folder), (error) => isOxbowError(error, 'bad_config') && error.hint.includes('onnx/model.onnx'))
  })
})
