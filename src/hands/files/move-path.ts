/**
 * Moves a file, folder or link. Between `/shared` and `/tmp`, which are separate file systems, it is copied next to its new path first: the
 * new name appears with the complete content, and the old one is removed last.
 */
import type { Stats } from 'node:fs'
import { chmod, constants, cp, lstat, open, readdir, readFile, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { changedMeanwhile, removeExpected } from './expected-file.ts'
import { copySyncBytes, readBlockBytes } from '../limits.ts'
import { type Place, refuseGuarded, resolveNew, type Root, toNamedPlace, toPlace } from './workspace-path.ts'
import { makeFolderFor, removeMade, renameToFree, syncFolder, temporaryBeside } from './write-file.ts'

type Input = HandsOps['move']['input']
type Kind = HandsOps['move']['output']['kind']

interface Moved extends Place {
  readonly stats: Stats
  readonly kind: Kind
}

/** Moves a file, a folder, or a link itself; makes missing folders. */
export async function movePath(roots: readonly Root[], input: Input, signal: AbortSignal): Promise<HandsOps['move']['output']> {
  const from = await existing(roots, input.from)
  const to = toPlace(roots, input.to)
  if (to.isRoot) throw isFolder(to.virtual, from.virtual)
  let target: { real: string; made: string | null } | null = null
  try {
    const place = { virtual: to.virtual, real: await resolveNew(roots, to) }
    refuseGuarded(roots, from)
    refuseGuarded(roots, place)
    const replaced = await checkTarget(from, place, input.overwrite)
    throwIfCancelled(signal)
    target = await makeFolderFor(roots, to)
    await moveTo(from, { virtual: to.virtual, real: target.real }, replaced, signal)
    await syncFolder(posix.dirname(target.real))
    await syncFolder(posix.dirname(from.real))
    return { kind: from.kind, replaced: replaced !== null }
  } catch (error) {
    if (target !== null) await removeMade(target)
    throw systemCode(error) === 'EEXIST' ? taken(to.virtual) : fromSystemError(error, to.virtual)
  }
}

/** Resolves the folder only: if the last part is a link, the link itself is moved. */
async function existing(roots: readonly Root[], path: string): Promise<Moved> {
  const place = toPlace(roots, path)
  if (place.isRoot) throw failed('path_refused', `${place.virtual} itself cannot be moved.`, 'Move what is in it.')
  try {
    const { real } = await toNamedPlace(roots, place)
    const stats = await lstat(real)
    return { virtual: place.virtual, real, stats, kind: kindOf(stats, place.virtual) }
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

function kindOf(stats: Stats, virtual: string): Kind {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  if (stats.isSymbolicLink()) return 'link'
  throw failed('path_refused', `${virtual} is a device, FIFO or socket.`, 'Only files, folders and links can be moved.')
}

/** @returns what will be replaced, or null. @throws if the move is impossible, before anything is changed. */
async function checkTarget(from: Moved, to: Place, overwrite: boolean): Promise<Stats | null> {
  if (to.real === from.real) throw failed('bad_input', `${to.virtual} is already its name.`, 'Choose another name.')
  if (to.real.startsWith(`${from.real}/`)) {
    throw failed('bad_input', `${from.virtual} cannot be moved into itself.`, 'Choose a path outside of it.')
  }
  const there = await lstat(to.real).catch(() => null)
  if (there === null) return null
  if (there.isDirectory()) throw isFolder(to.virtual, from.virtual)
  if (!overwrite) throw taken(to.virtual)
  if (from.kind !== 'folder') return there
  throw failed('path_refused', `${to.virtual} is not a folder: a folder cannot replace it.`, 'Delete it first, or choose another name.')
}

function isFolder(virtual: string, from: string): Error {
  const inside = `${virtual}/${posix.basename(from)}`
  return failed('path_refused', `${virtual} is a folder.`, `Give the complete new path, such as ${inside}.`)
}

function taken(virtual: string): Error {
  return failed('tool_failed', `${virtual} already exists.`, 'Choose another name, or pass overwrite to replace it.')
}

async function moveTo(from: Moved, target: Place, replaced: Stats | null, signal: AbortSignal): Promise<void> {
  // Two names of one file: rename would do nothing.
  if (replaced !== null && replaced.nlink > 1 && replaced.ino === from.stats.ino && replaced.dev === from.stats.dev) {
    await unlink(from.real)
    return
  }
  const place = async (real: string): Promise<void> =>
    replaced === null && from.kind === 'file' ? renameToFree(real, target.real) : rename(real, target.real)
  try {
    await place(from.real)
    return
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error
  }
  await refuseMounts(from)
  const copy = temporaryBeside(target.real)
  try {
    // A copy by the system cannot be cancelled, and copying a large file takes longer than the kernel waits.
    const filter = async (source: string, file: string): Promise<boolean> => {
      throwIfCancelled(signal)
      const stats = await lstat(source)
      if (stats.isFile()) await copyFile(source, file, stats, signal)
      return !stats.isFile()
    }
    await cp(from.real, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true, filter })
    await syncTree(copy, signal)
    await place(copy)
  } catch (error) {
    await removeCopy(copy)
    throw systemCode(error) === 'ENOENT' || systemCode(error).startsWith('ERR_FS_CP') ? notCopied(from.virtual) : error
  }
  await rm(from.real, { recursive: true }).catch((error: unknown) => {
    throw failed(
      'tool_failed',
      `${target.virtual} has a complete copy of ${from.virtual}, but a part of the original cannot be removed (${systemCode(error)}).`,
      'List what is left there. Moving it again would move only that part.',
    )
  })
}

/** Its folders may be read-only, like those that were copied. */
async function removeCopy(copy: string): Promise<void> {
  const unlock = async (real: string): Promise<void> => {
    if ((await lstat(real).catch(() => null))?.isDirectory() !== true) return
    await chmod(real, 0o700)
    for (const name of await readdir(real)) await unlock(`${real}/${name}`)
  }
  await unlock(copy)
  await rm(copy, { recursive: true, force: true })
}

/**
 * A folder with a mount in it cannot be removed, which would fail only after the copy and a partial removal: the launcher bind-mounts files
 * that git runs (git-guard.ts).
 */
async function refuseMounts({ real, virtual }: Place): Promise<void> {
  // Escaped as in proc(5). Without this table nothing is mounted for hands.
  const below = `${real.replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)}/`
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  if (!table.split('\n').some((line) => line.split(' ')[4]?.startsWith(below))) return
  throw failed(
    'path_refused',
    `${virtual} contains a repository whose hooks are protected by a mount, so it cannot be moved to the other file system.`,
    'Copy it with the command cp -r, or move it within /shared.',
  )
}

function notCopied(virtual: string): Error {
  const why = 'it contains a device, FIFO or socket, or a name that is not valid text, or another program is changing it'
  return failed('tool_failed', `${virtual} cannot be copied to the other file system: ${why}.`, 'Delete that first, or use the command mv.')
}

/** Flushes to disk as it goes: one flush at the end would take as long again, and could not be cancelled. */
async function copyFile(from: string, to: string, { mode, atime, mtime }: Stats, signal: AbortSignal): Promise<void> {
  await using source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  await using copy = await open(to, 'wx', mode)
  const block = Buffer.allocUnsafe(readBlockBytes)
  for (let unsynced = 0; ;) {
    throwIfCancelled(signal)
    const { bytesRead } = await source.read(block)
    if (bytesRead === 0) break
    await copy.writeFile(block.subarray(0, bytesRead))
    unsynced += bytesRead
    if (unsynced < copySyncBytes) continue
    await copy.datasync()
    unsynced = 0
  }
  await copy.chmod(mode)
  await copy.utimes(atime, mtime)
}

/** The copy must be on disk before the original is removed. */
async function syncTree(real: string, signal: AbortSignal): Promise<void> {
  throwIfCancelled(signal)
  const stats = await lstat(real)
  if (stats.isDirectory()) for (const name of await readdir(real)) await syncTree(`${real}/${name}`, signal)
  if (!stats.isDirectory() && !stats.isFile()) return
  // A copy may be unreadable; then only its folder can be synced.
  const handle = await open(real).catch(() => null)
  if (handle === null) return
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// Deletes a file, a link (never what it points to) or a folder.

/** `deleted` counts files, links and folders. A delete that fails leaves what it has not reached. */
export async function deletePath(
  roots: readonly Root[],
  input: HandsOps['delete']['input'],
  signal: AbortSignal,
): Promise<HandsOps['delete']['output']> {
  const place = toPlace(roots, input.path)
  if (place.isRoot) throw failed('path_refused', `${place.virtual} itself cannot be deleted.`, 'Delete what is in it.')
  let deleted = 1
  try {
    const { real } = await toNamedPlace(roots, place)
    if (input.ifHash !== undefined) {
      await lstat(real)
      if (!(await removeExpected(real, input.ifHash))) throw changedMeanwhile(place.virtual)
    } else deleted = await remove(Buffer.from(real), input.recursive, signal)
    await removeEmptied(roots, real, input.madeSinceMs ?? Infinity)
    return { deleted }
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENAMETOOLONG') throw tooDeep(place.virtual)
    if (input.recursive && ['EACCES', 'EPERM', 'EROFS', 'EBUSY'].includes(code)) throw notWhole(place.virtual, code)
    throw fromSystemError(error, place.virtual)
  }
}

/** Removes the folders above that are empty and not older than this, as far as the file system says how old they are. Never throws. */
async function removeEmptied(roots: readonly Root[], real: string, sinceMs: number): Promise<void> {
  for (let folder = posix.dirname(real); !roots.some((root) => root.real === folder); folder = posix.dirname(folder)) {
    const stats = await lstat(folder).catch(() => null)
    // A folder of the person that is mounted here cannot be removed.
    if (
      stats === null ||
      stats.birthtimeMs < sinceMs ||
      !(await rmdir(folder).then(
        () => true,
        () => false,
      ))
    )
      return
  }
}

/** Only a command can create such a tree, from folder to folder; the requested path itself is short enough. */
function tooDeep(virtual: string): Error {
  return failed(
    'tool_failed',
    `${virtual} contains folders that are nested too deeply to be deleted here.`,
    'Delete it with the command rm -rf.',
  )
}

function notWhole(virtual: string, code: string): Error {
  const hint = 'List it to see what is left. The hooks of a repository, and with them its .git, are protected while the sandbox lives.'
  return failed('path_refused', `${virtual} cannot be deleted completely (${code}): a part of it may be deleted.`, hint)
}

/** @param real as bytes: names in the folder may not be valid text */
async function remove(real: Buffer, recursive: boolean, signal: AbortSignal): Promise<number> {
  throwIfCancelled(signal)
  if (!(await lstat(real)).isDirectory()) {
    await unlink(real)
    return 1
  }
  let deleted = 1
  if (recursive) {
    for (const name of await readdir(real, { encoding: 'buffer' })) {
      deleted += await remove(Buffer.concat([real, Buffer.from('/'), name]), true, signal)
    }
  }
  await rmdir(real)
  return deleted
}
