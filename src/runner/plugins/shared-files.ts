/**
 * Packages of npm that several plugins bring along are on the disk once: each file below `node_modules` is a hard link to one of the same
 * content in `plugins/.store`. No plugin can change another's: they see their files read-only, and each host start compares them with the
 * hash that a person has approved.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { hashOf, type TreeFile } from '../../plugins/index.ts'
import type { Home } from '../home.ts'

const storeOf = (home: Pick<Home, 'root'>): string => join(home.root, 'plugins', '.store')

/** @param files of the folder, with the hashes that were read when it was judged; it belongs to nobody else yet */
export function shareFiles(home: Pick<Home, 'root'>, folder: string, files: readonly TreeFile[]): void {
  const packages = files.filter(({ path, kind, bytes }) => kind !== 'link' && bytes > 0 && /(?:^|\/)node_modules\//.test(path))
  if (packages.length === 0) return
  const store = storeOf(home)
  mkdirSync(store, { recursive: true, mode: 0o700 })
  for (const { path, kind, hash } of packages) {
    const file = join(folder, path)
    const kept = join(store, kind === 'program' ? `${hash}.x` : hash)
    // Not next to the file: a package may have one of any name.
    const spare = join(store, `.${randomUUID()}`)
    try {
      if (!isWhole(kept, hash)) keepFile(file, kept, kind === 'program' ? 0o555 : 0o444)
      else {
        linkSync(kept, spare)
        renameSync(spare, file)
      }
    } catch (error) {
      // A file system without hard links, or with too many of this file: a copy of its own works as well.
      rmSync(spare, { force: true })
      if (!/^(?:EPERM|EMLINK|ENOTSUP|EXDEV|EEXIST|ENOENT|ENAMETOOLONG)$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

/** Removes from the store what no plugin has any more. */
export function dropUnshared(home: Pick<Home, 'root'>): void {
  const store = storeOf(home)
  try {
    for (const name of readdirSync(store)) if (lstatSync(join(store, name)).nlink === 1) rmSync(join(store, name), { force: true })
    rmdirSync(store)
  } catch (error) {
    // Some are needed, or another process removes them as well.
    if (!/^(?:ENOENT|ENOTEMPTY|EEXIST)$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** What somebody has changed in the store since is not given to one more plugin. */
function isWhole(kept: string, hash: string): boolean {
  try {
    return hashOf(kept) === hash
  } catch {
    return false
  }
}

function keepFile(file: string, kept: string, mode: number): void {
  chmodSync(file, mode)
  rmSync(kept, { force: true })
  linkSync(file, kept)
}
