/** Reads of memory in SQLite: answered at once. */
import { isEncrypted, type UserId } from '../../base/index.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-client.ts'
import { runSync } from '../memory/memory-reads.ts'
import type { HeldMemory } from '../search/held-memory.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import { readBlocks } from '../search/vector-block.ts'
import { type CipherChoice } from '../secrets/file-encryption.ts'
import { openKept } from '../snapshot/kept-memory.ts'
import { createAnswers } from './memory-answers.ts'
import { type Database, openDatabase } from './sqlite-database.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type SqliteMemory = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

export function createSqliteMemory(database: Database, user: UserId, held?: HeldMemory): SqliteMemory {
  const answer = createAnswers(database)
  const reader = createMemoryReader({ dialect: 'sqlite', user, vectorReading: readBlocks(user), ...(held !== undefined && { held }) })
  return (read) => database.snapshot(() => runSync(reader(read), answer))
}

export interface KeptSqliteMemory {
  readonly read: SqliteMemory
  /** Writes a snapshot if much has changed since the last one, or if it was erased. Never throws. */
  keep(): void
  close(): void
}

interface KeptFile {
  readonly path: string
  readonly user: UserId
  readonly cipher?: CipherChoice
}

/** Opens the file to search it, and with it a snapshot where one can be used. @throws OxbowError as `openDatabase` */
export function openKeptMemory({ path, user, cipher }: KeptFile): KeptSqliteMemory {
  const database = openDatabase({ path, readOnly: true, ...(cipher !== undefined && { cipher }) })
  const answer = createAnswers(database)
  const masters = (): readonly string[] | null => (cipher !== undefined && isEncrypted(path) ? cipher.masters : null)
  const kept = database.snapshot(() => runSync(openKept({ path, user, masters }), answer))
  return {
    read: createSqliteMemory(database, user, kept.held),
    keep() {
      if (!kept.isDue()) return
      try {
        runSync(kept.keep(), answer)
      } catch {
        // A full disk, for example: the next process reads everything from the database.
      }
    },
    close: database.close,
  }
}
