/** Failures inside hands: errors that carry what the kernel will show. Texts name virtual paths only, never paths of the host. */
import type { ErrorCode, Failure } from '../base/index.ts'
import { headOf, tailOf } from '../base/index.ts'
import { maxFailureCharacters } from './limits.ts'

interface FailureError extends Error {
  readonly failure: Failure
}

/** @returns an error to throw; the server turns it into a reply. */
export function failed(code: ErrorCode, message: string, hint: string): Error {
  return Object.assign(new Error(message), { failure: { code, message, hint } })
}

/** @returns whether an error has a failure for the kernel; any other is a bug of hands */
export function isFailureError(error: unknown): error is FailureError {
  return error instanceof Error && 'failure' in error
}

/** @returns the code of an operating system error, such as ENOENT, or `unknown`. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** What an operating system error means for somebody who named `path`. Node's own message is dropped: it holds real paths. */
export function fromSystemError(error: unknown, path: string): Error {
  if (isFailureError(error)) return error
  const code = systemCode(error)
  switch (code) {
    case 'ENOENT':
      return failed('not_found', `${path} does not exist.`, 'List the folder to see what is there.')
    case 'ENOTDIR':
      return failed('not_found', `${path} does not exist: a part of the path is not a folder.`, 'List the folder to see what is there.')
    case 'EISDIR':
      return failed('path_refused', `${path} is a folder.`, 'Name a file in it.')
    case 'ELOOP':
      return failed('path_refused', `${path} is a link that cannot be followed.`, 'Use the path of the file itself.')
    case 'ENAMETOOLONG':
      return failed('bad_input', 'The path is too long.', 'Use a shorter name.')
    case 'ENOTEMPTY':
      return failed('tool_failed', `${path} is a folder that is not empty.`, 'Pass recursive to delete it with all it holds.')
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'EBUSY':
      return failed('path_refused', `${path} cannot be used: permission denied (${code}).`, 'Choose another path.')
    case 'EFBIG':
      return failed(
        'limit_reached',
        `${path} would be larger than one file may be.`,
        'Write less, or in several files; or raise max_file_mb under [sandbox] in config.toml.',
      )
    case 'ENOSPC':
    case 'EDQUOT':
      return failed('limit_reached', `No space is left for ${path}.`, 'Delete files that are not needed.')
    default:
      return failed('tool_failed', `${path} cannot be used (${code}).`, 'Try again or choose another path.')
  }
}

/** @returns what the kernel is told of any error. An unknown one is a bug in hands; its text stays inside. */
export function toReplyFailure(error: unknown): Failure {
  if (isFailureError(error)) return { ...error.failure, message: clip(error.failure.message), hint: clip(error.failure.hint) }
  const name = error instanceof Error ? error.name : typeof error
  return { code: 'tool_failed', message: `The operation failed unexpectedly (${name}).`, hint: 'Try again; report it when it repeats.' }
}

/** A text over the kernel's bound would be taken for an attack; a path alone can be as long. */
function clip(text: string): string {
  const half = maxFailureCharacters / 2
  return text.length <= maxFailureCharacters ? text : `${headOf(text, half - 1)}…${tailOf(text, half)}`
}

/** @throws the failure `cancelled` when the request was cancelled. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled()
}

/** The error of a request that was cancelled. */
export function cancelled(): Error {
  return failed('cancelled', 'Cancelled.', 'Ask again when it is wanted.')
}
