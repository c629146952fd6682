/**
 * Encrypts, decrypts, or encrypts anew under another key: in a copy beside the file, which takes its place in one step when it
 * is whole. Whatever ends the process before that step, the file is as it was; the next call begins anew.
 */
import { copyFileSync, existsSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import type Sqlite from 'better-sqlite3'
import { OxbowError } from '../../types/index.ts'
import { removeDatabase, syncFile } from '../sqlite/database-file.ts'
import { lockWorkspace } from '../sqlite/workspace-lock.ts'
import { fileFault, toStoreError } from '../store-fault.ts'
import { type Cipher, fileKey, isEncrypted, openEncrypted } from './cipher.ts'

export interface Conversion {
  readonly path: string
  /** `masters` opens what is there. */
  readonly cipher: Cipher
  /** Master key of what shall be; null: plain. */
  readonly to: string | null
}

/** @throws OxbowError `workspace_busy` while a guest uses the store, `not_found`, `denied` for a wrong key, `store_corrupt` */
export function convertFile({ path, cipher, to }: Conversion): void {
  if (!existsSync(path)) {
    throw new OxbowError('not_found', `There is no store at ${path}.`, { hint: 'Start Oxbow once in this workspace to make one.' })
  }
  const lock = lockWorkspace(path)
  const copy = `${path}.converting`
  try {
    removeDatabase(copy)
    withFile(cipher, path, (raw) => {
      assertSound(raw, path)
      // The file has everything then, and its log nothing.
      raw.pragma('wal_checkpoint(TRUNCATE)')
      raw.pragma('journal_mode = DELETE')
    })
    copyFileSync(path, copy)
    withFile(cipher, copy, (raw) => raw.pragma(`rekey = '${to === null ? '' : fileKey(to)}'`))
    withFile({ ...cipher, masters: to === null ? [] : [to] }, copy, (raw) => assertSound(raw, copy))
    syncFile(copy)
    renameSync(copy, path)
    syncFile(dirname(path))
  } catch (error) {
    throw fileFault(error, path)
  } finally {
    // A disk that was full has its room again.
    removeDatabase(copy)
    lock.release()
  }
}

function withFile(cipher: Cipher, path: string, work: (raw: Sqlite.Database) => unknown): void {
  const raw = isEncrypted(path) ? openEncrypted(cipher, path, false) : new cipher.Sqlite(path)
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
