/** Files and folders that take long to make: whole from the moment they have their name, and what killed makers have left is removed. */
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sandboxUid } from '../bubblewrap/launch-command.ts'

/** Between a name and the id of who makes it. No other name has it. */
const idMark = '.of-'

/** @returns the name with our id in it. */
export function ownName(name: string): string {
  return `${name}${idMark}${process.pid}`
}

/**
 * Makes a folder that is named by what it holds. Where another process has made the same one meanwhile, that one is kept.
 * @param fill writes into a draft beside it. Rejects as that does, and then leaves nothing
 * @returns whether it is new
 */
export async function makeFolder(folder: string, fill: (draft: string) => Promise<void>): Promise<boolean> {
  if (existsSync(folder)) {
    // Used is as good as new where the oldest are removed. Where that is not ours to say it stays as old as it is.
    await utimes(folder, new Date(), new Date()).catch(() => undefined)
    return false
  }
  const place = dirname(folder)
  await mkdir(place, { recursive: true, mode: 0o755 })
  await removeOrphans(place)
  const draft = await mkdtemp(`${ownName(folder)}-`)
  try {
    await chmod(draft, 0o755)
    await fill(draft)
    return await rename(draft, folder).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false
        throw error
      },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Leaves those of the names that fit which were made, or asked for, last. Another process may be doing the same. */
export async function removeOldest(folder: string, fits: (name: string) => boolean, left: number): Promise<void> {
  const found: { path: string; at: number }[] = []
  for (const name of (await readdir(folder)).filter(fits)) {
    const path = join(folder, name)
    const stats = await stat(path).catch(() => null)
    if (stats !== null) found.push({ path, at: stats.mtimeMs })
  }
  for (const { path } of found.toSorted((a, b) => b.at - a.at).slice(left)) await rm(path, { recursive: true, force: true })
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
