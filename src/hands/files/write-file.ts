/**
 * Puts a content in place of a file, whole or not at all: a temporary file beside it, synced, then renamed over it. Links are
 * followed to the end, and nothing is ever made outside the workspace.
 */
import { constants, link, lstat, mkdir, open, realpath, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode } from '../failure.ts'
import { maxReplaceTries } from '../limits.ts'
import { contentHash, isStanding, requireHash, type Standing, stateOf } from './file-state.ts'
import { isInside, otherPath, type Place, refuseGuarded, refuseSpecial, resolveNew, type Root, toPlace } from './workspace-path.ts'

/** Permission bits that are kept; setuid, setgid and sticky bits are not. */
const modeBits = 0o777
const newFileMode = 0o644

export async function writeFile(roots: readonly Root[], input: HandsOps['write']['input']): Promise<HandsOps['write']['output']> {
  const bytes = Buffer.from(input.text)
  const { ifHash = '' } = input
  for (let tries = 0; tries < maxReplaceTries; tries += 1) {
    const target = await toTarget(roots, input.path)
    try {
      const { hash: was, standing } = await stateOf(roots, target, ifHash !== '')
      if (ifHash !== '') requireHash(target, standing === null ? null : was, ifHash)
      // Without a condition it replaces whatever is there by now; only a new file must be new.
      const expected = target.mode === null ? 'nothing' : ifHash === '' ? 'anything' : standing!
      if (!(await replaceFile(target, bytes, expected))) continue
      return { bytes: bytes.length, created: target.mode === null, hash: contentHash(bytes), was }
    } catch (error) {
      throw fromSystemError(error, target.virtual)
    }
  }
  throw restless(toPlace(roots, input.path).virtual)
}

export function restless(virtual: string): Error {
  return failed('tool_failed', `Another program keeps changing ${virtual}. Nothing was changed.`, 'Try again when it has finished.')
}

export interface Target extends Place {
  /** Mode of the file that is replaced; null when there is none. */
  readonly mode: number | null
}

/** @returns where a file of this path will stand, links followed to the end; folders that it needs are made. @throws why it cannot */
export async function toTarget(roots: readonly Root[], path: string): Promise<Target> {
  const place = toPlace(roots, path)
  if (place.isRoot || path.endsWith('/')) throw failed('path_refused', `${path} is a folder.`, 'Name a file in it.')
  try {
    return await resolveTarget(roots, place)
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
  // A link without an end would create a file wherever it points.
  const real = await realpath(place.real).catch(() => null)
  if (real === null) throw refuse('is a link that leads nowhere.')
  if (!isInside(roots, real)) throw refuse('leads out of the workspace.')
  refuseGuarded(roots, { ...place, real })
  const stats = await lstat(real)
  refuseSpecial(stats, place.virtual)
  return { virtual: place.virtual, real, mode: stats.mode & modeBits }
}

/**
 * Makes the folders that a path needs. Checked before, so that none is made outside, and after.
 * @returns the path as it really is, and the topmost folder that was made, or null
 */
export async function makeFolderFor(roots: readonly Root[], place: Place): Promise<{ real: string; made: string | null }> {
  const resolved = await resolveNew(roots, place)
  const made = (await mkdir(posix.dirname(resolved), { recursive: true })) ?? null
  const parent = await realpath(posix.dirname(resolved))
  if (!isInside(roots, parent)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, otherPath)
  return { real: `${parent}/${posix.basename(resolved)}`, made }
}

/** Takes back what `makeFolderFor` made, unless something else was put there meanwhile. Never throws. */
export async function removeMade({ real, made }: { readonly real: string; readonly made: string | null }): Promise<void> {
  if (made === null) return
  for (let folder = posix.dirname(real); folder.length >= made.length; folder = posix.dirname(folder)) {
    const gone = await rmdir(folder).then(
      () => true,
      () => false,
    )
    if (!gone) return
  }
}

/** A name that nobody has in the same folder: the clock in nanoseconds does not repeat. */
export function temporaryBeside(real: string): string {
  return `${posix.dirname(real)}/.oxbow-${process.hrtime.bigint().toString(36)}.tmp`
}

/** Whether a path is one that `temporaryBeside` makes. */
export function isTemporary(path: string): boolean {
  return /^\.oxbow-[0-9a-z]+\.tmp$/.test(posix.basename(path))
}

/** Writes and syncs a file under a name of its own beside `real`. @returns that name. @throws system errors; then nothing is left. */
export async function writeTemporary(real: string, bytes: Buffer, mode: number | null): Promise<string> {
  const temporary = temporaryBeside(real)
  try {
    // A name that is taken fails the write (O_EXCL).
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
 * @param target `mode`: null for that of a new file
 * @param expected what stands there: a file as it was read, nothing, or whatever it is
 * @returns false when something else stands there. @throws system errors. In both cases the file is as it was
 */
export async function replaceFile(target: Target, bytes: Buffer, expected: Standing | 'nothing' | 'anything'): Promise<boolean> {
  const temporary = await writeTemporary(target.real, bytes, target.mode)
  try {
    if (expected === 'nothing') await renameToFree(temporary, target.real)
    else if (expected === 'anything' || (await isStanding(target.real, expected))) await rename(temporary, target.real)
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

/** Gives a regular file a name that must be free. @throws EEXIST when it is taken: a plain rename would replace what stands there. */
export async function renameToFree(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    // Not every file system knows a second name, and not every owner may give one. Then the look before has to do.
    if (!['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(systemCode(error))) throw error
    await rename(from, to)
    return
  }
  await unlink(from)
}

/** One that may be written and not be read has no way to be synced: what was done in it stands, and is no failure. @throws system errors */
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
