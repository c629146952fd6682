/**
 * One POST and its answer, streamed or as one JSON document, over node:http with a keep-alive agent, which takes a quarter to
 * a half of the CPU of fetch. The modules come through `getBuiltinModule`, because a static import of node:http costs 45 ms
 * at start. Every failure of the connection and every refusal becomes a `Problem` here.
 */
import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { type Clock, ownValue } from '../../base/index.ts'
import { maxErrorBodyBytes, type ModelLimits } from '../limits.ts'
import { cancelled, cleanEndpointText, type Problem, problem, problemOfStatus, stalledProblem } from '../model-problem.ts'
import { lengthOf } from './request-body.ts'

export interface Endpoint {
  /** Scheme, host and port: the part of the address that an error may show. */
  readonly origin: string
  readonly key: string
  readonly clock: Clock
  readonly limits: ModelLimits
  /** @returns the address of a path of this endpoint, without its query, which may hold a key. */
  address(path: string): string
  /** Creates a POST of a JSON body, without writing anything yet. */
  request(path: string, bytes: number, more?: OutgoingHttpHeaders): ClientRequest
  /** Ends idle connections. */
  close(): void
}

export interface ExchangeHooks {
  /** The answer is one JSON document, not an event stream; a 200 of any other type is refused. */
  readonly json?: true
  /** @returns false when the answer is complete: the rest is read and dropped, and `onEnd` is not called. */
  onText(text: string): boolean
  /** Every byte of the answer as it arrives; null when nobody records them. */
  readonly onBytes: ((status: number, bytes: Buffer) => void) | null
  /** Called once, unless the exchange was stopped. `cut` is null for a regular end of the answer. */
  onEnd(cut: Problem | null, staleSocket: boolean): void
}

export interface Exchange {
  pause(): void
  resume(): void
  /** Whether the whole request has left. */
  sent(): boolean
  /** Closes the connection at once; no hook is called after it. */
  stop(): void
}

interface EndpointOptions {
  /** The path is appended to it; its query is kept. */
  readonly baseUrl: URL
  /** Redacted in errors; it is sent in `headers`. */
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly limits: ModelLimits
}

/** An endpoint with its kept-alive connections. Nothing is sent before the first exchange. */
export function createEndpoint({ baseUrl, key, headers: own, clock, limits }: EndpointOptions): Endpoint {
  const http = baseUrl.protocol === 'https:' ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  // The environment of a guest names a proxy only where the guest has no network of its own.
  const agent: Agent = new http.Agent({ keepAlive: true, scheduling: 'lifo', proxyEnv: process.env })
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'user-agent': 'oxbow',
    ...own,
  }
  const base = baseUrl.pathname.replace(/\/+$/, '')
  const target = {
    protocol: baseUrl.protocol,
    // An IPv6 address has brackets in a URL and none in a connection.
    hostname: baseUrl.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: baseUrl.port,
    method: 'POST',
    agent,
  }
  return {
    origin: baseUrl.origin,
    key,
    clock,
    limits,
    address: (path) => `${baseUrl.origin}${base}${path.replace(/\?.*$/, '')}`,
    request: (path, bytes, more) => {
      const query = baseUrl.search === '' ? '' : path.includes('?') ? `&${baseUrl.search.slice(1)}` : baseUrl.search
      return http.request({ ...target, path: base + path + query, headers: { ...headers, ...more, 'content-length': bytes } })
    },
    close: () => agent.destroy(),
  }
}

interface Run {
  readonly endpoint: Endpoint
  readonly hooks: ExchangeHooks
  readonly request: ClientRequest
  response: IncomingMessage | null
  /** Something arrived since the start or the last pause. */
  begun: boolean
  /** No hook is called any more. */
  over: boolean
  timer: NodeJS.Timeout
}

export function startExchange(
  endpoint: Endpoint,
  path: string,
  body: readonly Buffer[],
  hooks: ExchangeHooks,
  headers: OutgoingHttpHeaders = {},
): Exchange {
  const timer = setTimeout(() => stalled(run), endpoint.limits.firstByteMs)
  const run: Run = {
    endpoint,
    hooks,
    request: endpoint.request(path, lengthOf(body), headers),
    response: null,
    begun: false,
    over: false,
    timer,
  }
  run.request.on('error', (error: NodeJS.ErrnoException) => {
    lost(run, error, run.request.reusedSocket && run.response === null && error.code === 'ECONNRESET')
  })
  run.request.on('response', (incoming) => {
    run.response = incoming
    if (hooks.json ? isJson(incoming) : isEventStream(incoming)) readStream(run, incoming)
    else readRefusal(run, incoming)
  })
  // One socket write for all pieces.
  run.request.cork()
  for (const piece of body) run.request.write(piece)
  run.request.end()
  return {
    pause: () => {
      clearTimeout(run.timer)
      run.response?.pause()
    },
    resume: () => {
      run.begun = false
      if (!run.over) alive(run)
      run.response?.resume()
    },
    sent: () => run.request.writableFinished,
    stop: () => {
      run.over = true
      clearTimeout(run.timer)
      run.request.destroy()
    },
  }
}

