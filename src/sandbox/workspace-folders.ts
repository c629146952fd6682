/** The two folders of a workspace that exist inside a sandbox. */
import { lchown, lstat, mkdir, opendir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { maxChownEntries } from './limits.ts'

export interface WorkspaceFolders {
  readonly shared: string
  readonly tmp: string
  readonly vault: string
}

/** Makes the folders where they are missing. @returns their real paths. */
export async function prepareFolders(workspaceRoot: string): Promise<WorkspaceFolders> {
  const [shared, tmp, vault] = await Promise.all(
    ['shared', 'tmp', 'vault'].map(async (name) => {
      const folder = join(workspaceRoot, name)
      await mkdir(folder, { recursive: true })
      return realpath(folder)
    }),
  )
  return { shared: shared!, tmp: tmp!, vault: vault! }
}

/**
 * Gives everything in the folders to the sandbox's uid; links are given away themselves, not followed. Only called while no
 * process of the sandbox runs, so nothing can be swapped on the way.
 */
export async function giveFolders(folders: readonly string[], uid: number): Promise<void> {
  let left = maxChownEntries
  const give = async (path: string): Promise<void> => {
    const stats = await lstat(path)
    // A hard link may be somebody else's file under a second name.
    if (stats.isFile() && stats.nlink > 1) return
    if (stats.uid !== uid) await lchown(path, uid, uid)
    if (!stats.isDirectory()) return
    for await (const entry of await opendir(path)) {
      if ((left -= 1) < 0) return
      await give(join(path, entry.name))
    }
  }
  for (const folder of folders) await give(folder)
}
