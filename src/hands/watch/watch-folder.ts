/** Keeps watches by name, from question to question. */
import { type FSWatcher, watch } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps, WatchedChange, WatchOps } from '../../types/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { type Place, type Root, toRealPlace } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import type { HandlersOf } from '../handlers.ts'
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
  /** One question at a time. */
  asked: boolean
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
      throw failed('bad_input', 'A watch needs a short name.', 'Make up another one.')
    const known = kept.get(input.watch)
    if (known?.asked === true) throw failed('bad_input', 'This watch is being asked already.', 'Wait for its answer.')
    if (known !== undefined) return known
    if (kept.size >= maxWatches) throw failed('limit_reached', 'Too many folders are watched.', 'End one by a cancel first.')
    const begun: Kept = { tree: beginWatch(roots, input), asked: false, idle: undefined }
    kept.set(input.watch, begun)
    return begun
  }
  return {
    ops: {
      async watch(input, signal) {
        throwIfCancelled(signal)
        const each = open(input)
        each.asked = true
        clearTimeout(each.idle)
        try {
          const tree = await each.tree
          await tree.changed(Math.min(input.waitMs, maxWatchWaitMs), signal)
          throwIfCancelled(signal)
          // One change rarely comes alone.
          if (input.waitMs > 0) await new Promise((resolve) => setTimeout(resolve, coalesceMs))
          throwIfCancelled(signal)
          const output = await tree.take(Math.max(0, Math.min(input.maxChanges, maxWatchChanges)))
          each.idle = setTimeout(() => forget(input.watch, each), idleMs).unref()
          return output
        } catch (error) {
          forget(input.watch, each)
          throw error
        } finally {
          each.asked = false
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

// Sees what changes in a folder, and in those below it: one inotify watch a folder, made as folders come. Node's own recursive
// watch follows links and reads the whole tree at once. What is remembered is which paths have changed, not how; that is looked
// up when somebody asks. Between the moment a folder is made and the moment it is watched things may happen in it, so all that
// it holds then counts as changed.

interface TreeWatch {
  /** Resolves when something has changed, or the time is over. @throws why it is over, when all was told: `not_found`, `limit_reached` */
  changed(waitMs: number, signal: AbortSignal): Promise<void>
  /** @returns what has changed since the last time; never throws */
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
  /** Tells the top from another one that took its place. */
  readonly topStamp: string
  /** Why nothing can be seen any more: the top is gone, or another one, or more happens than can be looked at. */
  over: Error | null
  /** Looks that have begun and not ended. */
  looks: number
  wake: () => void
}

/** Resolves when all that is there is watched. */
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
      // A folder that is gone says so for all it held.
      const gone = new Set(found.filter(({ kind }) => kind === 'missing').map(({ path }) => path))
      const told = found.filter(({ path, kind }) => kind !== 'missing' || !isBelowAny(path, gone))
      const changes = told
        .slice(0, maxChanges)
        .map(({ path, kind }) => ({ path: path === '' ? top.virtual : `${top.virtual}/${path}`, kind }))
      return { changes, overflow: overflow || told.length > maxChanges }
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
  // Whoever is told that it is over looks at everything anew: what was seen before and is only looked at now must not come between.
  if (watching.over !== null) return
  if (watching.changed.size < maxWatchedPaths) watching.changed.add(path)
  else watching.overflow = true
  watching.wake()
}

function drown(watching: Watching): void {
  watching.over ??= failed('limit_reached', `More changes in ${watching.top.virtual} than can be looked at.`, 'Ask again in a while.')
  watching.overflow = true
  endAll(watching)
}

function lose(watching: Watching): void {
  watching.overflow = true
  watching.wake()
}

/** @param tell what it holds has changed: it is new */
async function addFolder(watching: Watching, path: string, depth: number, tell: boolean): Promise<void> {
  if (watching.closed || watching.over !== null || watching.folders.has(path)) return
  if (watching.folders.size >= maxWatchedFolders || depth > maxDepth) return lose(watching)
  try {
    const watcher = watch(realOf(watching, path), { persistent: false })
    watching.folders.set(path, watcher)
    watcher.on('error', () => lose(watching))
    watcher.on('change', (event, name) => {
      if (typeof name !== 'string') return lose(watching)
      // More comes than can be looked at, perhaps for ever: without an end nothing else would ever run here again.
      if (watching.looks >= maxWatchedPaths) return drown(watching)
      watching.looks += 1
      void see(watching, path, name, depth, event === 'rename').finally(() => (watching.looks -= 1))
    })
  } catch {
    return lose(watching)
  }
  // First watched, then read: what comes in between is seen twice, and told once.
  const entries = await readdir(realOf(watching, path), { withFileTypes: true }).catch(() => [])
  if (entries.length > maxFolderEntries) lose(watching)
  for (const entry of entries.slice(0, maxFolderEntries)) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`
    if (isOurs(entry.name)) continue
    if (tell) note(watching, below)
    if (watching.recursive && entry.isDirectory()) await addFolder(watching, below, depth + 1, tell)
  }
}

function isOurs(name: string): boolean {
  return isTemporary(name) || name === '.oxbow-uploads'
}

/** @param renamed the name has come or gone */
async function see(watching: Watching, folder: string, name: string, depth: number, renamed: boolean): Promise<void> {
  if (watching.closed || watching.over !== null || isOurs(name)) return
  const kind = await kindOf(realOf(watching, folder))
  // A folder that goes says its own name, as if it held something that is called so.
  const isReplaced = folder === '' && renamed && name === posix.basename(watching.top.real)
  if (kind === 'missing' || (isReplaced && (await stampOf(watching.top.real)) !== watching.topStamp)) return forgetFolder(watching, folder)
  const path = folder === '' ? name : `${folder}/${name}`
  note(watching, path)
  if (!watching.recursive) return
  const isFolder = (await kindOf(realOf(watching, path))) === 'folder'
  // One of the same name may have taken its place: what is watched is then gone, or elsewhere.
  if (watching.folders.has(path) && (renamed || !isFolder)) forgetFolder(watching, path)
  if (isFolder) await addFolder(watching, path, depth + 1, true)
}

/** A folder that is gone, and those that were below. */
function forgetFolder(watching: Watching, folder: string): void {
  note(watching, folder)
  if (folder === '') {
    watching.over ??= failed('not_found', `${watching.top.virtual}, as it was, is gone.`, 'Ask again to watch what stands there now.')
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
