/** Writes a file whole or not at all: a temporary file beside it, synced, then renamed over it. Links are followed to the end. */
import { constants, lstat, mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { isInside, refuseSpecial, toPlace } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'

const newFileMode = 0o644
/** Permission bits that are kept; setuid, setgid and sticky bits are not. */
const modeBits = 0o777

export async function writeFile(roots: readonly Root[], input: HandsOps['write']['input']): Promise<HandsOps['write']['output']> {
  const place = toPlace(roots, input.path)
  if (place.isRoot || input.path.endsWith('/')) throw failed('path_refused', `${input.path} is a folder.`, 'Name a file in it.')
  try {
    const target = await toTarget(roots, place)
    const bytes = Buffer.from(input.text)
    await replaceFile(target, bytes)
    return { bytes: bytes.length, created: target.mode === null }
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}

interface Target extends Place {
  /** Mode of the file that is replaced; null when there is none. */
  readonly mode: number | null
}

async function toTarget(roots: readonly Root[], place: Place): Promise<Target> {
  const refuse = (why: string) => failed('path_refused', `${place.virtual} ${why}`, 'Choose a path under /shared or /tmp that is no link.')
  const standing = await lstat(place.real).catch(() => null)
  if (standing !== null) {
    // A link without an end would create a file wherever it points.
    const real = await realpath(place.real).catch(() => null)
    if (real === null) throw refuse('is a link that leads nowhere.')
    if (!isInside(roots, real)) throw refuse('leads out of the workspace.')
    const stats = await lstat(real)
    refuseSpecial(stats, place.virtual)
    return { virtual: place.virtual, real, mode: stats.mode & modeBits }
  }
  const parent = posix.dirname(place.real)
  // Checked before folders are made, so that none is made outside, and after.
  if (!isInside(roots, await realpath(await nearestStanding(parent)))) throw refuse('leads out of the workspace.')
  await mkdir(parent, { recursive: true })
  const realParent = await realpath(parent)
  if (!isInside(roots, realParent)) throw refuse('leads out of the workspace.')
  return { virtual: place.virtual, real: `${realParent}/${posix.basename(place.real)}`, mode: null }
}

async function nearestStanding(folder: string): Promise<string> {
  const stats = await lstat(folder).catch(() => null)
  return stats === null ? nearestStanding(posix.dirname(folder)) : folder
}

/** Durable when it resolves. @throws system errors; then the file is as it was. */
export async function replaceFile(target: Place & { readonly mode: number | null }, bytes: Buffer): Promise<void> {
  const folder = posix.dirname(target.real)
  // A name that is taken fails the write (O_EXCL), and the clock in nanoseconds does not repeat. Loading node:crypto costs 4 MB.
  const temporary = `${folder}/.oxbow-${process.hrtime.bigint().toString(36)}.tmp`
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, newFileMode)
    try {
      await file.writeFile(bytes)
      if (target.mode !== null) await file.chmod(target.mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target.real)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const parent = await open(folder, constants.O_RDONLY)
  try {
    await parent.sync()
  } finally {
    await parent.close()
  }
}
