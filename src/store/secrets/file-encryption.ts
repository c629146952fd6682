/**
 * Encryption of the whole SQLite file (ChaCha20-Poly1305 for each page, its log too), by the build of SQLite that all stores
 * use. The key of the file is derived from the master key, which the runner keeps.
 *
 * A file is encrypted, decrypted or rekeyed in a copy next to it, which replaces it in one step once it is whole. If the process ends
 * before that step, the file is unchanged and the next call starts over.
 */
import { Buffer } from 'node:buffer'
import { hkdfSync } from 'node:crypto'
import { copyFileSync, existsSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { isEncrypted, OxbowError } from '../../base/index.ts'
import { busyTimeoutMs } from '../limits.ts'
import { eraseSnapshots } from '../snapshot/erase-snapshots.ts'
import { removeDatabase, syncFile } from '../sqlite/database-file.ts'
import { lockWorkspace } from '../sqlite/workspace-lock.ts'
import { fileFault, toStoreError } from '../store-fault.ts'

export interface CipherChoice {
  /** Master keys as 64 hexadecimal digits: the one in use, and the next one while it is being changed. */
  readonly masters: readonly string[]
  /** Refuses an unencrypted file, and creates new files encrypted. */
  readonly required: boolean
}

/** @returns the value of the cipher's `key` pragma: 256 bits, which need no key stretching. */
export function fileKey(master: string): string {
  return `raw:${Buffer.from(hkdfSync('sha256', Buffer.from(master, 'hex'), '', 'oxbow store file', 32)).toString('hex')}`
}

/** @throws OxbowError `denied` when no key opens it */
export function openEncrypted({ masters }: CipherChoice, path: string, readonly: boolean): Sqlite.Database {
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
  throw new OxbowError('denied', `The database ${path} is encrypted with another key or passphrase.`, {
    hint: 'Set the passphrase that it was encrypted with, or restore the key file from a backup. Nothing was changed.',
  })
}

export function assertMayBePlain({ required }: CipherChoice, path: string): void {
  if (!required) return
  throw new OxbowError('bad_config', `The database ${path} is not encrypted, and store.encrypt is on.`, {
    hint: 'Run `oxbow store encrypt`, or turn store.encrypt off.',
  })
}

export interface Conversion {
  readonly path: string
  /** `masters` opens the current file. */
  readonly cipher: CipherChoice
  /** Master key of the new file; null for an unencrypted one. */
  readonly to: string | null
}

/** @throws OxbowError `workspace_busy` while a guest uses the store, `not_found`, `denied` for a wrong key, `store_corrupt` */
export function convertFile({ path, cipher, to }: Conversion): void {
  if (!existsSync(path)) {
    throw new OxbowError('not_found', `There is no store at ${path}.`, { hint: 'Start Oxbow once in this workspace to create one.' })
  }
  const lock = lockWorkspace(path)
  const copy = `${path}.converting`
  try {
    removeDatabase(copy)
    withFile(cipher, path, (raw) => {
      assertSound(raw, path)
      // Moves everything from the log into the file.
      raw.pragma('wal_checkpoint(TRUNCATE)')
      raw.pragma('journal_mode = DELETE')
    })
    copyFileSync(path, copy)
    withFile(cipher, copy, (raw) => raw.pragma(`rekey = '${to === null ? '' : fileKey(to)}'`))
    withFile({ ...cipher, masters: to === null ? [] : [to] }, copy, (raw) => assertSound(raw, copy))
    syncFile(copy)
    renameSync(copy, path)
    syncFile(dirname(path))
    eraseSnapshots(path)
  } catch (error) {
    throw fileFault(error, path)
  } finally {
    // Frees the space again, in case the disk was full.
    removeDatabase(copy)
    lock.release()
  }
}

function withFile(cipher: CipherChoice, path: string, work: (raw: Sqlite.Database) => unknown): void {
  const raw = isEncrypted(path) ? openEncrypted(cipher, path, false) : new Sqlite(path)
  try {
    work(raw)
  } catch (error) {
    throw toStoreError(error)
  } finally {
    raw.close()
  }
}

function assertSound(raw: Sqlite.Database, path: string): void {
  const found = raw.pragma('quick_check(1)', { simple: true })
  if (found === 'ok') return
  throw new OxbowError('store_corrupt', `The database ${path} is damaged (${String(found)}).`, {
    hint: 'Restore a backup first; nothing was changed.',
  })
}
