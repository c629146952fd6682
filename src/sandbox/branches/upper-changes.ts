/**
 * What an overlay has changed, from its upper folder: what is written or removed in the overlay has an entry there, and nothing else has. The
 * folders are read on the host, by descriptors and without following links, since commands in a sandbox may change them meanwhile; only
 * names and kinds are looked at, never a content.
 *
 * A folder that was removed and made again hides what is below it. The kernel notes that in an attribute, which Node cannot read: such a
 * folder is found by an entry of the lower folder that both as one do not show, although nothing stands for it in the upper one.
 */
import { closeSync, type Dirent, lstatSync, openSync, readdirSync } from 'node:fs'
import { setImmediate as breath } from 'node:timers/promises'
import type { BranchChange } from '../../protocol/index.ts'
import { giveAtOnce, maxOverlayDepth } from '../limits.ts'
import { folderFlags } from './overlay.ts'

/** Descriptors of the folders. */
interface Layer {
  readonly upper: number
  readonly lower: number
  /** Both as one. */
  readonly merged: number
}

/** Of the paths of both folders. */
interface LayerPaths extends Pick<Layer, 'merged'> {
  readonly upper: string
  readonly lower: string
}

interface Looking {
  readonly isLeftOut: (path: string) => boolean
  readonly signal: AbortSignal
}

/** @param at the path of the overlay, '' for the top @returns paths from the top, folders before what is in them */
export async function upperChanges(paths: LayerPaths, at: string, { isLeftOut, signal }: Looking): Promise<readonly BranchChange[]> {
  const changes: BranchChange[] = []
  const pathIn = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)
  const look = async ({ upper, lower, merged }: Below, folder: string, depth: number): Promise<void> => {
    const entries = (entriesIn(upper) ?? []).filter(({ name }) => !isLeftOut(pathIn(folder, name)))
    const hides = lower !== null && merged !== null && hidesLower({ upper, lower, merged })
    if (folder !== at || hides) changes.push({ path: folder, state: hides ? 'new_folder' : 'folder' })
    for (const [n, entry] of entries.entries()) {
      if (n % giveAtOnce === giveAtOnce - 1) await breath()
      signal.throwIfAborted()
      const path = pathIn(folder, entry.name)
      if (!entry.isDirectory()) {
        if (isWhiteout(upper, entry)) changes.push({ path, state: 'gone' })
        else if (entry.isFile() || entry.isSymbolicLink()) changes.push({ path, state: 'file' })
        continue
      }
      if (depth === 0) continue
      const below = openBelow({ upper, lower: hides ? null : lower, merged: hides ? null : merged }, entry.name)
      if (below === null) continue
      try {
        await look(below, path, depth - 1)
      } finally {
        for (const one of Object.values(below)) if (one !== null) closeSync(one)
      }
    }
  }
  const [upper, lower] = [openSync(paths.upper, folderFlags), openSync(paths.lower, folderFlags)]
  try {
    await look({ upper, lower, merged: paths.merged }, at, maxOverlayDepth)
  } finally {
    closeSync(upper)
    closeSync(lower)
  }
  return changes
}

/** Null: there is no such folder. */
interface Below {
  readonly upper: number
  readonly lower: number | null
  readonly merged: number | null
}

function openBelow({ upper, lower, merged }: Below, name: string): Below | null {
  const inUpper = openFolder(upper, name)
  if (inUpper === null) return null
  return { upper: inUpper, lower: openFolder(lower, name), merged: openFolder(merged, name) }
}

function openFolder(above: number | null, name: string): number | null {
  if (above === null) return null
  try {
    return openSync(placeIn(above, name), folderFlags)
  } catch {
    return null
  }
}

const placeIn = (folder: number, name: string): string => `/proc/self/fd/${folder}/${name}`

/** @returns null where it cannot be read */
function entriesIn(folder: number): readonly Dirent[] | null {
  try {
    return readdirSync(`/proc/self/fd/${folder}`, { withFileTypes: true })
  } catch {
    return null
  }
}

function namesIn(folder: number): ReadonlySet<string> | null {
  const entries = entriesIn(folder)
  return entries === null ? null : new Set(entries.map(({ name }) => name))
}

/** Whether a folder of the upper layer is there instead of the lower one, and not in addition. */
function hidesLower({ upper, lower, merged }: Layer): boolean {
  const [names, own] = [namesIn(lower), namesIn(upper)]
  const others = names === null || own === null ? [] : [...names].filter((name) => !own.has(name))
  const seen = others.length === 0 ? null : namesIn(merged)
  const unseen = seen === null ? [] : others.filter((name) => !seen.has(name))
  if (unseen.length === 0) return false
  // Somebody may have removed it between the two looks.
  const now = namesIn(lower)
  return unseen.some((name) => now?.has(name) === true)
}

/** How the kernel notes that something was removed: a device that no sandbox can make. */
function isWhiteout(folder: number, entry: Dirent): boolean {
  if (!entry.isCharacterDevice()) return false
  return lstatSync(placeIn(folder, entry.name), { throwIfNoEntry: false })?.rdev === 0
}
