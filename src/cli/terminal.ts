/** The terminal a verb runs in, as a value: tests bring their own streams. */
import type { GuestProgram, HostEnv } from '../runner/index.ts'
import { type ErrorCode, errorTable, type Failure, isOxbowError } from '../types/index.ts'
import { plainText, writtenOut } from './view/terminal-text.ts'
import { wrapWords } from './screen/word-wrap.ts'

export interface Terminal {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
  readonly errors: NodeJS.WriteStream
  readonly env: HostEnv
  readonly version: string
  readonly program?: GuestProgram
}

/** True when a person sits at both ends. */
export function isInteractive({ input, output }: Pick<Terminal, 'input' | 'output'>): boolean {
  return input.isTTY && output.isTTY
}

/** What a terminal acts on is written out, also in JSON: a person reads that on a screen too. */
export function printLine({ output }: Pick<Terminal, 'output'>, text: string): void {
  output.write(`${writtenOut(text)}\n`)
}

/** For people: in a terminal its lines end between words, and a pipe has it as it is. Not for what must be copied to the letter. */
export function printText(terminal: Pick<Terminal, 'output'>, text: string): void {
  printLine(terminal, wrapWords(text, columnsOf(terminal.output)))
}

/** @returns `Infinity` for what is no terminal, or does not say how wide it is. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  return isTTY ? columns || Infinity : Infinity
}

/** Notices and questions go to stderr: stdout is for the answer, which may be piped on. */
export function printNotice({ errors }: Pick<Terminal, 'errors'>, text: string): void {
  errors.write(`${writtenOut(text)}\n`)
}

// A verb fails with two lines on stderr and the exit code of the error table.

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
  const wrapped = (text: string): string => wrapWords(plainText(text), columnsOf(terminal.errors))
  const message = `error: ${failure.message}`
  // The input that is asked about stands there to the letter.
  printNotice(terminal, failure.code === 'approval_required' ? plainText(message) : wrapped(message))
  if (failure.hint !== '') printNotice(terminal, wrapped(`hint: ${failure.hint}`))
  return exitOf(failure.code)
}

export function exitOf(code: ErrorCode): number {
  return errorTable[code].exit
}
