/** Keeps watches by name between requests. */
import { type FSWatcher, watch } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps, WatchedChange, WatchOps, HandlersOf } from '../../protocol/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { type Place, type Root, toRealPlace } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import {
  coalesceMs,
  maxDepth,
  maxFolderEntries,
  maxTransferName,
  maxWatchChanges,
  maxWatchedFolders,
  maxWatchedPaths,
  maxWatches,
  maxWatchWaitMs,
  watchIdleMs,
} from '../limits.ts'

type Input = HandsOps['watch']['input']

export interface Watches {
  readonly ops: HandlersOf<WatchOps>
  close(): void
}

interface Kept {
  readonly tree: Promise<TreeWatch>
  /** One request at a time. */
  isBusy: boolean
  idle: NodeJS.Timeout | undefined
}

export function openWatches(roots: readonly Root[], idleMs: number = watchIdleMs): Watches {
  const kept = new Map<string, Kept>()
  const forget = (name: string, each: Kept): void => {
    clearTimeout(each.idle)
    if (kept.get(name) === each) kept.delete(name)
    each.tree.then(
      (tree) => tree.close(),
      () => undefined,
    )
  }
  const open = (input: Input): Kept => {
    if (input.watch === '' || input.watch.length > maxTransferName)
      throw failed('bad_input', 'A watch needs a short name.', 'Choose another one.')
    const existing = kept.get(input.watch)
    if (existing?.isBusy === true) throw failed('bad_input', 'This watch already has a request.', 'Wait for its reply.')
    if (existing !== undefined) return existing
    if (kept.size >= maxWatches) throw failed('limit_reached', 'Too many folders are watched.', 'Cancel one first.')
    const begun: Kept = { tree: beginWatch(roots, input), isBusy: false, idle: undefined }
    kept.set(input.watch, begun)
    return begun
  }
  return {
    ops: {
      async watch(input, signal) {
        throwIfCancelled(signal)
        const each = open(input)
        each.isBusy = true
        clearTimeout(each.idle)
        try {
          const tree = await each.tree
          await tree.changed(Math.min(input.waitMs, maxWatchWaitMs), signal)
          throwIfCancelled(signal)
          // Changes rarely come alone.
          if (input.waitMs > 0) await new Promise((resolve) => setTimeout(resolve, coalesceMs))
          throwIfCancelled(signal)
          const output = await tree.take(Math.max(0, Math.min(input.maxChanges, maxWatchChanges)))
          each.idle = setTimeout(() => forget(input.watch, each), idleMs).unref()
          return output
        } catch (error) {
          forget(input.watch, each)
          throw error
        } finally {
          each.isBusy = false
        }
      },
    },
    close() {
      for (const [name, each] of kept) forget(name, each)
    },
  }
}

