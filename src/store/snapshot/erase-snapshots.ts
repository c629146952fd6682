/** Erases the snapshots of a search: apart from what reads and writes them, since whoever writes a store may never search it. */
import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** How the names of all files begin that hold what a search of this database holds; see `snapshot-file.ts`. */
export function snapshotStart(path: string): string {
  return `${path}.recall-`
}

/**
 * Overwrites and removes the snapshots of a database, and drafts that a kill has left.
 * @param path of its file; of a database on a server, where a file of one would be
 */
export function eraseSnapshots(path: string): void {
  const start = basename(snapshotStart(path))
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(start)) continue
    const file = join(dirname(path), name)
    try {
      const open = openSync(file, 'r+')
      try {
        writeSync(open, new Uint8Array(statSync(file).size), 0)
        fsyncSync(open)
      } finally {
        closeSync(open)
      }
    } catch {
      // Another has removed it meanwhile; what cannot be overwritten is removed all the same.
    }
    rmSync(file, { force: true })
  }
}
