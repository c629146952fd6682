/** Answers that programs read as JSON: never kept by a cache, never taken for another type. Failures are problem details (RFC 9457). */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorTable, type Failure, isOxbowError, type JsonObject, OxbowError, ownValue } from '../../base/index.ts'

/** Writes a whole answer and ends it. @param more wins over the usual headers */
export function sendJson(response: ServerResponse, status: number, body: unknown, more: Readonly<Record<string, string>> = {}): void {
  const text = JSON.stringify(body)
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...more,
  }
  response.writeHead(status, headers).end(text)
}

export const problemType = 'application/problem+json'

interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: JsonObject
}

/** What HTTP has a status of its own for: a method that an address does not take, and a condition of the request that does not hold. */
const titles = { 405: 'Method Not Allowed', 412: 'Precondition Failed' } as const

/** @returns an error that is answered with this status @param allow the methods that the address takes */
export function httpError(http: keyof typeof titles, message: string, hint: string, allow: readonly string[] = []): OxbowError {
  return new OxbowError('bad_input', message, { hint, data: { http, allow: allow.join(', ') } })
}

export function wrongMethod(allowed: readonly string[]): OxbowError {
  return httpError(405, `This address takes ${allowed.join(', ')}.`, 'Send one of these methods.', allowed)
}

/**
 * `code` and `hint` are ours; the type names the code, whose meaning is documented.
 * @param error the failure is the part of it that a program may know @param retryAfterS of a program that asks too often
 */
export function problemOf(failure: Failure, error?: unknown, retryAfterS?: number): Problem {
  const { code, message, hint } = failure
  const status = statusOf(failure, error, retryAfterS)
  const own = status === 405 || status === 412
  const body = {
    type: own ? 'about:blank' : `urn:oxbow:error:${code}`,
    title: own ? titles[status] : errorTable[code].meaning,
    status,
    detail: message,
    code,
    hint,
  }
  return { status, body, headers: failureHeaders(failure, error, retryAfterS) }
}

/** Answers with a failure in the form of RFC 9457. */
export function sendProblem(response: ServerResponse, failure: Failure, error?: unknown, retryAfterS?: number): void {
  const { status, body, headers } = problemOf(failure, error, retryAfterS)
  sendJson(response, status, body, { 'content-type': problemType, ...headers })
}

/** Answers an upgrade request with plain HTTP, then closes. */
export function sendUpgradeProblem(stream: Duplex, failure: Failure, retryAfterS?: number): void {
  const { status, headers, body } = problemOf(failure, undefined, retryAfterS)
  const text = JSON.stringify(body)
  const reason = ownValue(process.getBuiltinModule('node:http').STATUS_CODES, String(status)) ?? ''
  const all = { 'content-type': problemType, 'content-length': Buffer.byteLength(text), connection: 'close', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  // The server leaves upgraded sockets half open, so this one must be closed here.
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n${text}`)
}

/** The status of a failure, in whichever form it is told. */
export function statusOf({ code }: Failure, error?: unknown, retryAfterS?: number): number {
  if (retryAfterS !== undefined) return 429
  const own = isOxbowError(error) ? error.data['http'] : undefined
  return own === 405 || own === 412 ? own : errorTable[code].http
}

/** What the headers of a failure tell: how to sign in, what the address takes, and when to try again. */
export function failureHeaders({ code }: Pick<Failure, 'code'>, error?: unknown, retryAfterS?: number): Record<string, string> {
  const allow = isOxbowError(error) ? error.data['allow'] : undefined
  return {
    ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer' }),
    ...(typeof allow === 'string' && allow !== '' && { allow }),
    ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
  }
}
