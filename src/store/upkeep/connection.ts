/** A database as upkeep sees it: rows in and out, in either dialect. */
import type { Dialect } from '../sql/dialect.ts'
import type { MigrationDriver } from '../migrations/migration-runner.ts'
import { storeTables } from './table-list.ts'

export type Value = string | number | Uint8Array | null

/** `read`: tables must be up to date. `write`: steps may still have to run. `any version`: only to look at what it is. */
export type Wish = 'read' | 'write' | 'any version'

/** Failures are OxbowErrors. */
export interface UpkeepConnection {
  readonly dialect: Dialect
  /** Names it to a person, without a password. */
  readonly where: string
  readonly migration: MigrationDriver
  /** `?` in the statement stands for a value. */
  rows(sql: string, values?: readonly Value[]): Promise<readonly (readonly Value[])[]>
  exec(sql: string): Promise<void>
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

export function quoted(...names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}

export async function countOf(db: UpkeepConnection, sql: string, values: readonly Value[] = []): Promise<number> {
  return Number((await db.rows(sql, values))[0]?.[0] ?? 0)
}

/** Names of all tables that a step made; not the parts that a full-text index is kept in. */
export async function tableNames(db: UpkeepConnection): Promise<ReadonlySet<string>> {
  const rows = await db.rows(
    db.dialect === 'sqlite'
      ? `select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual') and name not like 'sqlite!_%' escape '!'`
      : `select table_name::text from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE'`,
  )
  return new Set(rows.map(([name]) => String(name)))
}

export async function headOf(db: UpkeepConnection, user: string): Promise<{ readonly seq: number; readonly hash: string }> {
  const [row] = await db.rows('select seq, hash from journal where "user" = ? order by seq desc limit 1', [user])
  return row === undefined ? { seq: 0, hash: '0'.repeat(64) } : { seq: Number(row[0]), hash: String(row[1]) }
}

/** Rows of the user, by table; without tables that are not there yet, or were nobody's when they were made. */
export async function rowCounts(db: UpkeepConnection, user: string): Promise<Readonly<Record<string, number>>> {
  const there = await tableNames(db)
  const counts: Record<string, number> = {}
  for (const { name } of storeTables) {
    if (!there.has(name) || !(await hasUser(db, name))) continue
    counts[name] = await countOf(db, `select count(*) from ${quoted(name)} where "user" = ?`, [user])
  }
  return counts
}

async function hasUser(db: UpkeepConnection, table: string): Promise<boolean> {
  const column =
    db.dialect === 'sqlite'
      ? `select 1 from pragma_table_info(?) where name = 'user'`
      : `select 1 from information_schema.columns where table_schema = current_schema() and table_name = ? and column_name = 'user'`
  return (await db.rows(column, [table])).length > 0
}
