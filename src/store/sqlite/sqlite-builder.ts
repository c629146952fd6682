/** The query builder in SQLite's dialect. It only compiles: statements run in `sqlite-database.ts`. */
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import type { Tables } from '../sql/tables.ts'
import { userTables, type UserTables } from '../sql/user-tables.ts'

export function createBuilder(): UserTables {
  const builder = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  })
  return userTables(builder)
}
