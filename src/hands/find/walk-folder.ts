/** Walks a folder in a fixed order, folders first, without following links. */
import type { Dirent } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { type Place, type Root, toPlace, toRealPlace } from '../files/workspace-path.ts'
import { maxDepth, maxFolderEntries, walkBatchEntries } from '../limits.ts'
import { enterLayer, type IgnoreLayer, verdictOf } from './ignore-rules.ts'
import { createGuard, type Guard, toGlob } from './pattern.ts'

interface WalkEntry extends Place {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
}

export interface Walk {
  readonly roots: readonly Root[]
  /** 1: only the folder's own entries. */
  readonly depth: number
  /**
   * Treatment of ignored entries: `entered` like all others; `named`, but ignored folders are not entered; `left_out`, as are hidden files
   * and folders.
   */
  readonly ignored: 'entered' | 'named' | 'left_out'
  /** Guards the matching of untrusted rules. */
  readonly guard: Guard
  readonly signal: AbortSignal
  /** A folder that was read only in part; '' if all were read whole. */
  cut: string
}

/** @throws `limit_reached` when nothing was found in an incomplete walk. @returns whether the walk is incomplete */
export function wasCut({ cut }: Walk, found: number): boolean {
  if (cut === '' || found > 0) return cut !== ''
  throw failed(
    'limit_reached',
    `${cut} has more than ${maxFolderEntries} entries; nothing was found in the first ${maxFolderEntries}, and the rest was not searched.`,
    'Name a smaller folder, or use a command such as find or grep.',
  )
}

/** Ignored without a rule: large, and rarely wanted. */
const closedFolders: ReadonlySet<string> = new Set(['.git', 'node_modules'])

/** Byte order of UTF-16: the same on every machine, whatever its locale. */
function byName(a: Dirent, b: Dirent): number {
  const folders = Number(b.isDirectory()) - Number(a.isDirectory())
  return folders === 0 ? (a.name < b.name ? -1 : 1) : folders
}

async function readFolder(folder: Place, walk: Walk): Promise<Dirent[]> {
  const entries: Dirent[] = []
  for await (const entry of await opendir(folder.real)) {
    throwIfCancelled(walk.signal)
    if (entries.length >= maxFolderEntries) {
      walk.cut = folder.virtual
      break
    }
    entries.push(entry)
  }
  return entries.sort(byName)
}

/**
 * Yields each folder's entries before what is in them; a subfolder that vanishes or is unreadable is skipped. `top` itself is walked even
 * if a rule ignores it.
 * @throws a system error when `top` itself cannot be read
 */
export async function* walkFolder(top: Place, walk: Walk): AsyncGenerator<WalkEntry> {
  const entries = await readFolder(top, walk)
  const above = walk.ignored === 'entered' ? null : await layersAbove(walk.roots, top)
  yield* walkEntries(entries, top, above, Math.min(walk.depth, maxDepth), walk)
}

async function* walkEntries(
  entries: readonly Dirent[],
  folder: Place,
  above: IgnoreLayer | null,
  depth: number,
  walk: Walk,
): AsyncGenerator<WalkEntry> {
  const layer = walk.ignored === 'entered' ? null : await enterLayer(walk.roots, folder, new Set(entries.map((entry) => entry.name)), above)
  const ignored = layer === null ? null : ignoredNames(entries, layer, walk)
  for (const entry of entries) {
    const place = { virtual: `${folder.virtual}/${entry.name}`, real: `${folder.real}/${entry.name}` }
    const skipped = ignored?.has(entry.name) ?? false
    if (skipped && walk.ignored === 'left_out') continue
    yield { ...place, kind: kindOf(entry) }
    if (!entry.isDirectory() || depth <= 1 || skipped) continue
    const inside = await readFolder(place, walk).catch(() => [])
    throwIfCancelled(walk.signal)
    yield* walkEntries(inside, place, layer, depth - 1, walk)
  }
}

/** Matches all names of a folder in one guarded call: the guard costs more than the rules. */
function ignoredNames(entries: readonly Dirent[], layer: IgnoreLayer, walk: Walk): ReadonlySet<string> {
  const isIgnored = (entry: Dirent): boolean => {
    const verdict = layer.empty ? null : verdictOf(layer, `${layer.virtual}/${entry.name}`, entry.isDirectory())
    if (entry.isDirectory() && closedFolders.has(entry.name)) return verdict !== 'kept' || entry.name === '.git'
    return verdict === 'ignored' || (verdict === null && walk.ignored === 'left_out' && entry.name.startsWith('.'))
  }
  const names = (): Set<string> => new Set(entries.filter(isIgnored).map((entry) => entry.name))
  return layer.empty ? names() : walk.guard(names)
}

/**
 * Matching entries in batches: a guard for each match would cost more than reading the files.
 * @param fits takes the path below `top`; null: all match
 */
export async function* walkBatches(
  top: Place,
  walk: Walk,
  isWanted: (entry: WalkEntry) => boolean,
  fits: ((path: string) => boolean) | null,
): AsyncGenerator<readonly WalkEntry[]> {
  const filter = (entries: readonly WalkEntry[]): readonly WalkEntry[] =>
    fits === null ? entries : walk.guard(() => entries.filter((entry) => fits(entry.virtual.slice(top.virtual.length + 1))))
  let batch: WalkEntry[] = []
  for await (const entry of walkFolder(top, walk)) {
    if (!isWanted(entry)) continue
    batch.push(entry)
    if (batch.length < walkBatchEntries) continue
    yield filter(batch)
    batch = []
  }
  yield filter(batch)
}

/** Rules of the folders between the root and `top` also apply below it. */
async function layersAbove(roots: readonly Root[], top: Place): Promise<IgnoreLayer | null> {
  const place = toPlace(roots, top.virtual)
  if (place.isRoot) return null
  const folder = { virtual: posix.dirname(place.virtual), real: posix.dirname(place.real) }
  const above = await layersAbove(roots, folder)
  const names = new Set<string>()
  for (const name of ['.rgignore', '.ignore', '.gitignore', '.git']) {
    if ((await lstat(`${folder.real}/${name}`).catch(() => null)) !== null) names.add(name)
  }
  return enterLayer(roots, folder, names, above)
}

/** @returns the size of a file; 0 for anything else. */
async function fileBytes(entry: WalkEntry): Promise<number> {
  if (entry.kind !== 'file') return 0
  const stats = await lstat(entry.real).catch(() => null)
  return stats?.size ?? 0
}

function kindOf(entry: Dirent): WalkEntry['kind'] {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  return entry.isSymbolicLink() ? 'link' : 'other'
}

/** Lists each folder right before its contents. Ignored folders are named, not entered, unless `all` is set. */
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
