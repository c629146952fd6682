/** Writes a file whole or not at all: a temporary file beside it, synced, then renamed over it. Links are followed to the end. */
import { lstat, realpath } from 'node:fs/promises'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError } from '../failure.ts'
import { refuseGuarded } from './guarded-path.ts'
import { makeFolderFor, replaceFile, resolveNew } from './place-file.ts'
import { isInside, refuseSpecial, toPlace } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'

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
