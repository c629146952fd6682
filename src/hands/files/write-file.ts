/**
 * Writes a file atomically: a temporary file next to it, synced, then renamed over it. Links are followed, and nothing is created outside
 * the workspace.
 */
import { linkSync, renameSync, unlinkSync } from 'node:fs'
import { constants, lstat, mkdir, open, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError, systemCode } from '../failure.ts'
import { maxReplaceTries } from '../limits.ts'
import { contentHash, isUnchanged, requireHash, type FileVersion, stateOf } from './file-state.ts'
import { isInside, otherPath, type Place, refuseGuarded, refuseSpecial, resolveNew, type Root, toPlace } from './workspace-path.ts'

/** Permission bits that are kept; setuid, setgid and sticky bits are not. */
const modeBits = 0o777
const newFileMode = 0o644

/** Replaces or creates a file atomically. @throws FailureError, e.g. `edit_mismatch` where the file is not the one of `ifHash` */
export async function writeFile(roots: readonly Root[], input: HandsOps['write']['input']): Promise<HandsOps['write']['output']> {
  const bytes = Buffer.from(input.text)
  const { ifHash = '' } = input
  for (let tries = 0; tries < maxReplaceTries; tries += 1) {
    const target = await toTarget(roots, input.path)
    try {
      const { hash: was, standing } = await stateOf(roots, target, ifHash !== '')
      if (ifHash !== '') requireHash(target, standing === null ? null : was, ifHash)
      // Without a condition it replaces any file; only a file that did not exist must still not exist.
      const expected = target.mode === null ? 'nothing' : ifHash === '' ? 'anything' : standing!
      if (!(await replaceFile(target, bytes, expected))) continue
      return { bytes: bytes.length, created: target.mode === null, hash: contentHash(bytes), was }
    } catch (error) {
      throw fromSystemError(error, target.virtual)
    }
  }
  throw keepsChanging(toPlace(roots, input.path).virtual)
}

export function keepsChanging(virtual: string): Error {
  return failed('tool_failed', `Another program keeps changing ${virtual}. Nothing was changed.`, 'Try again when it has finished.')
}

export interface Target extends Place {
  /** Mode of the replaced file; null for a new file. */
  readonly mode: number | null
}

/** @returns the file's real path, with links followed; missing folders are created. @throws why it cannot */
export async function toTarget(roots: readonly Root[], path: string): Promise<Target> {
  const place = toPlace(roots, path)
  if (place.isRoot || path.endsWith('/')) throw failed('path_refused', `${path} is a folder.`, 'Name a file in it.')
  try {
    return await resolveTarget(roots, place)
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

/** The name itself: what is there may be a link or an empty folder, which is replaced. @returns as `toTarget` */
export async function toNamedTarget(roots: readonly Root[], path: string): Promise<Target> {
  const place = toPlace(roots, path)
  try {
    refuseGuarded(roots, { ...place, real: await resolveNew(roots, place) })
    const { real } = await makeFolderFor(roots, place)
    const stats = await lstat(real).catch(() => null)
    return { virtual: place.virtual, real, mode: stats?.isFile() === true ? stats.mode & modeBits : null }
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

async function resolveTarget(roots: readonly Root[], place: Place): Promise<Target> {
  const refuse = (why: string) => failed('path_refused', `${place.virtual} ${why}`, otherPath)
  const standing = await lstat(place.real).catch(() => null)
  if (standing === null) {
    refuseGuarded(roots, { ...place, real: await resolveNew(roots, place) })
    return { virtual: place.virtual, real: (await makeFolderFor(roots, place)).real, mode: null }
  }
  // A broken link would create a file wherever it points.
  const real = await realpath(place.real).catch(() => null)
  if (real === null) throw refuse('is a broken link.')
  if (!isInside(roots, real)) throw refuse('leads outside the workspace.')
  refuseGuarded(roots, { ...place, real })
  const stats = await lstat(real)
  refuseSpecial(stats, place.virtual)
  return { virtual: place.virtual, real, mode: stats.mode & modeBits }
}

/**
 * Creates the missing folders of a path, and checks before and after that none is outside.
 * @returns the real path, and the topmost created folder, or null
 */
export async function makeFolderFor(roots: readonly Root[], place: Place): Promise<{ real: string; made: string | null }> {
  const resolved = await resolveNew(roots, place)
  const made = (await mkdir(posix.dirname(resolved), { recursive: true })) ?? null
  const parent = await realpath(posix.dirname(resolved))
  if (!isInside(roots, parent)) throw failed('path_refused', `${place.virtual} leads outside the workspace.`, otherPath)
  return { real: `${parent}/${posix.basename(resolved)}`, made }
}

/** Removes what `makeFolderFor` created, unless it is no longer empty. Never throws. */
export async function removeMade({ real, made }: { readonly real: string; readonly made: string | null }): Promise<void> {
  if (made === null) return
  for (let folder = posix.dirname(real); folder.length >= made.length; folder = posix.dirname(folder)) {
    const removed = await rmdir(folder).then(
      () => true,
      () => false,
    )
    if (!removed) return
  }
}

/** An unused name in the same folder: the clock in nanoseconds does not repeat. */
export function temporaryBeside(real: string): string {
  return `${posix.dirname(real)}/.oxbow-${process.hrtime.bigint().toString(36)}.tmp`
}

/** Whether a path is one that `temporaryBeside` makes. */
export function isTemporary(path: string): boolean {
  return /^\.oxbow-[0-9a-z]+\.tmp$/.test(posix.basename(path))
}

/** Writes and syncs a temporary file next to `real`. @returns its path. @throws system errors; then nothing is left behind. */
export async function writeTemporary(real: string, bytes: Buffer, mode: number | null): Promise<string> {
  const temporary = temporaryBeside(real)
  try {
    // An existing file fails the write (O_EXCL).
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, newFileMode)
    try {
      await file.writeFile(bytes)
      if (mode !== null) await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    return temporary
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Durable when it resolves.
 * @param target `mode`: null for the default of a new file
 * @param expected the current file: the version that was read, none, or any
 * @returns false when the current file is another. @throws system errors. In both cases the file is unchanged
 */
export async function replaceFile(target: Target, bytes: Buffer, expected: FileVersion | 'nothing' | 'anything'): Promise<boolean> {
  const temporary = await writeTemporary(target.real, bytes, target.mode)
  try {
    if (expected === 'nothing') renameToFree(temporary, target.real)
    else if (expected === 'anything' || isUnchanged(target.real, expected)) await rename(temporary, target.real)
    else {
      await rm(temporary, { force: true })
      return false
    }
  } catch (error) {
    await rm(temporary, { force: true })
    if (expected === 'nothing' && systemCode(error) === 'EEXIST') return false
    throw error
  }
  await syncFolder(posix.dirname(target.real))
  return true
}

/** Renames a regular file to an unused name. @throws EEXIST when it exists: a plain rename would replace it. */
export function renameToFree(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    // Not every file system has hard links, and not every owner may make one. Then the earlier check has to suffice.
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(systemCode(error))) throw error
    renameSync(from, to)
    return
  }
  unlinkSync(from)
}

/** A folder that is writable but unreadable cannot be synced, which is not a failure. @throws system errors */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY).catch((error: unknown) => {
    if (systemCode(error) !== 'EACCES') throw error
    return null
  })
  if (handle === null) return
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
