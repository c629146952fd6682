/** What `memory.embedder` may say. */
import { OxbowError } from '../../types/index.ts'

export type EmbedderName =
  | { readonly kind: 'none' | 'hash' | 'words' }
  | { readonly kind: 'folder' | 'onnx'; readonly path: string }
  | { readonly kind: 'service'; readonly model: string }

/** The table that ships with Oxbow. */
export const builtInEmbedder = 'words-50k'

/** @throws OxbowError `bad_config` for what is no name of an embedder */
export function readEmbedderName(name: string): EmbedderName {
  if (name === 'none' || name === '') return { kind: 'none' }
  if (name === 'hash') return { kind: 'hash' }
  if (name === builtInEmbedder) return { kind: 'words' }
  const local = /^(folder|onnx):(.+)$/s.exec(name)
  if (local !== null) return { kind: local[1] as 'folder' | 'onnx', path: local[2] as string }
  if (/^[^/\s:]+\/\S+$/.test(name)) return { kind: 'service', model: name }
  throw new OxbowError('bad_config', `There is no embedder ${JSON.stringify(name)}.`, {
    hint: `Set memory.embedder to ${builtInEmbedder}, none, folder:PATH, onnx:PATH or provider/model.`,
  })
}

/** Is it asked over the network, from the main side? */
export function isServiceName(name: string): boolean {
  return /^[^/\s:]+\/\S+$/.test(name)
}

/** Ids of the vectors that are made by what ships with Oxbow, and the names that make them. */
const builtIn: Readonly<Record<string, string>> = { 'words-50k-v1': 'words-50k', 'hash-64-v1': 'hash' }

/** @param model id of kept vectors @returns the name by which more of them can be made wherever Oxbow is; null for all others */
export function builtInNameOf(model: string): string | null {
  return Object.hasOwn(builtIn, model) ? (builtIn[model] ?? null) : null
}
