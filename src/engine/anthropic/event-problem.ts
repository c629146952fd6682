/** An error that came inside a stream: it names its kind where an answer of its own would have had a status. */
import { streamError } from '../answer.ts'
import type { Problem } from '../model-problem.ts'
import { problemOfStatus } from '../model-problem.ts'
import type { ReaderOptions } from '../wire.ts'

const statusOf: ReadonlyMap<unknown, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

/** @param error hostile: only texts and numbers are taken from it. An unknown kind counts as the service's own failure. */
export function eventProblem(error: unknown, options: ReaderOptions): Problem {
  const { type, message, code } = (typeof error === 'object' && error !== null ? error : { message: error }) as Record<string, unknown>
  const said = typeof message === 'string' ? message : ''
  const status = statusOf.get(type)
  if (status === undefined) return streamError({ message: said, code: typeof code === 'number' ? code : null }, options)
  const { key, origin } = options
  return problemOfStatus({ status, body: JSON.stringify({ message: said }), key, origin, retryAfterMs: null, redirect: '' })
}
