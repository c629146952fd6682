/**
 * One POST and its streamed answer, over node:http with a keep-alive agent: a quarter to a half of the CPU of fetch. The
 * modules come through `getBuiltinModule`, because a static import of node:http costs 45 ms at start.
 */
import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Clock } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import { maxErrorBodyBytes } from '../limits.ts'
import type { Problem } from '../model-problem.ts'
import { cleanEndpointText, problem, problemOfStatus } from '../model-problem.ts'

export interface Endpoint {
  readonly url: URL
  readonly key: string
  readonly clock: Clock
  readonly limits: ModelLimits
  /** Starts a POST of a JSON body; nothing is written yet. */
  request(bytes: number): ClientRequest
  /** Ends idle connections. */
  close(): void
}

export interface ExchangeHooks {
  /** @returns false when the answer is over: the rest is let run out and `onEnd` is not called. */
  onText(text: string): boolean
  /** Once, unless the exchange was stopped. Null for a regular end of the answer. */
  onEnd(cut: Problem | null, staleSocket: boolean): void
}

export interface Exchange {
  pause(): void
  resume(): void
  /** Ends the connection at once; no hook is called any more. */
  stop(): void
}

export function createEndpoint(options: { url: URL; key: string; clock: Clock; limits: ModelLimits }): Endpoint {
  const { url, key } = options
  const secure = url.protocol === 'https:'
  const http = secure ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  const agent: Agent = new http.Agent({ keepAlive: true, scheduling: 'lifo' })
  const headers: OutgoingHttpHeaders = { 'content-type': 'application/json', accept: 'text/event-stream', 'user-agent': 'oxbow' }
  if (key !== '') headers['authorization'] = `Bearer ${key}`
  const target = {
    protocol: url.protocol,
    // An IPv6 address stands in brackets in a URL and without them in a connection.
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port,
    path: url.pathname + url.search,
    method: 'POST',
    agent,
  }
  return {
    ...options,
    request: (bytes) => http.request({ ...target, headers: { ...headers, 'content-length': bytes } }),
    close: () => agent.destroy(),
  }
}

export function startExchange(endpoint: Endpoint, body: Buffer, hooks: ExchangeHooks): Exchange {
  const { limits, url } = endpoint
  let response: IncomingMessage | null = null
  let over = false

  const stalled = (): void => {
    const what = response === null ? 'did not begin to answer' : 'stopped sending'
    end(problem('model_stalled', `${url.origin} ${what} in time.`, 'Send the message again, or use another endpoint.'))
    request.destroy()
  }
  let timer = setTimeout(stalled, limits.firstByteMs)
  let begun = false
  const alive = (): void => {
    if (begun) timer.refresh()
    else {
      begun = true
      clearTimeout(timer)
      timer = setTimeout(stalled, limits.betweenBytesMs)
    }
  }
  const end = (cut: Problem | null, stale = false): void => {
    if (over) return
    over = true
    clearTimeout(timer)
    hooks.onEnd(cut, stale)
  }
  const drain = (from: IncomingMessage): void => {
    over = true
    clearTimeout(timer)
    const late = setTimeout(() => request.destroy(), limits.drainMs).unref()
    from.on('close', () => clearTimeout(late))
  }

  const request = endpoint.request(body.length)
  request.on('error', (error: NodeJS.ErrnoException) => {
    const stale = request.reusedSocket && response === null && error.code === 'ECONNRESET'
    end(connectionProblem(error, endpoint), stale)
  })
  request.on('response', (incoming) => {
    response = incoming
    incoming.setEncoding('utf8')
    if (!isEventStream(incoming)) return readRefusal(incoming, endpoint, alive, (found) => end(found))
    // A cut connection shows as `error` and then `close`; `end` comes only after the whole answer.
    incoming.on('error', (error) => end(connectionProblem(error, endpoint)))
    incoming.on('close', () => end(connectionProblem(new Error('closed'), endpoint)))
    incoming.on('data', (text: string) => {
      if (over) return
      alive()
      if (!hooks.onText(text)) drain(incoming)
    })
    incoming.on('end', () => end(null))
  })
  request.end(body)

  return {
    pause: () => {
      clearTimeout(timer)
      response?.pause()
    },
    resume: () => {
      begun = false
      if (!over) alive()
      response?.resume()
    },
    stop: () => {
      over = true
      clearTimeout(timer)
      request.destroy()
    },
  }
}

