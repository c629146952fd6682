/**
 * One guest for each workspace. The lock is SQLite's exclusive lock on a small file: the operating system releases it when the process
 * ends, however it ends, so a stale lock cannot exist. The pid file next to it is only for people.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { isAlive, OxbowError } from '../../base/index.ts'
import { storeFault } from '../store-fault.ts'

/** Keep a reference: the lock is released when it is garbage-collected. */
export interface WorkspaceLock {
  release(): void
}

/**
 * Takes the lock next to the database at `path` (files `<path>.lock` and `<path>.pid`).
 * @throws OxbowError `workspace_busy` that names the holder, or `store_failed` when the files cannot be made.
 */
export function lockWorkspace(path: string): WorkspaceLock {
  const pidFile = `${path}.pid`
  const holder = takeLock(`${path}.lock`, pidFile)
  try {
    writeFileSync(pidFile, String(process.pid), { mode: 0o600 })
  } catch {
    // A full disk: the lock holds, but its holder stays unnamed.
  }
  return {
    release() {
      if (!holder.open) return
      rmSync(pidFile, { force: true })
      holder.close()
    },
  }
}

function takeLock(lockFile: string, pidFile: string): Sqlite.Database {
  let file: Sqlite.Database | null = null
  try {
    file = new Sqlite(lockFile, { timeout: 0 })
    // Nothing is ever written to the file, so it needs no journal.
    file.pragma('journal_mode = MEMORY')
    file.exec('begin exclusive')
    return file
  } catch (error) {
    file?.close()
    const busy = error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
    if (!busy) throw storeFault('store_failed', `The lock file ${lockFile} cannot be created (${String(error)}).`, error)
    const pid = holderOf(pidFile)
    const who = pid === null ? 'Another process' : `Process ${pid}`
    throw new OxbowError('workspace_busy', `${who} already runs Oxbow in this workspace.`, {
      hint: `Stop it with \`oxbow stop\`, or close the terminal that started it${pid === null ? '' : ` (process ${pid})`}.`,
      data: pid === null ? {} : { pid },
      cause: error,
    })
  }
}

/** @returns the pid of the lock's holder; null when it is not written yet, or its process is gone. */
function holderOf(pidFile: string): number | null {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) ? pid : null
  } catch {
    return null
  }
}
