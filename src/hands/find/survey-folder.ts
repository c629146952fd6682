/** Looks at everything below a folder. Without waiting for each entry: in an emulated machine a wait costs more than the look. */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HandsOps, SurveyedEntry, SurveyOps } from '../../types/index.ts'
import { failed, throwIfCancelled } from '../failure.ts'
import { type Root, toRealPlace } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import type { HandlersOf } from '../handlers.ts'
import { maxDepth, surveyAtOnce } from '../limits.ts'

type Output = HandsOps['survey']['output']

export function surveyOperations(roots: readonly Root[]): HandlersOf<SurveyOps> {
  return {
    async survey({ path, maxEntries }, signal) {
      if (roots.some(({ virtual, real }) => virtual !== real)) {
        throw failed('sandbox_missing', 'Without a sandbox there is no copy to compare with.', 'Look at the folder itself.')
      }
      return surveyFolder((await toRealPlace(roots, path)).real, maxEntries, signal)
    },
  }
}

async function surveyFolder(top: string, maxEntries: number, signal: AbortSignal): Promise<Output> {
  const entries: SurveyedEntry[] = []
  // Depth first, in order: what waits is the rest of each folder on the way.
  const waiting: { path: string; names: string[] }[] = [{ path: '', names: namesIn(top) ?? [] }]
  for (let folder = waiting.at(-1); folder !== undefined; folder = waiting.at(-1)) {
    const name = folder.names.pop()
    if (name === undefined) {
      waiting.pop()
      await letOthersRun(signal)
      continue
    }
    if (isTemporary(name) || name === uploadsFolder) continue
    if (entries.length >= maxEntries) return { entries, truncated: true }
    const path = folder.path === '' ? name : `${folder.path}/${name}`
    const entry = look(top, path)
    if (entry === null) continue
    const names = entry.kind === 'folder' && waiting.length < maxDepth ? namesIn(`${top}/${path}`) : null
    entries.push(entry.kind === 'folder' && names === null ? { ...entry, kind: 'closed' } : entry)
    if (entries.length % surveyAtOnce === 0) await letOthersRun(signal)
    if (names !== null) waiting.push({ path, names })
  }
  return { entries, truncated: false }
}

/** Other requests, and their cancels: once a folder, and now and then in a large one. */
async function letOthersRun(signal: AbortSignal): Promise<void> {
  await nextTurn()
  throwIfCancelled(signal)
}

const uploadsFolder = '.oxbow-uploads'

/** @returns null when it cannot be read. */
function namesIn(folder: string): string[] | null {
  try {
    return readdirSync(folder)
  } catch {
    return null
  }
}

/** @returns null when it is gone, or has a name that is no text. */
function look(top: string, path: string): SurveyedEntry | null {
  try {
    const stats = lstatSync(`${top}/${path}`)
    const stamp = `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`
    const same = { path, bytes: 0, executable: false, modifiedMs: stats.mtimeMs, stamp, target: '' }
    // Whatever comes into a folder changes its times; it is the same folder all the same.
    if (stats.isDirectory()) return { ...same, kind: 'folder', stamp: String(stats.ino) }
    if (stats.isSymbolicLink()) return { ...same, kind: 'link', target: readlinkSync(`${top}/${path}`) }
    if (!stats.isFile()) return { ...same, kind: 'other' }
    return { ...same, kind: 'file', bytes: stats.size, executable: (stats.mode & 0o111) !== 0 }
  } catch {
    return null
  }
}
