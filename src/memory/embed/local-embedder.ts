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
    default:
      throw new OxbowError('bad_config', `${name} is not served here.`, { hint: 'Set memory.embedder.' })
  }
}
