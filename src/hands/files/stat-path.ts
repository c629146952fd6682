/** Says what stands under a name, without following a last link. */
import { lstat, readlink, realpath } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode } from '../failure.ts'
import { isInside, type Root, toPlace, toVirtual } from './workspace-path.ts'

type Output = HandsOps['stat']['output']

const missing: Output = { kind: 'missing', bytes: 0, modifiedMs: 0, executable: false, linkTarget: '' }

export async function statPath(roots: readonly Root[], input: HandsOps['stat']['input']): Promise<Output> {
  const place = toPlace(roots, input.path)
  try {
    // A root has no folder above it here, and is no link.
    const folder = place.isRoot ? place.real : await realpath(posix.dirname(place.real))
    if (!isInside(roots, folder)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, 'Choose another path.')
    const real = place.isRoot ? folder : `${folder}/${posix.basename(place.real)}`
    const stats = await lstat(real)
    const kind = kindOf(stats)
    return {
      kind,
      bytes: kind === 'folder' ? 0 : stats.size,
      modifiedMs: stats.mtimeMs,
      executable: kind === 'file' && (stats.mode & 0o111) !== 0,
      linkTarget: kind === 'link' ? shownTarget(roots, await readlink(real)) : '',
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return missing
    throw fromSystemError(error, place.virtual)
  }
}

/** Without a sandbox a link may name a place of the host, which is nobody's business here. */
function shownTarget(roots: readonly Root[], target: string): string {
  if (!posix.isAbsolute(target) || roots.every(({ virtual, real }) => virtual === real)) return target
  return isInside(roots, target) ? toVirtual(roots, target) : '(outside the workspace)'
}

function kindOf(stats: Stats): Exclude<Output['kind'], 'missing'> {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}
