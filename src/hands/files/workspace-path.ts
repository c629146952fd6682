/**
 * Resolves the paths of callers to the paths that are opened. In a sandbox the two are equal and the operating system confines them; the
 * same checks also confine paths without a sandbox (`--insecure`), and refuse everything but regular files.
 *
 * A path is resolved to its real path, which must be under a root; then it is opened without following a last link and without blocking (on
 * a FIFO), and the open file is checked again.
 */
import { existsSync, type Stats } from 'node:fs'
import { constants, type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises'
import { posix, sep } from 'node:path'
import { gitRuns, isBareRepository } from '../../protocol/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { maxPathBytes } from '../limits.ts'

/** A folder that callers see. `real` contains no links. */
export interface Root {
  readonly virtual: string
  readonly real: string
}

/** `virtual` is shown, `real` is for the operating system. */
export interface Place {
  readonly virtual: string
  readonly real: string
}

/** Does not access the file system. @throws `bad_input`, or `path_refused` outside the roots. */
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

/** Follows every link. @throws `not_found`, or `path_refused` when it leads outside the roots. */
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

/**
 * @returns the real path of a new file: links in its folder are followed, the last part is not. Creates nothing. @throws `path_refused`.
 */
export async function resolveNew(roots: readonly Root[], place: Place): Promise<string> {
  const parent = posix.dirname(place.real)
  const existing = await nearestExisting(parent)
  const real = await realpath(existing).catch(() => null)
  if (real === null) throw failed('path_refused', `${place.virtual} contains a broken link.`, otherPath)
  if (!isInside(roots, real)) throw failed('path_refused', `${place.virtual} leads outside the workspace.`, otherPath)
  return posix.join(real, place.real.slice(existing.length))
}

export const otherPath = 'Choose a path under /shared or /tmp that is not a link.'

async function nearestExisting(folder: string): Promise<string> {
  const stats = await lstat(folder).catch(() => null)
  return stats === null ? nearestExisting(posix.dirname(folder)) : folder
}

/**
 * The name itself, which may be a link or not exist: only its folder is resolved.
 * @throws `path_refused` when that leads outside; system errors
 */
export async function toNamedPlace(roots: readonly Root[], place: Place): Promise<Place> {
  const folder = await realpath(posix.dirname(place.real))
  if (!isInside(roots, folder)) throw failed('path_refused', `${place.virtual} leads outside the workspace.`, 'Choose another path.')
  return { virtual: place.virtual, real: `${folder}/${posix.basename(place.real)}` }
}

/** A regular file, open for reading. The caller closes it. @throws `not_found` or `path_refused`. */
export async function openRegularFile(roots: readonly Root[], path: string): Promise<Place & { file: FileHandle; stats: Stats }> {
  const place = await toRealPlace(roots, path)
  try {
    // Checked before it is opened: opening some devices has effects.
    refuseSpecial(await lstat(place.real), place.virtual)
    const file = await open(place.real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const stats = await file.stat()
      refuseSpecial(stats, place.virtual)
      // A folder of the path may have been swapped for a link since: ask the system for the open file's real path.
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

/** @param real a path without links @returns whether it is in one of the roots, or is one */
export function isInside(roots: readonly Root[], real: string): boolean {
  return roots.some((root) => real === root.real || real.startsWith(root.real + sep))
}

/** @returns the path as callers see it; one under no root is returned unchanged. */
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

// Paths that no file call may write, because git would later run them outside of any sandbox: hooks, and settings that name programs. In
// the process tier the launcher makes both read-only in repositories that exist at its start; this check applies in every tier, and to
// later repositories. It does not restrict commands. A folder with `HEAD`, `objects` and `refs` is a bare repository without `.git`: git
// treats it as one when run inside it. So no file call creates a `HEAD`, and where one exists the same parts are refused.

/** @param place the path to write to, or to move to or from. @throws `path_refused` */
export function refuseGuarded(roots: readonly Root[], place: Place): void {
  if (![place.virtual, toVirtual(roots, place.real)].some(isGuarded) && !isOfBareRepository(place.real)) return
  throw failed(
    'path_refused',
    `${place.virtual} is run by git or configures it: file calls do not change it.`,
    'Tell the person what it should contain, or use the git command where commands are allowed.',
  )
}

/** Hooks and settings of a repository, of its submodules and additional worktrees (`.git/modules/…`, `.git/worktrees/…`). */
function isGuarded(path: string): boolean {
  const parts = path.toLowerCase().split('/')
  const git = parts.indexOf('.git')
  if (git === -1) return path.endsWith('/HEAD')
  // `.git` itself: as a file it names the repository, as a folder it contains hooks.
  return parts.at(-1) === '.git' || parts.slice(git + 1).some((part) => gitRuns.has(part))
}

function isOfBareRepository(real: string): boolean {
  const parts = real.split('/')
  return parts.some((part, i) => {
    const folder = parts.slice(0, i).join('/')
    return gitRuns.has(part.toLowerCase()) && isBareRepository((name) => existsSync(`${folder}/${name}`))
  })
}
