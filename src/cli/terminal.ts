/** The terminal that a verb runs in, as a value so that tests can pass their own streams, and how verbs print to it and fail. */
import type { BegunGuest, GuestProgram, HostEnv } from '../runner/index.ts'
import { type ErrorCode, errorTable, type Failure, isOxbowError, OxbowError } from '../base/index.ts'
import type { VerbPreview } from '../protocol/index.ts'
import { plainText, writtenOut } from '../terminal/index.ts'
import { wrapWords } from './screen/word-wrap.ts'

/** Where a verb runs: its streams, its environment and its version. Tests pass their own. */
export interface Terminal {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
  readonly errors: NodeJS.WriteStream
  readonly env: HostEnv
  readonly version: string
  readonly program?: GuestProgram
  /** A guest that may become this verb's, if it starts one. */
  readonly begun?: BegunGuest | null
  /** Settles moves between spaces that were cut off, before a guest opens one of both. Null: that is being done. */
  readonly settle?: ((terminal: Terminal) => Promise<void>) | null
  /** With `--json`, a failure is one JSON object too. */
  readonly isJson?: boolean
  /** Notices of this run that were printed and are not repeated: several steps of one verb find the same. Absent: all are printed. */
  readonly said?: Set<string>
}

/** True when input and output are both a terminal. */
export function isInteractive({ input, output }: Pick<Terminal, 'input' | 'output'>): boolean {
  return input.isTTY && output.isTTY
}

/**
 * @param without how to change the same without an editor
 * @returns the command of the person's editor @throws OxbowError `bad_input` where the usual one would wait for keys that nobody can type
 */
export function editorOf(terminal: Terminal, without: string): string {
  const named = terminal.env['VISUAL'] || terminal.env['EDITOR']
  if (named) return named
  if (isInteractive(terminal)) return 'vi'
  throw new OxbowError('bad_input', 'There is no terminal here to edit in.', {
    hint: `Set EDITOR to a program that edits by itself, or change ${without}`,
  })
}

/** Escapes control characters, also in JSON, which people read on a screen too. */
export function printLine({ output }: Pick<Terminal, 'output'>, text: string): void {
  output.write(`${writtenOut(text)}\n`)
}

/** Wraps lines between words on a terminal; a pipe gets the text unchanged. Not for text that must be copied exactly. */
export function printText(terminal: Pick<Terminal, 'output'>, text: string): void {
  printLine(terminal, wrapWords(text, columnsOf(terminal.output)))
}

/** @returns `Infinity` when it is not a terminal or its width is unknown. */
export function columnsOf({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  return isTTY ? columns || Infinity : Infinity
}

/** Notices and questions go to stderr: stdout carries the result, which may be piped. */
export function printNotice({ errors }: Pick<Terminal, 'errors'>, text: string): void {
  errors.write(`${writtenOut(text)}\n`)
}

/** As `printNotice`, unless the same was said before. */
export function printOnce(terminal: Pick<Terminal, 'errors' | 'said'>, text: string): void {
  if (terminal.said?.has(text) === true) return
  terminal.said?.add(text)
  printNotice(terminal, text)
}

/** What a verb has to say: with `--json` a value in one line, else the text. @returns the exit code, 0 */
export function printAnswer(
  value: unknown,
  text: string,
  { json }: { readonly json?: boolean | undefined },
  terminal: Pick<Terminal, 'output'>,
): number {
  if (json === true) printLine(terminal, JSON.stringify(value))
  else printText(terminal, text)
  return 0
}

/** What a verb lists: with `--json` one object a line, else the text of all. @param empty said on the error output where there is nothing @returns 0 */
export function printList<One>(
  list: readonly One[],
  { text, empty }: { text(list: readonly One[]): string; readonly empty?: string },
  { json }: { readonly json?: boolean | undefined },
  terminal: Pick<Terminal, 'output' | 'errors'>,
): number {
  if (json === true) for (const one of list) printLine(terminal, JSON.stringify(one))
  else if (list.length === 0 && empty !== undefined) printNotice(terminal, empty)
  else printText(terminal, text(list))
  return 0
}

// A verb that destroys something first says what, if it is asked to.

/** What `--dry-run` prints. @returns the exit code */
export function printPreview(
  { would, nothing, target }: VerbPreview,
  options: { readonly json?: boolean | undefined },
  terminal: Pick<Terminal, 'output'>,
): number {
  return printAnswer({ dry_run: true, would, target }, nothing ?? `Would ${would}. Nothing is changed.`, options, terminal)
}

// A verb fails with two lines on stderr, or with `--json` one object `{"error": {code, message, hint}}`, and the exit code from the table.

type FailurePlace = Pick<Terminal, 'errors' | 'isJson'>

/** Exit code of a bug, which is reported with its stack. */
const bugExit = 1

/** @returns the exit code. */
export function reportFailure(terminal: FailurePlace, error: unknown): number {
  if (isOxbowError(error)) return printFailure(terminal, error)
  printNotice(terminal, `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  printNotice(terminal, 'hint: This is a bug in Oxbow; please report it with the lines above.')
  return bugExit
}

/** @returns the exit code. */
export function printFailure(terminal: FailurePlace, failure: Failure): number {
  if (terminal.isJson === true) {
    const { code, message, hint } = failure
    printNotice(terminal, JSON.stringify({ error: { code, message, hint } }))
    return exitOf(code)
  }
  const wrapped = (text: string): string => wrapWords(plainText(text), columnsOf(terminal.errors))
  const message = `error: ${failure.message}`
  // The message contains the exact input to approve.
  printNotice(terminal, failure.code === 'approval_required' ? plainText(message) : wrapped(message))
  if (failure.hint !== '') printNotice(terminal, wrapped(`hint: ${failure.hint}`))
  return exitOf(failure.code)
}

/** @returns the exit code of a failure, as docs/errors.md lists it */
export function exitOf(code: ErrorCode): number {
  return errorTable[code].exit
}
