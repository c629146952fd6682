/** Failures of a run, as values: they are made inside the thread, and leave it as messages. */
import { type ErrorCode, type Failure, errorMessage } from '../../base/index.ts'
import { webAssembly } from './web-assembly.ts'

/** A failure as a value, which a tool's run returns in place of a result. */
export const failed = (code: ErrorCode, message: string, hint: string): { readonly failure: Failure } => ({
  failure: { code, message, hint },
})

/** What `failed` makes. */
export type Failed = ReturnType<typeof failed>

/** @returns whether a value is what `failed` makes */
export function isFailed(value: unknown): value is Failed {
  return typeof value === 'object' && value !== null && 'failure' in value
}

/** Maximum length of a tool's text in a message. */
const maxQuotedChars = 300

/** A text of a tool, truncated for a message. */
export function quoted(text: string): string {
  return text.length > maxQuotedChars ? `${text.slice(0, maxQuotedChars)}…` : text
}

/** @param memoryFull whether the module had no page left when it ended: the more useful reason. */
export function trapFailure(error: unknown, memoryFull: boolean): Failed {
  const message = quoted(errorMessage(error))
  if (error instanceof RangeError && /call stack/i.test(message)) {
    return failed('limit_reached', 'The tool overflowed its stack.', 'Its recursion may be infinite, or should be a loop.')
  }
  if (memoryFull) {
    return failed(
      'limit_reached',
      `The tool used all of its memory and stopped: ${message}.`,
      'Give it less to do, or a higher memory limit.',
    )
  }
  if (error instanceof webAssembly.RuntimeError) {
    return failed(
      'tool_failed',
      `The tool trapped: ${message}.`,
      'This is a fault of the tool: what it wrote to standard error may say more.',
    )
  }
  return failed(
    'tool_failed',
    `The tool failed: ${message}.`,
    'It called a function with pointers outside its memory, or threw what nobody caught.',
  )
}

export function loadFailure(error: unknown): Failed {
  const message = quoted(errorMessage(error))
  return failed(
    'bad_input',
    `The module cannot be loaded: ${message}.`,
    'Build it for wasm32-wasip1, without threads and without 64-bit memory.',
  )
}
