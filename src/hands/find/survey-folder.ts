/** Lists everything below a folder. Synchronously: in an emulated machine an asynchronous stat costs more than the stat itself. */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HandsOps, SurveyedEntry, SurveyOps, HandlersOf } from '../../protocol/index.ts'
import { failed, throwIfCancelled } from '../failure.ts'
import { type Root, toRealPlace } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import { maxDepth, surveyAtOnce } from '../limits.ts'

type Output = HandsOps['survey']['output']

export function surveyOperations(roots: readonly Root[]): HandlersOf<SurveyOps> {
  return {
    async survey({ path, maxEntries }, signal) {
      if (roots.some(({ virtual, real }) => virtual !== real)) {
        throw failed('sandbox_missing', 'Without a sandbox there is no copy to compare with.', 'List the folder itself.')
      }
      return surveyFolder((await toRealPlace(roots, path)).real, maxEntries, signal)
    },
  }
}

async function surveyFolder(top: string, maxEntries: number, signal: AbortSignal): Promise<Output> {
  const entries: SurveyedEntry[] = []
  // Depth first, in order: the stack holds the rest of each open folder.
  const waiting: { path: string; names: string[] }[] = [{ path: '', names: namesIn(top) ?? [] }]
  for (let folder = waiting.at(-1); folder !== undefined; folder = waiting.at(-1)) {
    const name = folder.names.pop()
    if (name === undefined) {
      waiting.pop()
      await yieldToOthers(signal)
      continue
    }
    if (isTemporary(name) || name === uploadsFolder) continue
    if (entries.length >= maxEntries) return { entries, truncated: true }
    const path = folder.path === '' ? name : `${folder.path}/${name}`
    const entry = look(top, path)
    if (entry === null) continue
    const names = entry.kind === 'folder' && waiting.length < maxDepth ? namesIn(`${top}/${path}`) : null
    entries.push(entry.kind === 'folder' && names === null ? { ...entry, kind: 'closed' } : entry)
    if (entries.length % surveyAtOnce === 0) await yieldToOthers(signal)
    if (names !== null) waiting.push({ path, names })
  }
  return { entries, truncated: false }
}

/** Yields to other requests and cancellations: once a folder, and repeatedly in a large one. */
async function yieldToOthers(signal: AbortSignal): Promise<void> {
  await nextTurn()
  throwIfCancelled(signal)
}

const uploadsFolder = '.oxbow-uploads'

/** @returns null if it is unreadable. */
function namesIn(folder: string): string[] | null {
  try {
    return readdirSync(folder)
  } catch {
    return null
  }
}

/** @returns null if it no longer exists, or its name is not valid text. */
function look(top: string, path: string): SurveyedEntry | null {
  try {
    const stats = lstatSync(`${top}/${path}`)
    const stamp = `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`
    const same = { path, bytes: 0, executable: false, modifiedMs: stats.mtimeMs, stamp, target: '' }
    // New entries change a folder's times, but not the folder.
    if (stats.isDirectory()) return { ...same, kind: 'folder', stamp: String(stats.ino) }
    if (stats.isSymbolicLink()) return { ...same, kind: 'link', target: readlinkSync(`${top}/${path}`) }
    if (!stats.isFile()) return { ...same, kind: 'other' }
    return { ...same, kind: 'file', bytes: stats.size, executable: (stats.mode & 0o111) !== 0 }
  } catch {
    return null
  }
}
