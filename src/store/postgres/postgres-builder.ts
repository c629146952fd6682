/** The query builder in Postgres's dialect. It only compiles: statements run in a session. */
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { Tables } from '../sql/tables.ts'
import { userTables, type UserTables } from '../sql/user-tables.ts'

export function createBuilder(): UserTables {
  const builder = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  return userTables(builder)
}
