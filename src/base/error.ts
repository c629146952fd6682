/**
 * The error class and the table of error codes. A bug throws through `assert`; a failure at a boundary throws `OxbowError`; an expected
 * outcome (denied, missing, budget exhausted) is a value with one of the same codes. `docs/errors.md` is generated from the table; a test
 * checks that they match and that each code is raised somewhere.
 */
import type { JsonObject } from './text.ts'

/** Every code of a failure; `errorTable` says what each means. */
export type ErrorCode =
  | 'bad_input'
  | 'bad_config'
  | 'unknown_call'
  | 'not_found'
  | 'unauthenticated'
  | 'sign_in_failed'
  | 'denied'
  | 'approval_required'
  | 'budget_exhausted'
  | 'cancelled'
  | 'timeout'
  | 'limit_reached'
  | 'outcome_unknown'
  | 'tool_failed'
  | 'edit_mismatch'
  | 'not_text'
  | 'path_refused'
  | 'sandbox_missing'
  | 'sandbox_failed'
  | 'model_unreachable'
  | 'model_stalled'
  | 'model_auth'
  | 'model_rate_limited'
  | 'model_overloaded'
  | 'model_refused'
  | 'context_overflow'
  | 'model_garbled'
  | 'replay_diverged'
  | 'program_diverged'
  | 'store_full'
  | 'store_corrupt'
  | 'store_failed'
  | 'workspace_busy'
  | 'guest_unreachable'
  | 'stale_epoch'
  | 'plan_stale'
  | 'audit_failed'
  | 'internal_failure'

interface CodeFacts {
  readonly meaning: string
  /** Whether to retry. `no`: it fails again. `later`: the same request may succeed. `changed`: only a different request may succeed. */
  readonly retry: 'no' | 'later' | 'changed'
  readonly http: number
  /** CLI exit code. 0 means success, 1 a bug. */
  readonly exit: number
}

const facts = (meaning: string, retry: CodeFacts['retry'], http: number, exit: number): CodeFacts => ({ meaning, retry, http, exit })

/** By code: what it means, whether a retry helps, the HTTP status and the exit code. docs/errors.md is made from it. */
export const errorTable: Readonly<Record<ErrorCode, CodeFacts>> = {
  bad_input: facts('The input does not match the schema of the call or frame.', 'changed', 400, 2),
  bad_config: facts('The configuration cannot be used.', 'changed', 500, 3),
  unknown_call: facts('No call has this name.', 'changed', 404, 2),
  not_found: facts('The named object does not exist.', 'changed', 404, 4),
  unauthenticated: facts('The API key or token is missing or wrong.', 'changed', 401, 5),
  sign_in_failed: facts('The provider of sign-in cannot be reached, or fails.', 'later', 502, 5),
  denied: facts('A missing right, a policy or a person denied it.', 'no', 403, 5),
  approval_required: facts('The call is waiting for a person to approve it.', 'later', 202, 6),
  budget_exhausted: facts('A budget does not cover this call, or its continuation.', 'later', 402, 7),
  cancelled: facts('The operation was cancelled.', 'later', 499, 8),
  timeout: facts('The operation exceeded its time limit and was stopped.', 'later', 504, 9),
  limit_reached: facts('A size, count or rate limit was reached.', 'changed', 413, 10),
  outcome_unknown: facts('A crash hid the outcome of an operation that must not be repeated.', 'no', 409, 11),
  tool_failed: facts('The tool ran and reported a failure.', 'changed', 422, 12),
  edit_mismatch: facts('The text to replace does not occur, or occurs more than once.', 'changed', 422, 12),
  not_text: facts('The file is binary and cannot be shown as text.', 'changed', 415, 12),
  path_refused: facts('The path leaves the workspace or is not a regular file or folder.', 'changed', 403, 12),
  sandbox_missing: facts('The sandbox cannot start on this machine.', 'no', 503, 13),
  sandbox_failed: facts('The sandbox crashed or violated its protocol.', 'later', 503, 13),
  model_unreachable: facts('The model endpoint cannot be reached or dropped the connection.', 'later', 502, 14),
  model_stalled: facts('The model endpoint stopped sending.', 'later', 504, 14),
  model_auth: facts('The model endpoint refused the key.', 'changed', 502, 14),
  model_rate_limited: facts('The model endpoint limits the rate of requests.', 'later', 429, 14),
  model_overloaded: facts('The model endpoint is overloaded or failed.', 'later', 502, 14),
  model_refused: facts('The model endpoint refused the request.', 'changed', 502, 14),
  context_overflow: facts('The conversation is longer than the model’s context window.', 'changed', 413, 14),
  model_garbled: facts('The model endpoint sent a response that violates its protocol.', 'later', 502, 14),
  replay_diverged: facts('The request differs from the recorded one, so the recording has no answer to it.', 'changed', 409, 14),
  program_diverged: facts('A script made another call than the one that is on record at this place.', 'no', 409, 12),
  store_full: facts('The disk is full; the guest is read-only.', 'later', 507, 15),
  store_corrupt: facts('The database is damaged; the guest is read-only.', 'no', 500, 15),
  store_failed: facts('The store failed; the guest is read-only.', 'later', 500, 15),
  workspace_busy: facts('Another guest is using this workspace.', 'later', 423, 16),
  guest_unreachable: facts('The guest does not answer.', 'later', 503, 16),
  stale_epoch: facts('Another worker has taken over this session.', 'no', 409, 16),
  plan_stale: facts('What a plan was made on has changed, or the plan itself has.', 'changed', 409, 12),
  audit_failed: facts('The journal does not verify.', 'no', 500, 17),
  internal_failure: facts('A bug in Oxbow; the log of the guest has details.', 'later', 500, 1),
}

