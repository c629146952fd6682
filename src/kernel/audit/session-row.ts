/**
 * The row of a session is committed with the record that changed it, and that record says which row it left: so an audit finds every
 * column that was changed beside the journal. What a column means is not needed for that.
 */
import { createHash } from 'node:crypto'
import type { SessionRow } from '../../store/index.ts'

/** Columns at their defaults are left out, so that a column which is added later changes no older mark. */
export function rowMark(row: SessionRow): string {
  const columns = Object.entries(row).filter(([, value]) => value !== '' && value !== 0)
  const sorted = columns.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, markLength)
}

const markLength = 32

/** The journal puts it last. */
const atEnd = /"session_row":\["([^"\\]+)","([0-9a-f]{32})"\]\}$/

/** @returns which session's row a record left, and its mark */
export function rowIn(body: string): { readonly id: string; readonly mark: string } | null {
  if (!body.endsWith('"]}')) return null
  const [, id, mark] = atEnd.exec(body.slice(-maxTailChars)) ?? []
  return id === undefined || mark === undefined ? null : { id, mark }
}

/** Of an id and its mark. */
const maxTailChars = 300
