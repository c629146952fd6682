/**
 * Turns what a provider package throws or streams as an error into a problem. Errors are recognised by shape and name, not by
 * class, because packages bring their own copies of the classes. Their messages may quote the endpoint, so they are cleaned;
 * the requests that they carry are never shown.
 */
import type { APICallError, InvalidResponseDataError, TypeValidationError } from '@ai-sdk/provider'
import type { Clock } from '../../base/index.ts'
import { isOxbowError, ownValue, toFailure } from '../../base/index.ts'
import { streamError } from '../answer.ts'
import { connectionProblem, readRetryAfter } from '../http/http-exchange.ts'
import { cleanEndpointText, type Problem, problem, problemOfStatus } from '../model-problem.ts'

export interface ProblemContext {
  readonly packageName: string
  /** Origin of the configured address, else the name of the package. */
  readonly origin: string
  readonly key: string
  readonly clock: Clock
}

type Loose<T> = { readonly [Key in keyof T]?: unknown }

export function problemOfError(error: unknown, context: ProblemContext): Problem {
  if (isOxbowError(error)) return { failure: toFailure(error, error.code, error.hint), retry: false, waitMs: null }
  if (typeof error !== 'object' || error === null) return streamError(error, context)
  const { statusCode, url } = error as Loose<APICallError>
  const origin = typeof url === 'string' && URL.canParse(url) ? new URL(url).origin : context.origin
  if (typeof statusCode === 'number' && statusCode !== 200) return refused(statusCode, error, origin, context)
  const code = networkCode(error)
  if (code !== null) return connectionProblem(Object.assign(new Error(code), { code }), { origin })
  return named(error, origin, context)
}

function refused(status: number, error: object, origin: string, { key, clock }: ProblemContext): Problem {
  const { responseHeaders, responseBody, message } = error as Loose<APICallError>
  const body = [responseBody, message].find((text) => typeof text === 'string' && text !== '')
  const location = header(responseHeaders, 'location')
  return problemOfStatus({
    status,
    body: typeof body === 'string' ? body : '',
    key,
    origin,
    retryAfterMs: readRetryAfter(header(responseHeaders, 'retry-after'), clock),
    redirect: location !== undefined && URL.canParse(location, origin) ? new URL(location, origin).origin : '',
  })
}

function header(headers: unknown, name: string): string | undefined {
  const value: unknown = typeof headers === 'object' && headers !== null ? ownValue(headers as Record<string, unknown>, name) : undefined
  return typeof value === 'string' ? value : undefined
}

/** The system's code of a failed connection, from anywhere in the chain of causes. */
function networkCode(error: object): string | null {
  let cause: unknown = error
  for (let depth = 0; depth < 5 && typeof cause === 'object' && cause !== null; depth += 1) {
    const { code, cause: next } = cause as { code?: unknown; cause?: unknown }
    if (typeof code === 'string' && /^(?:E[A-Z]+|UND_ERR_\w+|HPE_\w+|.*CERT.*|ERR_(?:SSL|TLS)_\w+)$/.test(code)) return code
    cause = next
  }
  return null
}

function named(error: object, origin: string, context: ProblemContext): Problem {
  const { name, message, value, data } = error as Loose<Error & TypeValidationError & InvalidResponseDataError>
  const cleanMessage = cleanEndpointText(typeof message === 'string' ? message : '', context.key)
  const packageMessage = `${context.packageName} says: ${cleanMessage}`
  switch (name) {
    case 'AI_LoadAPIKeyError':
      return problem(
        'model_auth',
        packageMessage,
        'Put the key in an environment variable and set api_key_env of the provider to its name.',
      )
    case 'AI_LoadSettingError':
    case 'AI_InvalidArgumentError':
      return problem('bad_config', packageMessage, 'Correct the section of this provider in the configuration.')
    case 'AI_NoSuchModelError':
      return problem('model_refused', packageMessage, 'Check the model name.')
    case 'AI_UnsupportedFunctionalityError':
    case 'AI_InvalidPromptError':
      return problem('model_refused', packageMessage, 'This provider does not support the request: use another model.')
    case 'AI_InvalidResponseDataError':
      if (data !== undefined) return unread(origin, context)
      // Packages report a stream that just ends this way.
      return problem('model_unreachable', `${origin} ended the answer before it was complete.`, 'Send the message again.', true)
    case 'AI_TypeValidationError': {
      // Packages that do not know errors inside a stream report one as a chunk of the wrong type.
      const inner = typeof value === 'object' && value !== null && 'error' in value ? value.error : undefined
      return inner === undefined || inner === null ? unread(origin, context) : streamError(inner, { ...context, origin })
    }
    case 'AI_APICallError':
    case 'AI_JSONParseError':
    case 'AI_EmptyResponseBodyError':
      return unread(origin, context)
    default:
      // Not an error of the interface: an object that the endpoint streamed, or a bug in the package.
      return error instanceof Error
        ? problem('model_garbled', `${context.packageName} failed: ${cleanMessage}`, `Run: npm install ${context.packageName}@latest`)
        : streamError(error, { ...context, origin })
  }
}

function unread(origin: string, { packageName }: ProblemContext): Problem {
  return problem('model_garbled', `${origin} sent something that ${packageName} cannot read.`, 'Check base_url and the package.')
}