/** The part of an error that may be shown, sent and stored: no secret, no stack. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  /** What the person or the model can do next. */
  readonly hint: string
  /** The HTTP status, if an endpoint refused the request. */
  readonly status?: number
}

interface ErrorDetails {
  readonly hint: string
  /** JSON that is safe to log. */
  readonly data?: JsonObject
  readonly cause?: unknown
}

/** A failure at a boundary. `message` says what failed; `hint` says what to do next. */
export class OxbowError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly data: JsonObject

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'OxbowError'
    this.code = code
    this.hint = details.hint
    this.data = details.data ?? {}
  }

  get retryable(): boolean {
    return errorTable[this.code].retry === 'later'
  }
}

/** Checks a code from elsewhere: a guest of another version, an endpoint, a record. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorTable, code)
}

/** Recognizes an OxbowError, also one from another copy of this module, and optionally narrows it to a code. */
export function isOxbowError(error: unknown, code?: ErrorCode): error is OxbowError {
  if (!(error instanceof Error) || error.name !== 'OxbowError' || !('code' in error)) return false
  return code === undefined || error.code === code
}

/** @returns what is said of anything that was thrown */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** @returns the part of an error that may be shown; an unknown error gets the code `otherwise` and keeps its message */
export function toFailure(error: unknown, otherwise: ErrorCode, hint: string): Failure {
  if (isOxbowError(error)) return { code: error.code, message: error.message, hint: error.hint }
  return { code: otherwise, message: errorMessage(error), hint }
}

/** The inverse of `toFailure`, for a failure that arrived as a value: from the network, a thread or the outcome of a call. */
export function toError({ code, message, hint }: Failure): OxbowError {
  return new OxbowError(code, message, { hint })
}

/** @returns what failed and what to do next as sentences, for a protocol that has one text for both */
export function failureSentences({ message, hint }: Pick<Failure, 'message' | 'hint'>): string {
  if (hint === '') return message
  // What a program has put out may end with anything, and stays as it is.
  return `${/[\p{L}\p{N}"'`)]$/u.test(message) ? `${message}.` : message} ${hint}`
}

/** @returns what is wrong with the input of a call, from a refusal that is worded for models; undefined for any other failure */
export function wrongInput({ code, message }: Pick<Failure, 'code' | 'message'>): string | undefined {
  return code === 'bad_input' ? /^\w+ was not run: (.*)$/s.exec(message)?.[1] : undefined
}

/** Removes the error code, which precedes the message in what a model reads of a refused call. */
export function forPeople(text: string): string {
  return text.replace(/^Error \(\w+\): /, '')
}

/** For unreachable branches: the compiler checks that they are, and a bug that reaches one throws. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
