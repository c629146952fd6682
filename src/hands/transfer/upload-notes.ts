/**
 * Where unfinished uploads, and archives that are being unpacked, wait: a link for each in a hidden folder of `/tmp`, so that what a kill has left behind is found
 * without a walk through the workspace. Commands can write there too; so only what has such a name, and lies in
 * the workspace, is ever removed on the word of a note, which is nothing that a command could not remove itself.
 */
import { lstat, mkdir, readdir, readlink, realpath, rm, symlink, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { maxFolderEntries, transferIdleMs } from '../limits.ts'
import { isTemporary } from '../files/place-file.ts'
import { isInside } from '../files/workspace-path.ts'
import type { Root } from '../files/workspace-path.ts'

export interface UploadNote {
  /** Never throws. */
  remove(): Promise<void>
}

/** What nobody has touched for so long has no owner. */
const sureMs = 2 * transferIdleMs
const folderName = '.oxbow-uploads'

function notesFolder(roots: readonly Root[]): string | null {
  const root = roots.find((each) => each.virtual === '/tmp')
  return root === undefined ? null : `${root.real}/${folderName}`
}

/** Never throws: without a note the upload itself is as good. @param temporary absolute path of the unfinished file */
export async function noteUpload(roots: readonly Root[], temporary: string): Promise<UploadNote> {
  const folder = notesFolder(roots)
  if (folder === null) return { remove: () => Promise.resolve() }
  const note = `${folder}/${posix.basename(temporary)}`
  try {
    await mkdir(folder, { recursive: true })
    await symlink(temporary, note)
  } catch {
    // No space, or somebody else's folder: then a kill may leave the file.
  }
  return { remove: () => unlink(note).catch(() => undefined) }
}

/**
 * Removes what uploads of earlier hands have left, now and once more when the youngest of them can have no owner any more:
 * other hands may be writing in the same folders. Never throws.
 */
export async function sweepUploads(roots: readonly Root[]): Promise<{ stop(): void }> {
  const later = (await sweep(roots)) ? setTimeout(() => void sweep(roots), sureMs).unref() : undefined
  return { stop: () => clearTimeout(later) }
}

/** @returns whether some are too young to be told from those that still have an owner. */
async function sweep(roots: readonly Root[]): Promise<boolean> {
  const folder = notesFolder(roots)
  const names = folder === null ? [] : await readdir(folder).catch(() => [])
  let young = false
  for (const name of names.slice(0, maxFolderEntries)) {
    const note = `${folder}/${name}`
    try {
      const temporary = await readlink(note)
      const isOurs = isTemporary(temporary) && isInside(roots, await realpath(posix.dirname(temporary)))
      const stats = isOurs ? await lstat(temporary) : null
      if (stats !== null && Date.now() - stats.mtimeMs < sureMs) young = true
      else {
        if (stats?.isFile() === true || stats?.isDirectory() === true) await rm(temporary, { recursive: true, force: true })
        await unlink(note)
      }
    } catch {
      // No link, or it leads nowhere any more.
      await unlink(note).catch(() => undefined)
    }
  }
  return young
}
