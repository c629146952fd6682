/** How a verb fails: two lines on stderr and the exit code of the table. */
import { type ErrorCode, errorTable, type Failure, isOxbowError } from '../types/index.ts'
import { plainText } from './view/terminal-text.ts'
import { columnsOf, printNotice } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { wrapWords } from './wrap/wrap-words.ts'

/** Exit code of a bug; its stack is for whoever mends it. */
const bugExit = 1

/** @returns the exit code. */
export function reportFailure(terminal: Pick<Terminal, 'errors'>, error: unknown): number {
  if (isOxbowError(error)) return printFailure(terminal, error)
  printNotice(terminal, `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  printNotice(terminal, 'hint: This is a fault of Oxbow; please report it with the lines above.')
  return bugExit
}

/** @returns the exit code. */
export function printFailure(terminal: Pick<Terminal, 'errors'>, failure: Failure): number {
  const told = (text: string): string => wrapWords(plainText(text), columnsOf(terminal.errors))
  const message = `error: ${failure.message}`
  // The input that is asked about stands there to the letter.
  printNotice(terminal, failure.code === 'approval_required' ? plainText(message) : told(message))
  if (failure.hint !== '') printNotice(terminal, told(`hint: ${failure.hint}`))
  return exitOf(failure.code)
}

export function exitOf(code: ErrorCode): number {
  return errorTable[code].exit
}
