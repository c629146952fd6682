/** Compares what a SQLite file contains with what Oxbow makes; see `sql/own-tables.ts`. */
import { type ChangedIndex, type ForeignObject, refuseForeign, refuseIndex, structureFaults, type TableLayout } from '../sql/own-tables.ts'
import { sqliteMigrationDriver } from './database-file.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const { layout }: { layout: TableLayout } = texts

interface Connection {
  readonly path: string
  query<Row>(sql: string): Row[]
  exec(sql: string): void
}

interface SchemaRow {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly sql: string | null
}

/** Full-text indexes that older programs made: the virtual table of a user, and the tables in which SQLite keeps that. */
const textIndex = /^memory_text_(?:[0-9a-f]{2})*$/
const textParts = /^memory_text_(?:[0-9a-f]{2})*_(?:data|idx|content|docsize|config)$/
const known = new Set(layout.tables)

/** @throws what the driver throws */
export function foreignObjects(database: Pick<Connection, 'query'>): readonly ForeignObject[] {
  const rows = database.query<SchemaRow>(`select type, name, tbl_name, sql from sqlite_master where type <> 'index'`)
  return rows.filter((row) => !isOwn(row)).map(({ type, name, tbl_name: table }) => ({ kind: type, name, table }))
}

function isOwn({ type, name, sql }: SchemaRow): boolean {
  if (type !== 'table') return false
  // A virtual table may be of any module.
  const isVirtual = /^create virtual table/i.test(sql ?? '')
  if (textIndex.test(name)) return isVirtual && /^[^(]* using fts5\s*\(/i.test(sql ?? '')
  return !isVirtual && (known.has(name) || textParts.test(name) || name.startsWith('sqlite_'))
}

/** Within no transaction. Words are indexed in memory; see `search/word-index.ts`. */
export function dropTextIndexes(database: Pick<Connection, 'query' | 'exec'>): void {
  const tables = database.query<SchemaRow>(`select type, name, tbl_name, sql from sqlite_master where name glob 'memory_text_*'`)
  for (const { name } of tables) if (textIndex.test(name)) database.exec(`drop table "${name}"`)
}

/** Before anything runs on it. @throws OxbowError `store_failed` */
export function assertOwnObjects(database: Connection): void {
  refuseForeign(`the database ${database.path}`, foreignObjects(database))
}

function changedIndexes(database: Pick<Connection, 'query'>): readonly ChangedIndex[] {
  const rows = database.query<SchemaRow>(`select type, name, tbl_name, sql from sqlite_master where type = 'index' and sql is not null`)
  const there = new Map(rows.map(({ name, sql }) => [name, sql ?? '']))
  return Object.entries(layout.indexes).flatMap(([name, { sql }]): ChangedIndex[] => {
    const found = there.get(name)
    if (found === undefined) return [{ name, sql, state: 'missing' }]
    return sameText(found, sql) ? [] : [{ name, sql, state: 'changed' }]
  })
}

/** SQLite keeps the text as it was given, but for `create index`. */
function sameText(a: string, b: string): boolean {
  return plain(a) === plain(b)
}

function plain(sql: string): string {
  return sql.replaceAll(/\s+/gu, ' ').replace(/^create( unique)? index /iu, (start) => start.toLowerCase())
}

/** Expects this version's tables. Most often there is nothing to do. @throws OxbowError `store_failed`, or what the driver throws */
export async function mendIndexes(database: Connection): Promise<void> {
  if (changedIndexes(database).length === 0) return
  await sqliteMigrationDriver(database).transaction(async () => {
    for (const { name, sql } of changedIndexes(database)) {
      try {
        database.exec(`drop index if exists "${name}"; ${sql}`)
      } catch (error) {
        if (isConstraint(error)) refuseIndex(`the database ${database.path}`, name, error)
        throw error
      }
    }
  })
}

function isConstraint(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_CONSTRAINT')
}

/** For an audit. */
export function sqliteFaults(database: Pick<Connection, 'query'>): readonly string[] {
  return structureFaults(foreignObjects(database), changedIndexes(database))
}
