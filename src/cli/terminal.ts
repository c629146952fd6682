/** The terminal a verb runs in, as a value: tests bring their own streams. */
import type { GuestProgram, HostEnv } from '../runner/index.ts'
import { writtenOut } from './view/terminal-text.ts'

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

/** Notices and questions go to stderr: stdout is for the answer, which may be piped on. */
export function printNotice({ errors }: Pick<Terminal, 'errors'>, text: string): void {
  errors.write(`${writtenOut(text)}\n`)
}
