/** The two folders of a workspace that exist inside a sandbox. */
import { chmod, lchown, lstat, mkdir, opendir, realpath } from 'node:fs/promises'
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
 * Counts who lives in folders that several sandboxes share. What lives there could swap a folder for a link while its files are
 * given away, and be given somebody else's: so the first one in has them given, and those that come meanwhile wait for that.
 * @returns a function to call before each start; what it gives is called when all of that start is gone, or it came to nothing
 */
export function createGiver(give: () => Promise<void>): () => Promise<() => void> {
  let living = 0
  let given = Promise.resolve()
  return async () => {
    if (living === 0) given = give()
    living += 1
    let left = false
    const leave = (): void => {
      if (!left) living -= 1
      left = true
    }
    try {
      await given
      return leave
    } catch (error) {
      leave()
      throw error
    }
  }
}

/** Set-user-id and set-group-id: inode(7). */
const setIdBits = 0o6000

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
    // What an agent has marked would run with the rights of the sandbox's uid for everybody on the host.
    if (stats.isFile() && (stats.mode & setIdBits) !== 0) await chmod(path, stats.mode & 0o1777)
    if (!stats.isDirectory()) return
    for await (const entry of await opendir(path)) {
      if ((left -= 1) < 0) return
      await give(join(path, entry.name))
    }
  }
  for (const folder of folders) await give(folder)
}
