/**
 * The parts of a step: tables described once for both dialects, and SQL where the dialects differ. Times and counts are
 * 64 bit wide, texts are ordered by their bytes (so that both dialects put the same rows in the same order), and columns are
 * never null unless they say so.
 */
import { createHash } from 'node:crypto'
import { type Compilable, type SchemaModule, type Sql, sql, type SqlBool } from 'kysely'
import { builderOf, type Dialect } from '../sql/user-tables.ts'
import { ownValue } from '../../base/index.ts'

/** `?` at the end: may be null. */
type Column = 'text' | 'text?' | 'whole' | 'whole?' | 'real' | 'real?' | 'bytes' | 'bytes?'

export type StepStatement = Compilable | string

type Columns = Readonly<Record<string, Column>>

export interface StepTools {
  readonly dialect: Dialect
  readonly schema: SchemaModule
  /** Rows are found by `key`. `by_key`: small rows, found by key alone, are stored in its order. */
  table(name: string, columns: Columns, key: readonly string[], layout?: 'by_key'): StepStatement
  /** @param of only rows for which this holds; a query must state it in the same words */
  index(name: string, table: string, columns: readonly string[], of?: string): StepStatement
  column(table: string, name: string, type: Column, byDefault: string | number): StepStatement
  /** Statements of one dialect alone. */
  only(dialect: Dialect, ...statements: readonly StepStatement[]): readonly StepStatement[]
}

export interface MigrationStep {
  up(on: StepTools): readonly StepStatement[]
  down(on: StepTools): readonly StepStatement[]
}

const types: Readonly<Record<Dialect, Readonly<Record<'text' | 'whole' | 'real' | 'bytes', string>>>> = {
  sqlite: { text: 'text', whole: 'integer', real: 'real', bytes: 'blob' },
  postgres: { text: 'text collate "C"', whole: 'bigint', real: 'double precision', bytes: 'bytea' },
}

export function stepTools(dialect: Dialect): StepTools {
  const { schema } = builderOf(dialect)
  const typeOf = (column: Column): ReturnType<Sql['raw']> =>
    sql.raw(ownValue(types[dialect], column.replace('?', '') as keyof (typeof types)['sqlite'])!)
  return {
    dialect,
    schema,
    table(name, columns, key, layout) {
      let table = schema.createTable(name)
      for (const [column, type] of Object.entries(columns)) {
        table = table.addColumn(column, typeOf(type), (c) => (type.endsWith('?') ? c : c.notNull()))
      }
      const keyed = table.addPrimaryKeyConstraint(`${name}_key`, key as never)
      return layout === 'by_key' && dialect === 'sqlite' ? keyed.modifyEnd(sql`without rowid`) : keyed
    },
    index(name, table, columns, of) {
      const index = schema
        .createIndex(name)
        .on(table)
        .columns([...columns])
      return of === undefined ? index : index.where(sql.raw<SqlBool>(of))
    },
    column: (table, name, type, byDefault) =>
      schema.alterTable(table).addColumn(name, typeOf(type), (c) => (type.endsWith('?') ? c : c.notNull().defaultTo(byDefault))),
    only: (wanted, ...statements) => (wanted === dialect ? statements : []),
  }
}

/** The same rows under another key, without indexes. @param key its last column is what rows are sorted by */
export function rebuilt(on: StepTools, table: string, columns: Columns, key: readonly string[]): readonly StepStatement[] {
  const names = Object.keys(columns)
    .map((column) => `"${column}"`)
    .join(', ')
  return [
    on.table(`${table}_rebuilt`, columns, key),
    `insert into "${table}_rebuilt" (${names}) select ${names} from "${table}" order by "${key.at(-1)}"`,
    on.schema.dropTable(table),
    on.schema.alterTable(`${table}_rebuilt`).renameTo(table),
  ]
}

export function statementText(statement: StepStatement): string {
  return typeof statement === 'string' ? statement : statement.compile().sql
}

/** SHA-256, lower-case hex, of every statement of the step in a fixed order. */
export function checksumOf(step: MigrationStep): string {
  const hash = createHash('sha256')
  for (const dialect of ['sqlite', 'postgres'] as const) {
    const on = stepTools(dialect)
    hash.update(JSON.stringify([dialect, step.up(on).map(statementText), step.down(on).map(statementText)]))
  }
  return hash.digest('hex')
}
