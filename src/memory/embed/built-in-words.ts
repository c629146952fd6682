/** Opens the table that ships with Oxbow. It stands beside this file, and beside the bundle. */
import { readFileSync } from 'node:fs'
import { OxbowError } from '../../types/index.ts'
import type { Embedder } from '../text-engine.ts'
import { createWordEmbedder } from './word-embedder.ts'
import { readWordTable } from './word-table.ts'

/** Changes with the table, and with how texts are read by it: vectors of two ids are never compared. */
const id = 'words-50k-v1'

/** Blocks for some milliseconds: for the thread. @throws OxbowError `bad_config` when the table is missing or damaged */
export function openBuiltInWords(): Embedder {
  const file = new URL('./words-50k.bin', import.meta.url)
  let bytes: Uint8Array<ArrayBuffer>
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    const hint = 'Install Oxbow again, or set memory.embedder to none.'
    throw new OxbowError('bad_config', 'The table of word vectors is missing.', { hint, cause })
  }
  return createWordEmbedder(readWordTable(bytes), id)
}
