/** A database as files on the disk: its log beside it, copies, and what must be there after a loss of power. */
import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { isOxbowError } from '../../types/index.ts'
import { storeFault } from '../store-fault.ts'

/** The database and its log. */
export function removeDatabase(path: string): void {
  rmSync(path, { force: true })
  removeLog(path)
}

export function removeLog(path: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true })
}

/** Sees that a file is on the disk; of a folder, that its names are: after a rename. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** The statement that copies a whole database into a file which is not there, or empty. */
export function copyInto(path: string): string {
  return `vacuum into '${path.replaceAll("'", "''")}'`
}

/** What writing a file failed with, in words. */
export function fileFault(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (isOxbowError(error) || typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return storeFault(full ? 'store_full' : 'store_failed', `${path} cannot be written (${code}).`, error)
}
