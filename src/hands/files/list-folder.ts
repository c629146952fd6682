import type { HandsOps } from '../../types/index.ts'
import { fromSystemError } from '../failure.ts'
import { toRealPlace } from './workspace-path.ts'
import type { Root } from './workspace-path.ts'
import { fileBytes, walkFolder } from './walk-folder.ts'

/** Each folder stands right before what it holds. `.git` and `node_modules` are named, not entered. */
export async function listFolder(
  roots: readonly Root[],
  input: HandsOps['list']['input'],
  signal: AbortSignal,
): Promise<HandsOps['list']['output']> {
  const top = await toRealPlace(roots, input.path)
  const entries: HandsOps['list']['output']['entries'] = []
  try {
    for await (const entry of walkFolder(top, input.depth, signal)) {
      if (entries.length >= input.maxEntries) return { entries, truncated: true }
      entries.push({ path: entry.virtual, kind: entry.kind, bytes: await fileBytes(entry) })
    }
  } catch (error) {
    throw fromSystemError(error, top.virtual)
  }
  return { entries, truncated: false }
}
