/** The two languages of SQL that the stores speak, and the builder that writes statements in them. */
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

/** It only compiles: statements run in an engine, or in the driver of migrations. */
export function builderOf<Tables>(dialect: Dialect): Kysely<Tables> {
  return new Kysely({ dialect: dialects[dialect] })
}
