/** Removes what kernels that were killed have left: whatever carries the id of its maker, and the maker is gone. */
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Between a name and the id of who makes it. No other name has it. */
const idMark = '.of-'

/** @returns the name with our id in it. */
export function ownName(name: string): string {
  return `${name}${idMark}${process.pid}`
}

/** Never throws. */
export async function removeOrphans(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = /\.of-(\d+)(?:-\w+)?$/.exec(name) ?? []
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
