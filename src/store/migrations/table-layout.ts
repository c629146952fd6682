/** What the steps of the migrations leave behind: the names of all tables, and every index as it is made. */
import type { TableLayout } from '../sql/own-tables.ts'
import type { Dialect } from '../sql/user-tables.ts'
import { buildMigrations } from './migration-steps.ts'

const indexPattern = /^create (?:unique )?index "(\w+)" on "(\w+)"/
const renamePattern = /^alter table "(\w+)" rename to "(\w+)"/

/** Follows the statements in order; no statement renames a table that has indexes. */
export function layoutOf(dialect: Dialect): TableLayout {
  const tables = new Set(['migration', 'move_cursor'])
  const indexes = new Map<string, { readonly table: string; readonly sql: string }>()
  for (const sql of buildMigrations(dialect).steps.flatMap(({ up }) => up)) {
    const [, made] = /^create table "(\w+)"/.exec(sql) ?? []
    const [, dropped] = /^drop table "(\w+)"/.exec(sql) ?? []
    const [, before, after] = renamePattern.exec(sql) ?? []
    const [, index, table] = indexPattern.exec(sql) ?? []
    const [, gone] = /^drop index "(\w+)"/.exec(sql) ?? []
    if (made !== undefined) tables.add(made)
    if (before !== undefined && after !== undefined) {
      tables.delete(before)
      tables.add(after)
      for (const [name, of] of indexes) if (of.table === before) indexes.delete(name)
    }
    if (dropped !== undefined) {
      tables.delete(dropped)
      for (const [name, of] of indexes) if (of.table === dropped) indexes.delete(name)
    }
    if (index !== undefined && table !== undefined) indexes.set(index, { table, sql })
    if (gone !== undefined) indexes.delete(gone)
  }
  return { tables: [...tables].sort(), indexes: Object.fromEntries([...indexes].sort(([a], [b]) => (a < b ? -1 : 1))) }
}
