/**
 * The only way from a statement to the tables: every row belongs to a user, and a statement that names no user does not compile.
 * `tables.of(slot)` takes only a slot maker that has `user`, and returns tables that are bound to that user; an inserted row must have
 * the column. (A joined table is bound by joining on its `user`.)
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
import type { SlotMaker, Tables } from './template.ts'

interface OfUser {
  readonly user: string
}

type TablesOfUser = Pick<Kysely<Tables>, 'selectFrom' | 'insertInto' | 'updateTable' | 'deleteFrom'>

/** The tables, limited to the rows of one user. */
export interface UserTables {
  of(slot: SlotMaker<OfUser>): TablesOfUser
}

/** What select, update and delete have in common. */
interface Conditional {
  where(column: string, operator: '=', value: unknown): unknown
}

/** @param db compiles statements; callers never see it */
export function userTables(db: Kysely<Tables>): UserTables {
  return {
    of(slot) {
      const bound =
        (begin: (table: never) => unknown) =>
        (table: string): unknown => {
          const [name = '', alias = name] = table.split(' as ')
          return (begin(table as never) as Conditional).where(`${alias}.user`, '=', slot('user'))
        }
      return {
        selectFrom: bound((table) => db.selectFrom(table)) as unknown as TablesOfUser['selectFrom'],
        updateTable: bound((table) => db.updateTable(table)) as unknown as TablesOfUser['updateTable'],
        deleteFrom: bound((table) => db.deleteFrom(table)) as unknown as TablesOfUser['deleteFrom'],
        insertInto: (table) => db.insertInto(table),
      }
    },
  }
}

/** The two dialects of SQL that the stores use. */
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
export function builderOf<Schema>(dialect: Dialect): Kysely<Schema> {
  return new Kysely({ dialect: dialects[dialect] })
}
