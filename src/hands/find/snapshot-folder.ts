/**
 * Snapshots of a folder for the versions of the workspace: which files have changed since the last one, and what is in them. Hands remember
 * the stamps of the last snapshot, so that an unchanged file costs one look and no byte of a reply. Synchronously: an asynchronous call for
 * each of ten thousand files costs more than the calls themselves.
 */
import { accessSync, closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  fitsAnyName,
  type HandsOps,
  type HandlersOf,
  isRepositoryName,
  type SnapshotEntry,
  type SnapshotOps,
} from '../../protocol/index.ts'
import { failed, systemCode, throwIfCancelled } from '../failure.ts'
import { isInside, type Root, toRealPlace } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import { freshMs, maxCollectBytes, maxDepth, maxSnapshotFiles, surveyAtOnce } from '../limits.ts'

type Input = HandsOps['snapshot']['input']
type Output = HandsOps['snapshot']['output']
type Collected = HandsOps['collect']['output']['files'][number]

/** Kind and stamp of a file. */
type Seen = Pick<SnapshotEntry, 'kind' | 'stamp'>

/** The last snapshot of a folder, and the list that it gave. */
interface Held {
  readonly snapshot: string
  readonly files: ReadonlyMap<string, Seen>
  readonly changes: readonly SnapshotEntry[]
  readonly whole: boolean
}

export function openSnapshots(roots: readonly Root[]): HandlersOf<SnapshotOps> {
  const held = new Map<string, Held>()
  return {
    async snapshot(input, signal) {
      const top = await toRealPlace(roots, input.path)
      if (input.offset === 0) held.set(top.real, await takeSnapshot(top.real, input, held.get(top.real), signal))
      const last = held.get(top.real)
      if (last === undefined) throw failed('not_found', 'The list of this snapshot is gone.', 'Take another one.')
      return pageOf(last, input)
    },
    async collect({ path, files, maxBytes, maxFileBytes }, signal) {
      const top = await toRealPlace(roots, path)
      const contents: Buffer[] = []
      const collected: Collected[] = []
      let left = Math.min(maxBytes, maxCollectBytes)
      for (const file of files) {
        if (left <= 0) break
        if (collected.length % surveyAtOnce === surveyAtOnce - 1) await yieldToOthers(signal)
        const { content, ...facts } = collectFile(roots, `${top.real}/${file}`, maxFileBytes)
        // A file that does not fit begins the next reply.
        if (content.length > left && collected.length > 0) break
        left -= content.length
        collected.push(facts)
        contents.push(content)
      }
      return { files: collected, content: Buffer.concat(contents) }
    },
  }
}

async function takeSnapshot(top: string, input: Input, before: Held | undefined, signal: AbortSignal): Promise<Held> {
  const known = before !== undefined && before.snapshot === input.since ? before.files : null
  const files = await lookAtFiles(top, input, signal)
  const changes: SnapshotEntry[] = []
  for (const [path, { kind, stamp }] of files) {
    const old = known?.get(path)
    if (old === undefined || old.stamp !== stamp || stamp === '' || old.kind !== kind) changes.push({ path, kind, stamp })
  }
  for (const path of known?.keys() ?? []) if (!files.has(path)) changes.push({ path, kind: 'gone', stamp: '' })
  return { snapshot: process.hrtime.bigint().toString(36), files, changes, whole: known === null }
}

function pageOf({ snapshot, changes, whole }: Held, { offset, maxEntries }: Input): Output {
  const entries = changes.slice(offset, offset + maxEntries)
  return { snapshot, whole, entries, done: offset + entries.length >= changes.length }
}

async function lookAtFiles(
  top: string,
  { ignore, also = [], maxFileBytes }: Input,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Seen>> {
  const isLeftOut = leftOut(ignore, also)
  const files = new Map<string, Seen>()
  const folders = ['']
  let looks = 0
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of entriesIn(`${top}/${folder}`)) {
      const { name } = entry
      const path = folder === '' ? name : `${folder}/${name}`
      if (isTemporary(name) || isLeftOut(path, name, folder)) continue
      if (entry.isDirectory()) {
        // Folders of the person are mounted at the top, and may be read-only.
        if (path.split('/').length < maxDepth && (folder !== '' || isWritable(`${top}/${path}`))) folders.push(path)
        continue
      }
      const seen = lookAt(`${top}/${path}`, maxFileBytes)
      if (seen === null) continue
      if (files.size >= maxSnapshotFiles) {
        const hint = 'Name folders that need no versions in `versions.ignore`.'
        throw failed('limit_reached', `There are more than ${maxSnapshotFiles} files.`, hint)
      }
      files.set(path, seen)
      if ((looks += 1) % surveyAtOnce === 0) await yieldToOthers(signal)
    }
  }
  return files
}

