/**
 * Sentence encoders in ONNX, run by `@huggingface/transformers`, which does not ship with Oxbow: it has 465 MB, and few need it. It is
 * loaded from Oxbow's installation or from `node_modules` in the model's folder, configured to fetch nothing.
 */
import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { z } from 'zod'
import { loadOptionalPackage } from '../../engine/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Embedder, toUnit } from '../text/text-engine.ts'
import { maxDims, maxEmbeddedUnits, strongWeights } from './embed-limits.ts'

const packageName = '@huggingface/transformers'
/** Texts in one run of the model: more need memory and save nothing on a processor. */
const batch = 16

/** What is used of the package. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string }
  pipeline(task: 'feature-extraction', model: string, options: { readonly local_files_only: true }): Promise<Extract>
}
type Extract = (texts: readonly string[], options: { readonly pooling: 'mean'; readonly normalize: true }) => Promise<unknown>
const extracted = z.object({ dims: z.tuple([z.int().min(0), z.int().min(1).max(maxDims)]), data: z.instanceof(Float32Array) })

/** @throws OxbowError `bad_config` without the folder or the package, with the line that installs it, or for a model that does not run */
export async function openOnnxEmbedder(path: string): Promise<Embedder> {
  const folder = resolve(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw refused('there is no such folder', 'Put config.json, tokenizer.json and onnx/model.onnx of a sentence encoder into a folder.')
  }
  const { env, pipeline } = (await loadOptionalPackage(packageName, [folder]).catch((cause: unknown) => {
    // The details name folders of this machine, which a model must not see: they are in the cause only.
    const hint = `Run: npm install --prefix FOLDER ${packageName}, with the folder that memory.embedder names.`
    throw refused('its runtime is not installed, or does not load', hint, cause)
  })) as Transformers
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = dirname(folder)
  const extract = await pipeline('feature-extraction', basename(folder), { local_files_only: true }).catch((cause: unknown) => {
    throw refused('it cannot be loaded', 'The folder needs config.json, tokenizer.json and onnx/model.onnx.', cause)
  })
  const run = async (texts: readonly string[]): Promise<Float32Array<ArrayBuffer>[]> => {
    const read = extracted.safeParse(
      await extract(
        texts.map((text) => text.slice(0, maxEmbeddedUnits)),
        { pooling: 'mean', normalize: true },
      ),
    )
    if (!read.success || read.data.dims[0] !== texts.length || read.data.data.length !== texts.length * read.data.dims[1]) {
      throw refused('its answer is not a list of vectors', 'Choose a model for feature extraction.')
    }
    const [, dims] = read.data.dims
    return texts.map((_, place) => toUnit(Float32Array.from(read.data.data.subarray(place * dims, (place + 1) * dims))))
  }
  const dims = (await run(['ox']))[0]?.length ?? 0
  const name = basename(folder)
    .replace(/[^\w.-]/g, '_')
    .slice(0, 60)
  return {
    id: `onnx:${name}@${dims}`,
    dims,
    weights: strongWeights,
    async embed(texts) {
      const vectors: Float32Array<ArrayBuffer>[] = []
      for (let at = 0; at < texts.length; at += batch) vectors.push(...(await run(texts.slice(at, at + batch))))
      return vectors
    },
  }
}

function refused(why: string, hint: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `The ONNX model cannot be used: ${why}.`, { hint, ...(cause === undefined ? {} : { cause }) })
}
