/** Reads of memory in SQLite: answered at once. */
import type { UserId } from '../../base/index.ts'
import type { MemoryAnswers, MemoryRead } from '../memory/memory-client.ts'
import { runSync } from '../memory/memory-reads.ts'
import { createMemoryReader } from '../search/memory-reader.ts'
import { readBlocks } from '../search/vector-block.ts'
import { createAnswers } from './memory-answers.ts'
import type { Database } from './sqlite-database.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type SqliteMemory = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

export function createSqliteMemory(database: Database, user: UserId): SqliteMemory {
  const answer = createAnswers(database)
  const reader = createMemoryReader({ dialect: 'sqlite', user, vectorReading: readBlocks(user) })
  return (read) => database.snapshot(() => runSync(reader(read), answer))
}
