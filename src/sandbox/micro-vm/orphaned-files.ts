/** Removes what kernels that were killed have left: whatever carries the id of its maker, and the maker is gone. */
import { existsSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sandboxUid } from '../bubblewrap/launch-command.ts'

/** Between a name and the id of who makes it. No other name has it. */
const idMark = '.of-'

/** @returns the name with our id in it. */
export function ownName(name: string): string {
  return `${name}${idMark}${process.pid}`
}

/**
 * Never throws. In a folder that everybody may write, what others have made is left: whoever may put links into it while it is
 * removed decides what is removed.
 */
export async function removeOrphans(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = /\.of-(\d+)(?:-\w+)?$/.exec(name) ?? []
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const owner = await lstat(join(folder, name)).catch(() => null)
    if (owner === null || !isOurs(owner.uid)) continue
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}

/** What root makes for a machine belongs to hands. */
function isOurs(uid: number): boolean {
  const own = process.getuid?.() ?? uid
  return uid === own || (own === 0 && uid === sandboxUid)
}
