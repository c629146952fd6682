/** What the first bytes of a database say: for the store, and for programs that never open it. */
import { closeSync, openSync, readSync } from 'node:fs'

const plainHead = 'SQLite format 3\0'

/** @returns whether the file is not empty and not a plain database: it is encrypted, or damaged. */
export function isEncrypted(path: string): boolean {
  const head = Buffer.alloc(plainHead.length)
  const file = openSync(path, 'r')
  try {
    return readSync(file, head, 0, head.length, 0) > 0 && head.toString('latin1') !== plainHead
  } finally {
    closeSync(file)
  }
}