async function beginWatch(roots: readonly Root[], { path, recursive }: Input): Promise<TreeWatch> {
  const place = await toRealPlace(roots, path)
  try {
    return await watchTree(place, recursive)
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

// Watches a folder and those below it with one inotify watch for each, added as folders appear. Node's recursive watch follows links and
// reads the whole tree at once. It keeps which paths have changed, not how; that is looked up for a reply. Entries may appear in a new
// folder before it is watched, so everything in it counts as changed.

interface TreeWatch {
  /** Resolves at a change or the timeout. @throws why the watch has ended, after all changes were returned: `not_found`, `limit_reached` */
  changed(waitMs: number, signal: AbortSignal): Promise<void>
  /** @returns what has changed since the last call; never throws */
  take(maxChanges: number): Promise<{ changes: WatchedChange[]; overflow: boolean }>
  close(): void
}

interface Watching {
  readonly top: Place
  readonly recursive: boolean
  /** By path below the top, '' for the top itself. */
  readonly folders: Map<string, FSWatcher>
  changed: Set<string>
  overflow: boolean
  closed: boolean
  /** Identifies the top, to detect its replacement. */
  readonly topStamp: string
  /** Why the watch has ended: the top was removed or replaced, or there were too many changes. */
  over: Error | null
  /** Number of checks in progress. */
  looks: number
  wake: () => void
}

/** Resolves when the whole tree is watched. */
async function watchTree(top: Place, recursive: boolean): Promise<TreeWatch> {
  const watching: Watching = {
    top,
    recursive,
    folders: new Map(),
    changed: new Set(),
    overflow: false,
    closed: false,
    topStamp: await stampOf(top.real),
    over: null,
    looks: 0,
    wake: () => undefined,
  }
  await addFolder(watching, '', 0, false)
  return {
    changed: (waitMs, signal) => firstChange(watching, waitMs, signal),
    async take(maxChanges) {
      const { changed, overflow } = watching
      watching.changed = new Set()
      watching.overflow = false
      const found = await Promise.all([...changed].sort().map(async (path) => ({ path, kind: await kindOf(realOf(watching, path)) })))
      // A removed folder implies the removal of its contents.
      const removed = new Set(found.filter(({ kind }) => kind === 'missing').map(({ path }) => path))
      const reported = found.filter(({ path, kind }) => kind !== 'missing' || !isBelowAny(path, removed))
      const changes = reported
        .slice(0, maxChanges)
        .map(({ path, kind }) => ({ path: path === '' ? top.virtual : `${top.virtual}/${path}`, kind }))
      return { changes, overflow: overflow || reported.length > maxChanges }
    },
    close() {
      watching.closed = true
      endAll(watching)
    },
  }
}

function endAll(watching: Watching): void {
  for (const watcher of watching.folders.values()) watcher.close()
  watching.folders.clear()
  watching.wake()
}

function realOf({ top }: Watching, path: string): string {
  return path === '' ? top.real : `${top.real}/${path}`
}

async function stampOf(real: string): Promise<string> {
  const stats = await lstat(real).catch(() => null)
  return `${stats?.dev} ${stats?.ino} ${stats?.birthtimeMs}`
}

async function kindOf(real: string): Promise<WatchedChange['kind']> {
  const stats = await lstat(real).catch(() => null)
  if (stats === null) return 'missing'
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}

function isBelowAny(path: string, folders: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) if (folders.has(path.slice(0, at))) return true
  return path !== '' && folders.has('')
}

function note(watching: Watching, path: string): void {
  // After the end the caller reads everything again: a check that is still in progress must add nothing.
  if (watching.over !== null) return
  if (watching.changed.size < maxWatchedPaths) watching.changed.add(path)
  else watching.overflow = true
  watching.wake()
}

function endByFlood(watching: Watching): void {
  watching.over ??= failed('limit_reached', `Too many changes in ${watching.top.virtual}.`, 'Try again later.')
  watching.overflow = true
  endAll(watching)
}

function recordOverflow(watching: Watching): void {
  watching.overflow = true
  watching.wake()
}

/** @param isNew its contents count as changed */
async function addFolder(watching: Watching, path: string, depth: number, isNew: boolean): Promise<void> {
  if (watching.closed || watching.over !== null || watching.folders.has(path)) return
  if (watching.folders.size >= maxWatchedFolders || depth > maxDepth) return recordOverflow(watching)
  try {
    const watcher = watch(realOf(watching, path), { persistent: false })
    watching.folders.set(path, watcher)
    watcher.on('error', () => recordOverflow(watching))
    watcher.on('change', (event, name) => {
      if (typeof name !== 'string') return recordOverflow(watching)
      // The flood may never stop: without an end nothing else would run again.
      if (watching.looks >= maxWatchedPaths) return endByFlood(watching)
      watching.looks += 1
      void onEvent(watching, path, name, depth, event === 'rename').finally(() => (watching.looks -= 1))
    })
  } catch {
    return recordOverflow(watching)
  }
  // First watched, then read: an entry that appears in between is noticed twice, and reported once.
  const entries = await readdir(realOf(watching, path), { withFileTypes: true }).catch(() => [])
  if (entries.length > maxFolderEntries) recordOverflow(watching)
  for (const entry of entries.slice(0, maxFolderEntries)) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`
    if (isOurs(entry.name)) continue
    if (isNew) note(watching, below)
    if (watching.recursive && entry.isDirectory()) await addFolder(watching, below, depth + 1, isNew)
  }
}

function isOurs(name: string): boolean {
  return isTemporary(name) || name === '.oxbow-uploads'
}

/** @param renamed the name was added or removed */
async function onEvent(watching: Watching, folder: string, name: string, depth: number, renamed: boolean): Promise<void> {
  if (watching.closed || watching.over !== null || isOurs(name)) return
  const kind = await kindOf(realOf(watching, folder))
  // A removed folder reports its own name, as if it contained an entry of that name.
  const isReplaced = folder === '' && renamed && name === posix.basename(watching.top.real)
  if (kind === 'missing' || (isReplaced && (await stampOf(watching.top.real)) !== watching.topStamp)) return forgetFolder(watching, folder)
  const path = folder === '' ? name : `${folder}/${name}`
  note(watching, path)
  if (!watching.recursive) return
  const isFolder = (await kindOf(realOf(watching, path))) === 'folder'
  // Another folder may have taken its name: the watched one was removed or moved.
  if (watching.folders.has(path) && (renamed || !isFolder)) forgetFolder(watching, path)
  if (isFolder) await addFolder(watching, path, depth + 1, true)
}

/** Removes a folder and those below it. */
function forgetFolder(watching: Watching, folder: string): void {
  note(watching, folder)
  if (folder === '') {
    watching.over ??= failed('not_found', `${watching.top.virtual} was removed or replaced.`, 'Watch it again if it exists.')
    return endAll(watching)
  }
  for (const [path, watcher] of watching.folders) {
    if (path !== folder && !path.startsWith(`${folder}/`)) continue
    watcher.close()
    watching.folders.delete(path)
  }
}

async function firstChange(watching: Watching, waitMs: number, signal: AbortSignal): Promise<void> {
  const isOver = (): boolean => watching.changed.size > 0 || watching.overflow || watching.closed || signal.aborted
  if (watching.over !== null && !isOver()) throw watching.over
  if (isOver() || waitMs <= 0) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      watching.wake = () => undefined
      resolve()
    }
    const timer = setTimeout(done, waitMs)
    signal.addEventListener('abort', done, { once: true })
    watching.wake = done
  })
}
