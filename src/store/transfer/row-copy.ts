/** Copies the rows of a table between databases of both dialects, in the order of their key, and computes checksums to compare them. */
import { Buffer } from 'node:buffer'
import { copyBatchBytes, copyBatchRows } from '../limits.ts'
import { quoted, type TableFacts, type UpkeepConnection, type Value } from '../upkeep/connection.ts'

export interface Column {
  readonly name: string
  readonly type: 'text' | 'whole' | 'real' | 'bytes'
}

type Row = readonly Value[]

/** Columns sorted by name, because their order differs between a migrated database and a new one. */
export async function columnsOf(db: UpkeepConnection, table: string): Promise<readonly Column[]> {
  const rows = await db.rows(
    db.dialect === 'sqlite'
      ? 'select name, type from pragma_table_info(?)'
      : 'select column_name::text, data_type::text from information_schema.columns where table_schema = current_schema() and table_name = ?',
    [table],
  )
  const columns = rows.map(([name, type]) => ({ name: String(name), type: typeOf(String(type)) }))
  return columns.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function typeOf(declared: string): Column['type'] {
  const type = declared.toLowerCase()
  if (type.includes('int')) return 'whole'
  if (type === 'real' || type.startsWith('double')) return 'real'
  return type === 'blob' || type === 'bytea' ? 'bytes' : 'text'
}

/**
 * Pages of the user's rows in the order of the key.
 * @param after values of the key (without the user) of the last row that was read
 */
export async function* pagesOf(
  db: UpkeepConnection,
  { name, key }: TableFacts,
  columns: readonly Column[],
  user: string,
  after: Row | null,
): AsyncGenerator<readonly Row[]> {
  const keys = key.slice(1)
  const places = keys.map((column) => columns.findIndex((c) => c.name === column))
  // Large values are read a few at a time.
  const limit = columns.some(({ type }) => type === 'bytes') ? Math.ceil(copyBatchRows / 10) : copyBatchRows
  const select = `select ${quoted(...columns.map((c) => c.name))} from ${quoted(name)} where "user" = ?`
  const order = keys.length === 0 ? '' : ` order by ${quoted(...keys)}`
  for (let last = after; ;) {
    const from = last === null || keys.length === 0 ? '' : ` and (${quoted(...keys)}) > (${keys.map(() => '?').join(', ')})`
    const values = from === '' ? [user] : [user, ...(last ?? [])]
    // A table without further key columns has only one row per user.
    if (keys.length === 0 && last !== null) return
    const rows = await db.rows(`${select}${from}${order} limit ${limit}`, values)
    if (rows.length > 0) yield rows
    if (rows.length < limit) return
    last = places.map((place) => rows.at(-1)?.[place] ?? null)
  }
}

/** Runs within a transaction of the caller. */
export async function insertRows(db: UpkeepConnection, table: string, columns: readonly Column[], rows: readonly Row[]): Promise<void> {
  const names = quoted(...columns.map(({ name }) => name))
  const one = `(${columns.map(() => '?').join(', ')})`
  for (let at = 0; at < rows.length;) {
    const batch = takeBatch(rows, at, columns.length)
    await db.rows(`insert into ${quoted(table)} (${names}) values ${batch.map(() => one).join(', ')}`, batch.flat())
    at += batch.length
  }
}

/** @returns as many rows as fit into one statement: both dialects allow at least ten thousand values */
function takeBatch(rows: readonly Row[], at: number, width: number): readonly Row[] {
  const maxRows = Math.max(1, Math.floor(maxStatementValues / width))
  let bytes = 0
  let count = 0
  for (const row of rows.slice(at, at + maxRows)) {
    for (const value of row) bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length : 8
    if (count > 0 && bytes > copyBatchBytes) break
    count++
  }
  return rows.slice(at, at + count)
}

const maxStatementValues = 10_000

/** @returns a row as text, the same for both dialects */
function canonicalRow(columns: readonly Column[], row: Row): string {
  return JSON.stringify(columns.map(({ type }, i) => canonicalValue(type, row[i] ?? null)))
}

function canonicalValue(type: Column['type'], value: Value): string | number | null {
  if (value === null) return null
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
  if (type === 'whole' || type === 'real') return Number(value)
  return value
}

export interface TableSum {
  readonly rows: number
  /** BLAKE3 over the canonical rows in the order of the key, lower-case hex. */
  readonly hash: string
}

export async function sumOf(db: UpkeepConnection, table: TableFacts, columns: readonly Column[], user: string): Promise<TableSum> {
  const { createBLAKE3 } = await import('hash-wasm')
  const blake3 = (await createBLAKE3()).init()
  let rows = 0
  for await (const page of pagesOf(db, table, columns, user, null)) {
    for (const row of page) blake3.update(`${canonicalRow(columns, row)}\n`)
    rows += page.length
  }
  return { rows, hash: blake3.digest('hex') }
}
