/** Databases that take long to write: made once by name and copied for each guest. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const made = new Map<string, Promise<string>>()
/** A folder that keeps them for later runs: a million messages take minutes to write. Without it, they are removed at exit. */
const keptIn = process.env['OXBOW_BENCH_DATA']

/** @returns the path of the database, which is not to be changed. @param write closes what it opens */
export function madeDatabase(name: string, write: (path: string) => Promise<void>): Promise<string> {
  const database = made.get(name) ?? make(name, write)
  made.set(name, database)
  return database
}

export async function copyMade(name: string, write: (path: string) => Promise<void>, to: string): Promise<void> {
  const database = await madeDatabase(name, write)
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  copyFileSync(database, to)
}

async function make(name: string, write: (path: string) => Promise<void>): Promise<string> {
  if (keptIn !== undefined) {
    const kept = join(keptIn, `${name}.db`)
    if (!existsSync(kept)) {
      await write(`${kept}.new`)
      renameSync(`${kept}.new`, kept)
    }
    return kept
  }
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-data-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'oxbow.db')
  await write(path)
  return path
}
