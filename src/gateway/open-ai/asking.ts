/**
 * A request to an interface of OpenAI or Anthropic, its refusal (in their words, with our codes), and the events of its answer: a silent stream
 * shows that it lives, and a reader that is too slow is cut off.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { maxStreamBytes, streamPingMs } from '../limits.ts'
import { failureHeaders, sendJson, statusOf } from '../http/send-json.ts'
import { type Failure, failureSentences, isOxbowError, type JsonObject } from '../../base/index.ts'

/** A request of a program of OpenAI or Anthropic, while it is answered. */
export interface Asking {
  readonly kernel: Kernel
  /** Distinguishes clients; no secret. */
  readonly client: string
  readonly body: JsonObject
  readonly response: ServerResponse
  /** Aborted when the program has gone. */
  readonly gone: AbortSignal
  readonly now: () => number
}

/** As OpenAI calls a model that nobody lists. */
const unlistedModel = 'model_not_found'

/** @param param the field that is wrong @param status of the answer */
export function errorOf(failure: Failure, param: string | null = null, status: number = statusOf(failure)): JsonObject {
  const isNoModel = failure.code === 'not_found' && param === 'model'
  return { error: { ...wordsOf(failure, param), ...(isNoModel && { code: unlistedModel }), type: typeOf(status) } }
}

/** The same in the words of Anthropic. */
export function anthropicErrorOf(failure: Failure, param: string | null = null, status: number = statusOf(failure)): JsonObject {
  return { type: 'error', error: { type: anthropicTypeOf(status), ...wordsOf(failure, param) } }
}

function wordsOf({ code, message, hint }: Failure, param: string | null): JsonObject {
  return { message: failureSentences({ message, hint }), param, code }
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 402) return 'insufficient_quota'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

function anthropicTypeOf(status: number): string {
  if (status === 402) return 'billing_error'
  if (status === 404) return 'not_found_error'
  return status >= 500 ? 'api_error' : typeOf(status)
}

/** Ends a request below `/v1/` that failed, also in the middle of a stream. @param retryAfterS of a program that asks too often */
export function sendOpenAiError(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  failure: Failure,
  error?: unknown,
  retryAfterS?: number,
): void {
  const status = statusOf(failure, error, retryAfterS)
  const param = isOxbowError(error) && typeof error.data['param'] === 'string' ? error.data['param'] : null
  const body = (speaksAnthropic(request) ? anthropicErrorOf : errorOf)(failure, param, status)
  if (response.headersSent) return void response.end(`event: error\ndata: ${JSON.stringify(body)}\n\n`)
  sendJson(response, status, body, failureHeaders(failure, error, retryAfterS))
}

/** Addresses such as `/v1/models` belong to both interfaces: there the headers tell whose client asks. */
function speaksAnthropic({ url = '', headers }: IncomingMessage): boolean {
  return /^\/v1\/messages\b/.test(url) || headers['anthropic-version'] !== undefined || headers['x-api-key'] !== undefined
}

export interface Sender {
  /** @param event its type; absent: only the data */
  data(value: unknown, event?: string): void
  end(last?: string): void
}

/** Begins a stream of events. A reader that falls too far behind is disconnected. */
export function createSender(response: ServerResponse): Sender {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }).flushHeaders()
  const write = (text: string): void => {
    if (response.writableLength > maxStreamBytes) response.destroy()
    else if (!response.destroyed) response.write(text)
  }
  // A comment, which readers skip.
  const ping = setInterval(() => write(':\n\n'), streamPingMs)
  response.once('close', () => clearInterval(ping))
  return {
    data: (value, event) => write(`${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(value)}\n\n`),
    end(last = '') {
      clearInterval(ping)
      response.end(last)
    },
  }
}
