/**
 * From the paths that callers say to the paths that are opened. In a sandbox the two are equal and the operating system is
 * the wall; here the same checks also hold where there is no sandbox (`--insecure`), and refuse what is no regular file.
 *
 * A path is followed to its real path first, which must lie under a root; then it is opened without following a last link
 * and without waiting (a FIFO would), and what was opened is looked at again.
 */
import { constants, lstat, open, readlink, realpath } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { posix, sep } from 'node:path'
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
