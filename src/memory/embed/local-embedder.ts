/** Opens the embedders that work in this process. Each loads its own code, and its tables, when it is chosen. */
import { OxbowError } from '../../types/index.ts'
import type { Embedder } from '../text-engine.ts'
import { readEmbedderName } from './embedder-name.ts'

/** @param name of `memory.embedder` @returns null for `none` @throws OxbowError `bad_config` that says what is wrong with it */
export async function openLocalEmbedder(name: string): Promise<Embedder | null> {
  const read = readEmbedderName(name)
  switch (read.kind) {
    case 'none':
      return null
    case 'hash':
      return (await import('./hash-embedder.ts')).openHashEmbedder()
    case 'words':
      return (await import('./built-in-words.ts')).openBuiltInWords()
    case 'folder':
      return (await import('./model2vec/folder-embedder.ts')).openFolderEmbedder(read.path)
    case 'onnx':
      return (await import('./onnx-embedder.ts')).openOnnxEmbedder(read.path)
    case 'service':
      break
  }
  throw new OxbowError('bad_config', `The embedder ${name} is a service, which is asked over the network.`, {
    hint: 'Start a guest with it, or set memory.embedder to words-50k.',
  })
}
