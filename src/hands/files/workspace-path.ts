/**
 * From the paths that callers say to the paths that are opened. In a sandbox the two are equal and the operating system is
 * the wall; here the same checks also hold where there is no sandbox (`--insecure`), and refuse what is no regular file.
 *
 * A path is followed to its real path first, which must lie under a root; then it is opened without following a last link
 * and without waiting (a FIFO would), and what was opened is looked at again.
 */
import { existsSync, type Stats } from 'node:fs'
import { constants, type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises'
import { posix, sep } from 'node:path'
import { gitRuns, isBareRepository } from '../../types/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { maxPathBytes } from '../limits.ts'

/** A folder that exists for callers. `real` has no links in it. */
export interface Root {
  readonly virtual: string
  readonly real: string
}

/** `virtual` is for people, `real` is for the operating system. */
export interface Place {
  readonly virtual: string
  readonly real: string
}

/** Reads the path as text only. @throws `bad_input`, or `path_refused` outside the roots. */
export function toPlace(roots: readonly Root[], path: string): Place & { readonly isRoot: boolean } {
  if (path.includes('\0')) throw failed('bad_input', 'A path cannot hold a NUL character.', 'Remove it.')
  if (Buffer.byteLength(path) > maxPathBytes) throw failed('bad_input', 'The path is too long.', 'Use a shorter name.')
  const virtual = posix.normalize(path).replace(/(.)\/+$/, '$1')
  for (const root of roots) {
    if (virtual === root.virtual) return { virtual, real: root.real, isRoot: true }
    if (virtual.startsWith(`${root.virtual}/`)) return { virtual, real: root.real + virtual.slice(root.virtual.length), isRoot: false }
  }
  throw outside(roots, path)
}

/** Follows every link. @throws `not_found`, or `path_refused` when it leads out of the roots. */
export async function toRealPlace(roots: readonly Root[], path: string): Promise<Place> {
  const place = toPlace(roots, path)
  try {
    const real = await realpath(place.real)
    if (!isInside(roots, real)) throw outside(roots, path)
    return { virtual: place.virtual, real }
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

/** @returns where a path will stand, links on the way followed, the last part not. Nothing is made. @throws `path_refused`. */
export async function resolveNew(roots: readonly Root[], place: Place): Promise<string> {
  const parent = posix.dirname(place.real)
  const standing = await nearestStanding(parent)
  const real = await realpath(standing).catch(() => null)
  if (real === null) throw failed('path_refused', `${place.virtual} leads through a link that leads nowhere.`, otherPath)
  if (!isInside(roots, real)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, otherPath)
  return posix.join(real, place.real.slice(standing.length))
}

export const otherPath = 'Choose a path under /shared or /tmp that is no link.'

async function nearestStanding(folder: string): Promise<string> {
  const stats = await lstat(folder).catch(() => null)
  return stats === null ? nearestStanding(posix.dirname(folder)) : folder
}

/**
 * The name itself, which may be a link or nothing: only the folders on the way are followed.
 * @throws `path_refused` when they lead out; system errors
 */
export async function toNamedPlace(roots: readonly Root[], place: Place): Promise<Place> {
  const folder = await realpath(posix.dirname(place.real))
  if (!isInside(roots, folder)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, 'Choose another path.')
  return { virtual: place.virtual, real: `${folder}/${posix.basename(place.real)}` }
}

/** A regular file, open for reading. The caller closes it. @throws `not_found` or `path_refused`. */
export async function openRegularFile(roots: readonly Root[], path: string): Promise<Place & { file: FileHandle; stats: Stats }> {
  const place = await toRealPlace(roots, path)
  try {
    // Looked at before it is opened: opening some devices does something.
    refuseSpecial(await lstat(place.real), place.virtual)
    const file = await open(place.real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = await file.stat()
      refuseSpecial(stats, place.virtual)
      // A folder on the way may have been swapped for a link since: ask the system where the open file really is.
      if (process.platform === 'linux' && !isInside(roots, await readlink(`/proc/self/fd/${file.fd}`))) throw outside(roots, path)
      return { ...place, file, stats }
    } catch (error) {
      await file.close()
      throw error
    }
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

export function isInside(roots: readonly Root[], real: string): boolean {
  return roots.some((root) => real === root.real || real.startsWith(root.real + sep))
}

/** @returns the path as callers know it; one that lies under no root as it is. */
export function toVirtual(roots: readonly Root[], real: string): string {
  const root = roots.find((each) => isInside([each], real))
  return root === undefined ? real : root.virtual + real.slice(root.real.length)
}

/** @throws `path_refused` for everything but a regular file. */
export function refuseSpecial(stats: Stats, virtual: string): void {
  if (stats.isFile()) return
  const kind = stats.isDirectory() ? 'a folder' : stats.isSymbolicLink() ? 'a link' : 'a device, FIFO or socket'
  throw failed('path_refused', `${virtual} is ${kind}, not a regular file.`, 'Name a regular file.')
}

function outside(roots: readonly Root[], path: string): Error {
  const names = roots.map((root) => root.virtual).join(' and ')
  return failed('path_refused', `${path} is outside the workspace.`, `Only ${names} exist. Relative paths start at /shared.`)
}

// What no file call may write, because git would run it for whoever works in the repository later, outside of any sandbox:
// hooks, and settings that name programs. In the process tier the launcher has made both read-only where there was a repository
// at its start; this holds in every tier, and for repositories that came later. Commands are not held by it. A folder with
// `HEAD`, `objects` and `refs` is a repository without any `.git`: git takes it for one as soon as somebody stands in it. So no
// file call makes a `HEAD`, and where there is one the same parts are left alone.

/** @param place where something is to be written, moved to, or moved away from. @throws `path_refused` */
export function refuseGuarded(roots: readonly Root[], place: Place): void {
  if (![place.virtual, toVirtual(roots, place.real)].some(isGuarded) && !isOfBareRepository(place.real)) return
  throw failed(
    'path_refused',
    `${place.virtual} is what git runs or takes its settings from: file calls leave it as it is.`,
    'Tell the person what should stand there, or use the git command where commands are allowed.',
  )
}

/** Hooks and settings of a repository, of its submodules and of its further work trees (`.git/modules/…`, `.git/worktrees/…`). */
function isGuarded(path: string): boolean {
  const parts = path.toLowerCase().split('/')
  const git = parts.indexOf('.git')
  if (git === -1) return path.endsWith('/HEAD')
  // `.git` itself: a file of that name says where the repository is, and a folder brings its hooks along.
  return parts.at(-1) === '.git' || parts.slice(git + 1).some((part) => gitRuns.has(part))
}

function isOfBareRepository(real: string): boolean {
  const parts = real.split('/')
  return parts.some((part, i) => {
    const folder = parts.slice(0, i).join('/')
    return gitRuns.has(part.toLowerCase()) && isBareRepository((name) => existsSync(`${folder}/${name}`))
  })
}
