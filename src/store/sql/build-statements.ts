/**
 * Compiles the statements of a dialect with kysely. That is done once and for all: `node scripts/make-statements.ts` writes them
 * down in `sqlite/statements.json` and `postgres/statements.json`, and those are what runs. To load the builder and to compile in each
 * thread took longer than all else that a thread did before its first answer.
 */
import {
  type Dialect as KyselyDialect,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { eraseStatements } from './erase-statements.ts'
import { readStatements, recordStatements } from './read-statements.ts'
import type { Statements } from './statements.ts'
import type { Tables } from './tables.ts'
import { userTables } from './user-tables.ts'
import { writeStatements } from './write-statements.ts'

export type Dialect = 'sqlite' | 'postgres'

const dialects: Readonly<Record<Dialect, KyselyDialect>> = {
  sqlite: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
  postgres: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
}

export function buildStatements(dialect: Dialect): Statements {
  const db = userTables(new Kysely<Tables>({ dialect: dialects[dialect] }))
  return { write: writeStatements(db), read: readStatements(db), records: recordStatements(db), erase: eraseStatements(db) }
}
