/** A table of rows. A row that opens something is a button in its first cell, so that the keyboard reaches it. */
import type { ReactNode } from 'react'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => ReactNode
  /** Numbers stand at the right. */
  readonly align?: 'end'
  /** Left out on a narrow screen. */
  readonly isMinor?: boolean
}

interface TableProps<Row> {
  /** For screen readers. */
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string | number
  readonly onOpen?: (row: Row) => void
  /** The row that is open. */
  readonly current?: string | number
}

export function Table<Row>({ label, columns, rows, keyOf, onOpen, current }: TableProps<Row>): ReactNode {
  const cellOf = (column: Column<Row>, row: Row, index: number): ReactNode =>
    index === 0 && onOpen !== undefined ? (
      <button type="button" className="row-button" onClick={() => onOpen(row)}>
        {column.cell(row)}
      </button>
    ) : (
      column.cell(row)
    )
  return (
    <div className="table-frame" role="region" aria-label={label} tabIndex={0}>
      <table className="table">
        <thead>
          <tr>
            {columns.map(({ title, align, isMinor }) => (
              <th key={title} scope="col" data-align={align} data-minor={isMinor || undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} data-opens={onOpen !== undefined || undefined} aria-current={current === keyOf(row) || undefined}>
              {columns.map((column, index) => (
                <td key={column.title} data-align={column.align} data-minor={column.isMinor || undefined}>
                  {cellOf(column, row, index)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
