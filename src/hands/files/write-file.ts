/** Writes a file whole or not at all: a temporary file beside it, synced, then renamed over it. Links are followed to the end. */
import { constants, link, lstat, mkdir, open, realpath, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode } from '../failure.ts'
import { isInside, type Place, refuseGuarded, refuseSpecial, type Root, toPlace } from './workspace-path.ts'

/** Permission bits that are kept; setuid, setgid and sticky bits are not. */
const modeBits = 0o777

export async function writeFile(roots: readonly Root[], input: HandsOps['write']['input']): Promise<HandsOps['write']['output']> {
  const target = await toTarget(roots, input.path)
  try {
    const bytes = Buffer.from(input.text)
    await replaceFile(target, bytes)
    return { bytes: bytes.length, created: target.mode === null }
  } catch (error) {
    throw fromSystemError(error, target.virtual)
  }
}

interface Target extends Place {
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
  const refuse = (why: string) => failed('path_refused', `${place.virtual} ${why}`, 'Choose a path under /shared or /tmp that is no link.')
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

// How new files and folders come to stand where they should: never outside the workspace, whole or not at all, durable.

const newFileMode = 0o644

/** @returns where a path will stand, links on the way followed, the last part not. Nothing is made. @throws `path_refused`. */
export async function resolveNew(roots: readonly Root[], place: Place): Promise<string> {
  const parent = posix.dirname(place.real)
  const standing = await nearestStanding(parent)
  const real = await realpath(standing).catch(() => null)
  if (real === null) throw failed('path_refused', `${place.virtual} leads through a link that leads nowhere.`, hint)
  if (!isInside(roots, real)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, hint)
  return posix.join(real, place.real.slice(standing.length))
}

const hint = 'Choose a path under /shared or /tmp that is no link.'

async function nearestStanding(folder: string): Promise<string> {
  const stats = await lstat(folder).catch(() => null)
  return stats === null ? nearestStanding(posix.dirname(folder)) : folder
}

/**
 * Makes the folders that a path needs. Checked before, so that none is made outside, and after.
 * @returns the path as it really is, and the topmost folder that was made, or null
 */
export async function makeFolderFor(roots: readonly Root[], place: Place): Promise<{ real: string; made: string | null }> {
  const resolved = await resolveNew(roots, place)
  const made = (await mkdir(posix.dirname(resolved), { recursive: true })) ?? null
  const parent = await realpath(posix.dirname(resolved))
  if (!isInside(roots, parent)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, hint)
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

/** A name that nobody has in the same folder: the clock in nanoseconds does not repeat. Loading node:crypto costs 4 MB. */
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

/** Durable when it resolves. @param target `mode`: null for that of a new file. @throws system errors; then the file is as it was. */
export async function replaceFile(target: Place & { readonly mode: number | null }, bytes: Buffer): Promise<void> {
  const temporary = await writeTemporary(target.real, bytes, target.mode)
  try {
    await rename(temporary, target.real)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(posix.dirname(target.real))
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
