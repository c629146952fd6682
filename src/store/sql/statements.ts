/** What the engines run: every statement of a dialect, with its values as slots. */
import type { EraseStatements } from './erase-statements.ts'
import type { ReadStatements, RecordStatements } from './read-statements.ts'
import type { WriteStatements } from './write-statements.ts'

export interface Statements {
  readonly write: WriteStatements
  readonly read: ReadStatements
  readonly records: RecordStatements
  readonly erase: EraseStatements
}