function readStream(run: Run, incoming: IncomingMessage): void {
  // A dropped connection emits `error` and then `close`; `end` comes only after the whole answer.
  incoming.on('error', (error) => lost(run, error))
  incoming.on('close', () => {
    // Every answer ends with it: an error, with its stack, is made only where one is reported.
    if (!run.over) lost(run, new Error('closed'))
  })
  const decoder = new StringDecoder('utf8')
  incoming.on('data', (bytes: Buffer) => {
    if (run.over) return
    alive(run)
    run.hooks.onBytes?.(200, bytes)
    if (!run.hooks.onText(decoder.write(bytes))) drain(run, incoming)
  })
  incoming.on('end', () => end(run, null))
}

/** Reads an answer that is not of the wanted type. If the connection drops meanwhile, its status still counts. */
function readRefusal(run: Run, incoming: IncomingMessage): void {
  let body = ''
  let reported = false
  const report = (): void => {
    if (reported) return
    reported = true
    end(run, refusalProblem(incoming, body, run.endpoint, run.hooks.json ? 'JSON' : 'an event stream'))
  }
  const decoder = new StringDecoder('utf8')
  incoming.on('data', (bytes: Buffer) => {
    alive(run)
    run.hooks.onBytes?.(incoming.statusCode ?? 0, bytes)
    body += decoder.write(bytes)
    if (body.length < maxErrorBodyBytes) return
    report()
    incoming.destroy()
  })
  for (const event of ['end', 'error', 'close']) incoming.on(event, report)
}

/** Something arrived: restarts the timer. */
function alive(run: Run): void {
  if (run.begun) {
    run.timer.refresh()
    return
  }
  run.begun = true
  clearTimeout(run.timer)
  run.timer = setTimeout(() => stalled(run), run.endpoint.limits.betweenBytesMs)
}

function stalled(run: Run): void {
  end(run, stalledProblem(run.endpoint.origin, run.response !== null))
  run.request.destroy()
}

/** The connection was lost. A connection that closes after the end of its answer is ignored. */
function lost(run: Run, error: NodeJS.ErrnoException, staleSocket = false): void {
  if (!run.over) end(run, connectionProblem(error, run.endpoint), staleSocket)
}

function end(run: Run, cut: Problem | null, staleSocket = false): void {
  if (run.over) return
  run.over = true
  clearTimeout(run.timer)
  run.hooks.onEnd(cut, staleSocket)
}

/** Reads the rest of the answer, so that the connection can be reused. */
function drain(run: Run, incoming: IncomingMessage): void {
  run.over = true
  clearTimeout(run.timer)
  const late = setTimeout(() => run.request.destroy(), run.endpoint.limits.drainMs).unref()
  incoming.on('close', () => clearTimeout(late))
}

/** Tolerant: some services name no type, or call the stream plain text. */
function isEventStream(incoming: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = incoming.headers
  return incoming.statusCode === 200 && encoding === 'identity' && !/^(?:text\/html|application\/json|application\/xml)/i.test(type)
}

function isJson(incoming: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = incoming.headers
  return incoming.statusCode === 200 && encoding === 'identity' && !/^(?:text\/html|text\/event-stream|application\/xml)/i.test(type)
}

