/** Walks a folder in a fixed order, folders first, without following links. */
import { lstat, opendir } from 'node:fs/promises'
import type { Dirent } from 'node:fs'
import { throwIfCancelled } from '../failure.ts'
import { maxDepth, maxFolderEntries } from '../limits.ts'
import type { Place } from './workspace-path.ts'

export interface WalkEntry extends Place {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
}

/** Named when a folder is listed, but not entered: large, and seldom what is looked for. */
const closedFolders: ReadonlySet<string> = new Set(['.git', 'node_modules'])

/** Byte order of UTF-16: the same on every machine, whatever its locale. */
function byName(a: Dirent, b: Dirent): number {
  const folders = Number(b.isDirectory()) - Number(a.isDirectory())
  return folders === 0 ? (a.name < b.name ? -1 : 1) : folders
}

async function readFolder(folder: Place, signal: AbortSignal): Promise<Dirent[]> {
  const entries: Dirent[] = []
  for await (const entry of await opendir(folder.real)) {
    throwIfCancelled(signal)
    if (entries.push(entry) >= maxFolderEntries) break
  }
  return entries.sort(byName)
}

/**
 * Yields each folder's entries before what is in them; a subfolder that vanishes or cannot be read is passed over.
 * @param depth 1: only what stands in the folder itself
 * @throws a system error when `top` itself cannot be read
 */
export async function* walkFolder(top: Place, depth: number, signal: AbortSignal): AsyncGenerator<WalkEntry> {
  yield* walk(await readFolder(top, signal), top, Math.min(depth, maxDepth), signal)
}

async function* walk(entries: readonly Dirent[], folder: Place, depth: number, signal: AbortSignal): AsyncGenerator<WalkEntry> {
  for (const entry of entries) {
    const place = { virtual: `${folder.virtual}/${entry.name}`, real: `${folder.real}/${entry.name}` }
    yield { ...place, kind: kindOf(entry) }
    if (!entry.isDirectory() || depth <= 1 || closedFolders.has(entry.name)) continue
    const inside = await readFolder(place, signal).catch(() => [])
    throwIfCancelled(signal)
    yield* walk(inside, place, depth - 1, signal)
  }
}

/** @returns the size of a file, 0 for what is none or is gone. */
export async function fileBytes(entry: WalkEntry): Promise<number> {
  if (entry.kind !== 'file') return 0
  const stats = await lstat(entry.real).catch(() => null)
  return stats?.size ?? 0
}

function kindOf(entry: Dirent): WalkEntry['kind'] {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  return entry.isSymbolicLink() ? 'link' : 'other'
}
