/** The two folders of a workspace that exist inside a sandbox. */
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

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
