/** Statements of memory: text with `:name` for values, as templates of either dialect. They are few and the same for both where they can be. */
import type { Dialect } from '../sql/dialect.ts'
import type { Template } from '../sql/template.ts'

/** Rows of memory belong to a user: there is no statement without one. */
interface Of {
  readonly user: string
}

/** Builds templates of one dialect. */
export type StatementMaker = <Args extends Of, Row = never>(text: string) => Template<Args, Row>

/** In Postgres a slot is `$1`, in SQLite `?`. A colon that is doubled is a cast and stays. */
export function statementMaker(dialect: Dialect): StatementMaker {
  return (text) => {
    const parameters: { slot: string }[] = []
    const sql = text.replace(/(?<!:):([a-z_][a-z0-9_]*)/g, (_, slot: string) => {
      parameters.push({ slot })
      return dialect === 'sqlite' ? '?' : `$${parameters.length}`
    })
    return { sql, parameters }
  }
}
