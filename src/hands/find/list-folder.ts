import type { HandsOps } from '../../types/index.ts'
import { fromSystemError } from '../failure.ts'
import { toRealPlace } from '../files/workspace-path.ts'
import type { Root } from '../files/workspace-path.ts'
import { createGuard, toGlob } from './pattern.ts'
import { fileBytes, wasCut, walkBatches } from './walk-folder.ts'
import type { Walk } from './walk-folder.ts'

/** Each folder stands right before what it holds. Ignored folders are named, not entered, unless all is asked for. */
export async function listFolder(
  roots: readonly Root[],
  input: HandsOps['list']['input'],
  signal: AbortSignal,
): Promise<HandsOps['list']['output']> {
  const guard = createGuard()
  const fits = toGlob(input.glob)
  const top = await toRealPlace(roots, input.path)
  const entries: HandsOps['list']['output']['entries'] = []
  const walk: Walk = { roots, depth: input.depth, ignored: input.all ? 'entered' : 'named', guard, signal, cut: '' }
  let toSkip = input.skip
  try {
    for await (const batch of walkBatches(top, walk, () => true, fits)) {
      const shown = batch.slice(toSkip)
      toSkip = Math.max(0, toSkip - batch.length)
      for (const entry of shown) {
        if (entries.length >= input.maxEntries) return { entries, truncated: true }
        entries.push({ path: entry.virtual, kind: entry.kind, bytes: await fileBytes(entry) })
      }
    }
  } catch (error) {
    throw fromSystemError(error, top.virtual)
  }
  return { entries, truncated: wasCut(walk, entries.length) }
}