/** Services that name no type, or the wrong one of a plain text, are given the benefit of the doubt. */
function isEventStream(incoming: IncomingMessage): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = incoming.headers
  return incoming.statusCode === 200 && encoding === 'identity' && !/^(?:text\/html|application\/json|application\/xml)/i.test(type)
}

/** Reads an answer that is no event stream. A cut in the middle of it does not hide what its status said. */

function readRefusal(incoming: IncomingMessage, endpoint: Endpoint, alive: () => void, found: (problem: Problem) => void): void {
  let body = ''
  let told = false
  const tell = (): void => {
    if (told) return
    told = true
    found(refusalProblem(incoming, body, endpoint))
  }
  incoming.on('data', (text: string) => {
    alive()
    body += text
    if (body.length < maxErrorBodyBytes) return
    tell()
    incoming.destroy()
  })
  for (const event of ['end', 'error', 'close']) incoming.on(event, tell)
}

function refusalProblem(incoming: IncomingMessage, body: string, endpoint: Endpoint): Problem {
  const { key, url } = endpoint
  const status = incoming.statusCode ?? 0
  const retryAfterMs = readRetryAfter(incoming.headers['retry-after'], endpoint.clock)
  const redirect = originOf(incoming.headers.location, url)
  const answer = { status, body, key, origin: url.origin, retryAfterMs, redirect }
  if (status !== 200) return problemOfStatus(answer)
  // Services that wrap an error in a 200 are answered as if they had used a status.
  if (/^\s*\{\s*"error"\s*:/.test(body)) return problemOfStatus({ ...answer, status: 400 })
  const type = cleanEndpointText(incoming.headers['content-type'] ?? 'no type', key)
  const hint = 'Check the base URL: it must be a chat-completions endpoint that can stream.'
  return problem('model_garbled', `${url.origin} answered with ${type} instead of an event stream.`, hint)
}

/** `Retry-After` as seconds or as an HTTP date (RFC 9110 section 10.2.3). */
export function readRetryAfter(header: string | undefined, clock: Clock): number | null {
  if (header === undefined) return null
  const seconds = Number(header)
  if (header.trim() !== '' && Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, date - clock.now())
}

function originOf(location: string | undefined, base: URL): string {
  return location !== undefined && URL.canParse(location, base.href) ? new URL(location, base).origin : ''
}

function connectionProblem(error: NodeJS.ErrnoException, endpoint: Endpoint): Problem {
  const { origin } = endpoint.url
  const code = error.code ?? ''
  if (/CERT|SSL|TLS|ISSUER|SELF_SIGNED/.test(code)) {
    return problem(
      'model_unreachable',
      `The certificate of ${origin} is not trusted (${code}).`,
      'Check the base URL and this machine’s time and certificates.',
    )
  }
  const why: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there',
    ENOTFOUND: 'the host name is not known',
    EAI_AGAIN: 'the host name cannot be looked up',
    ETIMEDOUT: 'the connection timed out',
    EHOSTUNREACH: 'there is no way to the host',
    ENETUNREACH: 'there is no network',
  }
  const text = why[code] ?? (code.startsWith('HPE_') ? 'it does not speak HTTP' : 'the connection was dropped')
  if (code.startsWith('HPE_')) return problem('model_garbled', `${origin} cannot be understood: ${text}.`, 'Check the base URL.')
  return problem(
    'model_unreachable',
    `${origin} cannot be reached: ${text}.`,
    'Check the base URL and the network, then send the message again.',
    true,
  )
}