function refusalProblem(incoming: IncomingMessage, body: string, endpoint: Endpoint, expected: string): Problem {
  const { key, origin } = endpoint
  const status = incoming.statusCode ?? 0
  const retryAfterMs = readRetryAfter(incoming.headers['retry-after'], endpoint.clock)
  const redirect = originOf(incoming.headers.location, origin)
  const answer = { status, body, key, origin, retryAfterMs, redirect }
  if (status !== 200) return problemOfStatus(answer)
  // Some services wrap an error in a 200; it counts as a 400.
  if (/^\s*\{\s*"error"\s*:/.test(body)) return problemOfStatus({ ...answer, status: 400 })
  const type = cleanEndpointText(incoming.headers['content-type'] ?? 'no type', key)
  const hint = `Check the base URL: it must be an endpoint of this protocol that answers with ${expected}.`
  return problem('model_garbled', `${origin} answered with ${type} instead of ${expected}.`, hint)
}

/** `Retry-After` as seconds or as an HTTP date (RFC 9110 section 10.2.3). */
export function readRetryAfter(header: string | undefined, clock: Clock): number | null {
  if (header === undefined) return null
  const seconds = Number(header)
  if (header.trim() !== '' && Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, date - clock.now())
}

function originOf(location: string | undefined, base: string): string {
  return location !== undefined && URL.canParse(location, base) ? new URL(location, base).origin : ''
}

/** Explains a failed connection by its system code. */
export function connectionProblem(error: NodeJS.ErrnoException, endpoint: Pick<Endpoint, 'origin'>): Problem {
  const { origin } = endpoint
  const code = error.code ?? ''
  if (/^(?:ERR_SSL_|EPROTO$)/.test(code)) {
    const hint = 'Check the base URL: the address of a service without encryption begins with http://, not https://.'
    return problem('model_unreachable', `No encrypted connection to ${origin} can be made (${code}).`, hint)
  }
  // Node's names for OpenSSL's checks; some do not mention certificates.
  if (/CERT|CRL|ERR_TLS|ISSUER|SELF_SIGNED|LEAF_SIGNATURE|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH/.test(code)) {
    return problem(
      'model_unreachable',
      `The certificate of ${origin} is not trusted (${code}).`,
      'Check the base URL and this machine’s clock. To trust a certificate of your own, set NODE_EXTRA_CA_CERTS to its file.',
    )
  }
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'the host name is unknown',
    EAI_AGAIN: 'the host name cannot be looked up',
    ETIMEDOUT: 'the connection timed out',
    EHOSTUNREACH: 'there is no route to the host',
    ENETUNREACH: 'there is no network',
  }
  if (code.startsWith('HPE_')) return problem('model_garbled', `${origin} does not speak HTTP.`, 'Check the base URL.')
  return problem(
    'model_unreachable',
    `${origin} cannot be reached: ${ownValue(reasons, code) ?? 'the connection was dropped'}.`,
    'Check the base URL and the network, then send the message again.',
    true,
  )
}

/** `isBilled`: the service may bill it, because it has answered, or was stopped from this side after all of the request had left. */
export type JsonAnswer = { readonly value: unknown } | { readonly problem: Problem; readonly isBilled: boolean }

/** A body that is no JSON. */
export interface Form {
  readonly pieces: readonly Buffer[]
  /** Its media type. */
  readonly type: string
}

/**
 * Posts JSON, or a form, and reads one JSON object, under the same limits as a streamed answer. Makes one try. Never rejects.
 *
 * @param maxChars of the answer; a longer one is refused
 */
export function postJson(
  endpoint: Endpoint,
  path: string,
  body: string | Form,
  maxChars: number,
  signal: AbortSignal,
): Promise<JsonAnswer> {
  const { pieces, type } = typeof body === 'string' ? { pieces: [Buffer.from(body)], type: 'application/json' } : body
  return new Promise((resolve) => {
    const stopped = (isBilled: boolean): JsonAnswer => ({ problem: { failure: cancelled, retry: false, waitMs: null }, isBilled })
    if (signal.aborted) return resolve(stopped(false))
    let text: string[] = []
    let chars = 0
    let exchange: Exchange | null = null
    const settle = (answer: JsonAnswer): void => {
      signal.removeEventListener('abort', onAbort)
      exchange?.stop()
      resolve(answer)
    }
    const onAbort = (): void => settle(stopped(exchange?.sent() === true))
    const send = (again: boolean): void => {
      text = []
      chars = 0
      const hooks: ExchangeHooks = {
        json: true,
        onBytes: null,
        onText: (piece) => {
          text.push(piece)
          chars += piece.length
          if (chars <= maxChars) return true
          settle({ problem: garbled(endpoint, 'sent an answer that is too long'), isBilled: true })
          return false
        },
        onEnd: (cut, staleSocket) => {
          // A kept-alive connection turned out to be dead: retry once, at once, on a new one.
          if (staleSocket && again) return send(false)
          if (cut === null) resolve(readJson(endpoint, text.join('')))
          else resolve({ problem: cut, isBilled: cut.failure.code === 'model_stalled' && exchange?.sent() === true })
          signal.removeEventListener('abort', onAbort)
        },
      }
      exchange = startExchange(endpoint, path, pieces, hooks, { 'content-type': type })
    }
    signal.addEventListener('abort', onAbort)
    send(true)
  })
}

function readJson(endpoint: Endpoint, text: string): JsonAnswer {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { problem: garbled(endpoint, 'sent something that is not JSON'), isBilled: true }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: garbled(endpoint, 'sent JSON that is not an object'), isBilled: true }
  }
  // Some services wrap an error in a 200; it counts as a 400.
  const { error } = value as { error?: unknown }
  if (error === undefined || error === null) return { value }
  const { key, origin } = endpoint
  return { problem: problemOfStatus({ status: 400, body: text, key, origin, retryAfterMs: null, redirect: '' }), isBilled: false }
}

function garbled({ origin }: Endpoint, what: string): Problem {
  return problem('model_garbled', `${origin} ${what}.`, 'The endpoint does not speak the expected protocol: check the base URL.')
}
