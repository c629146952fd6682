/** Deletes a file, a link (never what it points to) or a folder. */
import { lstat, readdir, realpath, rmdir, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../types/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { isInside, type Root, toPlace } from './workspace-path.ts'

/** `deleted` counts files, links and folders. A delete that stops on the way leaves what it has not reached. */
export async function deletePath(
  roots: readonly Root[],
  input: HandsOps['delete']['input'],
  signal: AbortSignal,
): Promise<HandsOps['delete']['output']> {
  const place = toPlace(roots, input.path)
  if (place.isRoot) throw failed('path_refused', `${place.virtual} itself cannot be deleted.`, 'Delete what is in it.')
  try {
    // Only the folder is followed: the last part may be a link, which is deleted itself.
    const folder = await realpath(posix.dirname(place.real))
    if (!isInside(roots, folder)) throw failed('path_refused', `${place.virtual} leads out of the workspace.`, 'Choose another path.')
    return { deleted: await remove(Buffer.from(`${folder}/${posix.basename(place.real)}`), input.recursive, signal) }
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENAMETOOLONG') throw tooDeep(place.virtual)
    if (input.recursive && ['EACCES', 'EPERM', 'EROFS', 'EBUSY'].includes(code)) throw notWhole(place.virtual, code)
    throw fromSystemError(error, place.virtual)
  }
}

/** Only a command can make such a tree, from folder to folder; the path asked for is shorter than the longest. */
function tooDeep(virtual: string): Error {
  return failed(
    'tool_failed',
    `${virtual} holds folders that are nested too deeply to be deleted here.`,
    'Delete it with the command rm -rf.',
  )
}

function notWhole(virtual: string, code: string): Error {
  const hint = 'List it to see what is left. The hooks of a repository, and its .git with them, are guarded while the sandbox lives.'
  return failed('path_refused', `${virtual} cannot be deleted whole (${code}): a part of it may be gone.`, hint)
}

/** @param real in bytes: what a folder holds may have names that are no text */
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