/** Yields to other requests and cancellations. */
async function yieldToOthers(signal: AbortSignal): Promise<void> {
  await nextTurn()
  throwIfCancelled(signal)
}

/**
 * Repositories in every spelling that git itself refuses, what hands stage, and the patterns of the configuration are left out, but for what
 * `also` names: these files, and repositories in these folders; '' is all folders.
 */
function leftOut(patterns: readonly string[], also: readonly string[]): (path: string, name: string, folder: string) => boolean {
  const isIgnored = fitsAnyName(patterns)
  const named = new Set(also)
  const isEverywhere = named.has('')
  const above = new Set(also.flatMap((path) => foldersAbove(path)))
  /** Folders that are left out, and entered for what is named in them. */
  const halfSeen = new Set<string>()
  return (path, name, folder) => {
    if (/^\.oxbow-uploads$/i.test(name)) return true
    if (named.has(path)) return false
    const isOut =
      halfSeen.has(folder) ||
      isIgnored(name) ||
      (isRepositoryName(name) && !isEverywhere && !foldersAbove(path).some((one) => named.has(one)))
    if (!isOut) return false
    if (!above.has(path)) return true
    halfSeen.add(path)
    return false
  }
}

function foldersAbove(path: string): readonly string[] {
  return path
    .split('/')
    .map((_, at, names) => names.slice(0, at).join('/'))
    .filter((folder) => folder !== '')
}

function entriesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    return systemCode(error) !== 'EROFS'
  }
}

/** @returns null for what is neither a file nor a link, or is gone */
function lookAt(path: string, maxFileBytes: number): Seen | null {
  try {
    const stats = lstatSync(path)
    if (stats.isSymbolicLink()) return { kind: 'link', stamp: stampOf(stats) }
    if (!stats.isFile()) return null
    return { kind: stats.size > maxFileBytes ? 'large' : 'file', stamp: stampOf(stats) }
  } catch {
    return null
  }
}

/** Changes with every change of the content or the mode. @returns '' while a change could go unnoticed */
function stampOf(stats: Stats): string {
  if (Math.abs(Date.now() - stats.ctimeMs) < freshMs) return ''
  return `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`
}

type CollectedFile = Collected & { readonly content: Buffer }

/** Without a content. */
function without(kind: 'gone' | 'large' | 'closed', stamp = ''): CollectedFile {
  return { kind, bytes: -1, stamp, content: Buffer.alloc(0) }
}

function collectFile(roots: readonly Root[], path: string, maxFileBytes: number): CollectedFile {
  let stamp = ''
  try {
    const named = lstatSync(path)
    if (named.isSymbolicLink()) {
      const content = Buffer.from(readlinkSync(path))
      return { kind: 'link', bytes: content.length, stamp: stampOf(named), content }
    }
    // Checked before it is opened: opening some devices has effects.
    if (!named.isFile()) return without('gone')
    stamp = stampOf(named)
    if (named.size > maxFileBytes) return without('large', stamp)
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return readOpen(roots, file, maxFileBytes)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error)) ? without('gone') : without('closed', stamp)
  }
}

function readOpen(roots: readonly Root[], file: number, maxFileBytes: number): CollectedFile {
  const before = fstatSync(file)
  // A folder of the path may have been swapped for a link.
  const isOutside = process.platform === 'linux' && !isInside(roots, readlinkSync(`/proc/self/fd/${file}`))
  if (isOutside || !before.isFile()) return without('gone')
  if (before.size > maxFileBytes) return without('large', stampOf(before))
  const buffer = Buffer.alloc(before.size)
  let length = 0
  for (let read = -1; read !== 0 && length < buffer.length; length += read)
    read = readSync(file, buffer, length, buffer.length - length, length)
  const content = buffer.subarray(0, length)
  const stamp = stampOf(before)
  const isSame = stamp !== '' && stampOf(fstatSync(file)) === stamp
  return { kind: (before.mode & 0o111) === 0 ? 'file' : 'program', bytes: length, stamp: isSame ? stamp : '', content }
}
