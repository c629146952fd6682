/**
 * Compiles the statements of a dialect with kysely. That is done once and for all: `node scripts/make-statements.ts` writes them
 * down in `sqlite/statements.json` and `postgres/statements.json`, and those are what runs. To load the builder and to compile in each
 * thread took longer than all else that a thread did before its first answer.
 */
import { builderOf, type Dialect } from './dialect.ts'
import { eraseStatements } from './erase-statements.ts'
import { readStatements, recordStatements } from './read-statements.ts'
import type { Statements } from './statements.ts'
import type { Tables } from './tables.ts'
import { userTables } from './user-tables.ts'
import { writeStatements } from './write-statements.ts'

export function buildStatements(dialect: Dialect): Statements {
  const db = userTables(builderOf<Tables>(dialect))
  return { write: writeStatements(db), read: readStatements(db), records: recordStatements(db), erase: eraseStatements(db) }
}
