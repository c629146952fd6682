/**
 * A file that is encrypted as a whole (ChaCha20-Poly1305 for each page, its log too), by a build of SQLite that is loaded only
 * then. The key of the file comes from the master key, which stays on the runner's side and in memory.
 */
import { Buffer } from 'node:buffer'
import { hkdfSync } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import type Sqlite from 'better-sqlite3'
import { OxbowError } from '../../types/index.ts'
import { busyTimeoutMs } from '../limits.ts'

export interface CipherChoice {
  /** Master keys as 64 hexadecimal digits: the one in use, and the next one while it is being changed. */
  readonly masters: readonly string[]
  /** A file that is not encrypted is refused, and a new one is made encrypted. */
  readonly required: boolean
}

export interface Cipher extends CipherChoice {
  readonly Sqlite: typeof Sqlite
}

export async function loadCipher(choice: CipherChoice): Promise<Cipher> {
  // @ts-expect-error Its types are not where its exports say; it has the interface of the usual build.
  const { default: loaded } = (await import('better-sqlite3-multiple-ciphers')) as { default: typeof Sqlite }
  return { ...choice, Sqlite: loaded }
}

/** @returns the text that the cipher's `key` pragma takes; 256 bits that need no stretching. */
export function fileKey(master: string): string {
  return `raw:${Buffer.from(hkdfSync('sha256', Buffer.from(master, 'hex'), '', 'oxbow store file', 32)).toString('hex')}`
}

const plainHead = 'SQLite format 3\0'

/** @returns whether the file holds something that is not a plain database: one that is encrypted, or damaged. */
export function isEncrypted(path: string): boolean {
  const head = Buffer.alloc(plainHead.length)
  const file = openSync(path, 'r')
  try {
    return readSync(file, head, 0, head.length, 0) > 0 && head.toString('latin1') !== plainHead
  } finally {
    closeSync(file)
  }
}

/** @throws OxbowError `denied` when no key opens it */
export function openEncrypted({ Sqlite, masters }: Cipher, path: string, readonly: boolean): Sqlite.Database {
  for (const master of masters) {
    const raw = new Sqlite(path, { readonly, timeout: busyTimeoutMs })
    try {
      raw.pragma(`key = '${fileKey(master)}'`)
      raw.pragma('schema_version')
      return raw
    } catch (error) {
      raw.close()
      if (!(error instanceof Error && 'code' in error && error.code === 'SQLITE_NOTADB')) throw error
    }
  }
  throw new OxbowError('denied', `The database ${path} is encrypted, and the key or the passphrase is not its own.`, {
    hint: 'Set the passphrase that it was encrypted with, or restore the key file from a backup. Nothing was changed.',
  })
}

export function assertMayBePlain({ required }: CipherChoice, path: string): void {
  if (!required) return
  throw new OxbowError('bad_config', `The database ${path} is not encrypted, and store.encrypt is on.`, {
    hint: 'Run `oxbow store encrypt`, or turn store.encrypt off.',
  })
}
