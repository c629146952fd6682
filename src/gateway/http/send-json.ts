/** Answers that programs read as JSON: never kept by a cache, never taken for another type. */
import type { ServerResponse } from 'node:http'
import type { Failure } from '../../types/index.ts'

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

/** What the headers of a failure tell: how to sign in, and when to try again. */
export function failureHeaders({ code }: Pick<Failure, 'code'>, retryAfterS: number | undefined): Record<string, string> {
  return {
    ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
  }
}
