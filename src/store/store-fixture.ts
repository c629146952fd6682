/** A folder for one test's store, and what tests of the SQLite store do to its file. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { type ErrorCode, isOxbowError, type UserId } from '../base/index.ts'
import { openSqliteStore, type SqliteOptions } from './sqlite/sqlite-store.ts'
import type { OpeningStore } from './store.ts'

export const ann = 'ann' as UserId

export interface StoreFolder extends AsyncDisposable {
  readonly folder: string
  readonly path: string
  /** A store that is closed with the folder, unless the test closes it before. */
  open(options?: Partial<SqliteOptions>): Promise<OpeningStore>
}

/** @param folder where to put the file; without it a new one that is removed again */
export function storeFolder(folder?: string): StoreFolder {
  const own = folder ?? mkdtempSync(join(tmpdir(), 'oxbow-store-'))
  const path = join(own, 'oxbow.db')
  const opened: OpeningStore[] = []
  return {
    folder: own,
    path,
    async open(options = {}) {
      const store = await openSqliteStore({ path, user: ann, durability: 'normal', ...options })
      opened.push(store)
      return store
    },
    async [Symbol.asyncDispose]() {
      try {
        for (const store of opened) await store.close()
      } finally {
        if (folder === undefined) rmSync(own, { recursive: true, force: true })
      }
    },
  }
}

/** Runs statements on the file behind the store's back, as somebody would who tampers with it. */
export function tamper(path: string, ...statements: string[]): void {
  const raw = new Sqlite(path)
  for (const statement of statements) raw.exec(statement)
  raw.close()
}

export async function assertRejects(work: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(isOxbowError(error, code), `${String(error)} is not ${code}`)
    if (message !== undefined) assert.match(error.message, message)
    assert.notEqual(error.hint, '')
    return true
  })
}
