/** How Gemini says that it is done, and why: finish reasons of an answer, block reasons of a request, errors by RPC name. */
import type { BlockedReason, FinishReason as GeminiReason } from '@google/genai'
import type { FinishReason } from '../../types/index.ts'
import { type Problem, cleanEndpointText, problem } from '../model-problem.ts'
import type { ReaderOptions } from '../wire.ts'

/** `broken` is an answer that cannot be used; the same request may pass. */
export type Ending = Exclude<FinishReason, 'tool_calls'> | 'broken'

/**
 * @returns null for a value that ends nothing. A reason that is not known is taken for `broken`: nearly all of them are, and
 * a cut answer must not pass for a whole one.
 */
export function endingOf(reason: string): Ending | null {
  switch (reason as `${GeminiReason}` | '') {
    case '':
    case 'FINISH_REASON_UNSPECIFIED':
      return null
    case 'STOP':
      return 'stop'
    case 'MAX_TOKENS':
    case 'CONTINUATION':
      return 'length'
    case 'SAFETY':
    case 'RECITATION':
    case 'LANGUAGE':
    case 'BLOCKLIST':
    case 'PROHIBITED_CONTENT':
    case 'SPII':
    case 'IMAGE_SAFETY':
    case 'IMAGE_PROHIBITED_CONTENT':
    case 'IMAGE_RECITATION':
      return 'refusal'
    case 'MALFORMED_FUNCTION_CALL':
    case 'UNEXPECTED_TOOL_CALL':
    case 'TOO_MANY_TOOL_CALLS':
    case 'MALFORMED_RESPONSE':
    case 'NO_IMAGE':
    case 'IMAGE_OTHER':
    case 'OTHER':
      return 'broken'
    default:
      return 'broken'
  }
}

/** @returns whether the request itself was blocked: there is no answer, and none will come. */
export function isBlock(reason: unknown): reason is string {
  const value = reason as `${BlockedReason}` | ''
  return typeof reason === 'string' && value !== '' && value !== 'BLOCKED_REASON_UNSPECIFIED' && reason !== 'BLOCK_REASON_UNSPECIFIED'
}

/** What a person reads in place of an answer. @param said the endpoint's own words, or empty */
export function refusalSentence(what: 'request' | 'answer', reason: string, said: string, key: string): string {
  const why = cleanEndpointText(said === '' ? reason : `${reason}, ${said}`, key)
  return what === 'request' ? `[The service did not take this request: ${why}]` : `[The service stopped this answer: ${why}]`
}

/** @param said the endpoint's own words, or empty */
export function brokenProblem({ origin, key }: ReaderOptions, reason: string, said: string): Problem {
  const why = cleanEndpointText(said === '' ? reason : `${reason}, ${said}`, key)
  const message = `${origin} ended the answer as one that cannot be used: ${why}.`
  if (/TOOL_CALL|FUNCTION_CALL/.test(reason)) {
    return problem('model_garbled', message, 'The model wrote a tool call that its service cannot read: send the message again.', true)
  }
  return problem('model_overloaded', message, 'The endpoint failed on its side: try again in a moment.', true)
}

/** Errors may come with an RPC name and without its number (google.rpc.Code, as HTTP statuses). */
export function httpStatusOf(name: unknown): number | null {
  switch (name) {
    case 'INVALID_ARGUMENT':
    case 'FAILED_PRECONDITION':
    case 'OUT_OF_RANGE':
      return 400
    case 'UNAUTHENTICATED':
      return 401
    case 'PERMISSION_DENIED':
      return 403
    case 'NOT_FOUND':
      return 404
    case 'RESOURCE_EXHAUSTED':
      return 429
    case 'UNKNOWN':
    case 'INTERNAL':
    case 'DATA_LOSS':
      return 500
    case 'UNAVAILABLE':
      return 503
    case 'DEADLINE_EXCEEDED':
      return 504
    default:
      return null
  }
}
