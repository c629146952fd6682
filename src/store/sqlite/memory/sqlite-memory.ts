/** Reads of memory, answered by SQLite at once. */
import type { UserId } from '../../../types/index.ts'
import { answerNow, ask, type Ask } from '../../search/asking.ts'
import type { MemoryAnswers, MemoryRead } from '../../memory/memory-message.ts'
import { createMemoryReader } from '../../search/memory-reader.ts'
import { statementMaker } from '../../memory/memory-statement.ts'
import { readBlocks } from '../../search/vector-reading.ts'
import type { Database, Statement } from '../sqlite-database.ts'
import { hasTextIndex, textTable } from './text-index.ts'
import { createTextRanking } from './text-ranking.ts'

/** @throws OxbowError `bad_input`, `store_corrupt` or `store_failed` */
export type SqliteMemory = (read: MemoryRead) => MemoryAnswers[MemoryRead['ask']]

export function createSqliteMemory(database: Database, user: UserId): SqliteMemory {
  const sql = statementMaker('sqlite')
  const prepared = new Map<string, Statement<object, object>>()
  const statementOf = ({ text, once }: Ask): Statement<object, object> => {
    const statement = prepared.get(text) ?? database.prepare<object, object>(sql(text))
    if (once !== true) prepared.set(text, statement)
    return statement
  }
  const answer = (asked: Ask): readonly unknown[] => {
    const statement = statementOf(asked)
    return asked.arrays === true ? statement.rows(asked.args) : statement.all(asked.args)
  }
  const reader = createMemoryReader({
    dialect: 'sqlite',
    user,
    textRanking: createTextRanking(database, user),
    vectorReading: readBlocks(user),
    *indexBytes() {
      if (!hasTextIndex(database, user)) return 0
      const text = `select coalesce(sum(length(block)), 0) as bytes from ${textTable(user)}_data`
      return (yield* ask<{ bytes: number }>({ text, args: { user } }))[0]?.bytes ?? 0
    },
  })
  return (read) => database.snapshot(() => answerNow(reader(read), answer))
}
