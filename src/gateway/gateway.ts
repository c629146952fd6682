/**
 * The gateway: the only way for terminals and programs to reach the kernel, by a WebSocket at `/ws` or by the HTTP API. It keeps no state of its own: whatever a terminal can ask for again is the kernel's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Kernel } from '../kernel/index.ts'
import { errorTable, type Failure, isOxbowError, once, OxbowError, systemRandom, toError } from '../types/index.ts'
import { apiKeyOf, refuseCookie, refuseSource, refuseToken, takePagePart } from './admission.ts'
import type { Connection } from './connection.ts'
import type { ApiDeps } from './http/api.ts'
import { gatewayLimits, type GatewayLimits, minTokenLength, timeoutCheckPart } from './limits.ts'

export interface GatewayOptions {
  readonly kernel: Kernel
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Tried first where the system chooses. */
  readonly lastPort?: number
  /** A unix socket to listen on instead of host and port; `url` is then the address that terminals use. */
  readonly socket?: { readonly path: string; readonly url: string }
  /** From `createToken`. The gateway does not start without it. */
  readonly token: string
  /** The folder of the web application; absent: none is served. */
  readonly webFolder?: string
  readonly limits?: Partial<GatewayLimits>
  /** Receives errors that only a bug explains; absent: they go to stderr, the guest's log. */
  readonly onBug?: (error: unknown) => void
}

export interface Gateway {
  /** `ws://host:port/ws` */
  readonly url: string
  /** Closes every connection and resolves when all are closed. The kernel stays open. */
  close(): Promise<void>
}

/** @throws OxbowError `bad_config` for an unusable token or address */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { kernel, token, host } = options
  if (token.length < minTokenLength) {
    throw new OxbowError('bad_config', 'The gateway’s token is too short to protect anything.', {
      hint: 'Restart the guest: it makes a new one.',
    })
  }
  const limits: GatewayLimits = { ...gatewayLimits, ...options.limits }
  const connections = new Set<Connection>()
  const onBug = options.onBug ?? writeBug
  let isClosing = false
  const loadHandshake = once(async () => (await import('./connection.ts')).createHandshake({ limits, onBug }))

  // A static import of node:http would load undici at start.
  const { requestTimeoutMs } = limits
  const server = process.getBuiltinModule('node:http').createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs * timeoutCheckPart,
  })
  // Sockets that are not accepted yet count too; they live little longer than `requestTimeoutMs`.
  server.maxConnections = limits.maxConnections * 2
  server.on('request', createListener(options, { limits, onBug, connections: () => connections.size }))
  server.on('upgrade', (request, stream, head) => {
    takePagePart(request)
    stream.on('error', () => stream.destroy())
    const refusal = refuseUpgrade(request, options)
    if (refusal !== null) return refuse(stream, refusal)
    const key = apiKeyOf(request.headers)
    const accept = async (): Promise<void> => {
      const handshake = await loadHandshake()
      const admitted = key === null ? kernel : await kernel.withKey(key).catch(asFailure)
      if ('code' in admitted) return refuse(stream, admitted)
      if (isClosing) stream.destroy()
      else if (connections.size >= limits.maxConnections) refuse(stream, full(limits.maxConnections))
      else handshake(request, stream, head, connections, admitted)
    }
    accept().catch((error: unknown) => {
      stream.destroy()
      onBug(error)
    })
  })
  await listen(server, options)
  const keepAlive = setInterval(() => connections.forEach((connection) => connection.check()), limits.keepAliveMs)

  return {
    url: options.socket?.url ?? `ws://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}/ws`,
    async close() {
      isClosing = true
      clearInterval(keepAlive)
      const closed = new Promise((resolve) => server.close(resolve))
      const reason = closeReason(kernel)
      connections.forEach((connection) => connection.close(1001, reason))
      const grace = setTimeout(() => connections.forEach((connection) => connection.cut()), limits.closeGraceMs)
      server.closeAllConnections()
      await closed
      clearTimeout(grace)
    },
  }
}

/** Answers requests over HTTP: health checks at once, all others by the API, which is loaded with the first of them. */
function createListener(
  options: GatewayOptions,
  deps: Pick<ApiDeps, 'limits' | 'onBug' | 'connections'>,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { kernel } = options
  const admit = (request: IncomingMessage): string | null => {
    const key = apiKeyOf(request.headers)
    const refusal = key === null ? refuseToken(request.headers, options) : refuseCookie(request)
    if (refusal !== null) throw toError(refusal)
    return key
  }
  const loadWeb = once(async () => openWeb(options, (request) => admit(request) === null))
  const loadApi = once(async () => (await import('./http/api.ts')).createApi({ ...deps, kernel, admit, now: Date.now }))
  return (request, response) => {
    takePagePart(request)
    const refusal = refuseSource(request.headers, options)
    const path = pathOf(request)
    const answer = refusal !== null ? null : isApi(path) ? loadApi : options.webFolder !== undefined && !isHealth(path) ? loadWeb : null
    if (answer === null) return answerHttp(request, response, refusal, kernel)
    answer()
      .then((answering) => answering(request, response))
      .catch((error: unknown) => {
        response.destroy()
        deps.onBug(error)
      })
  }
}

type Answering = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** The web application: its files, and signing in. Loaded with the first request. */
async function openWeb({ kernel, webFolder = '' }: GatewayOptions, isOwner: (request: IncomingMessage) => boolean): Promise<Answering> {
  const [{ createWebFiles }, { createWebSessions }] = await Promise.all([import('./http/web-files.ts'), import('./http/web-session.ts')])
  const files = createWebFiles(webFolder)
  const sessions = createWebSessions({ kernel, isOwner, random: systemRandom, now: Date.now })
  return (request, response) => {
    const path = pathOf(request)
    return path.startsWith('/web/') ? sessions(request, response, path) : files(request, response, path)
  }
}

/** A guest whose store failed restarts; terminals that wait for an answer should see why. */
function closeReason(kernel: Kernel): string {
  const fault = kernel.status().read_only
  return fault === null ? 'the guest is stopping' : `the guest is restarting: ${fault.message}`
}

async function listen(server: import('node:http').Server, { host, port, lastPort = 0, socket }: GatewayOptions): Promise<void> {
  const isFree = port === 0 && lastPort !== 0 && socket === undefined && (await listenOn(server, { host, port: lastPort })) === null
  const error = isFree ? null : await listenOn(server, socket === undefined ? { host, port } : { path: socket.path })
  if (error === null) return
  const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
  throw new OxbowError('bad_config', `The gateway cannot listen on ${socket?.path ?? `${host}:${port}`}.`, { hint, cause: error })
}

/** @returns why it does not listen there, or null */
function listenOn(server: import('node:http').Server, where: import('node:net').ListenOptions): Promise<Error | null> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve(error)
    server.once('error', failed)
    server.listen(where, () => {
      server.off('error', failed)
      resolve(null)
    })
  })
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function refuseUpgrade(request: IncomingMessage, options: GatewayOptions): Failure | null {
  const source = refuseSource(request.headers, options)
  if (source !== null) return source
  if (pathOf(request) !== '/ws') return nothingHere
  return apiKeyOf(request.headers) === null ? refuseToken(request.headers, options) : refuseCookie(request, true)
}

function isApi(path: string): boolean {
  return path.startsWith('/api/v1/') || path.startsWith('/v1/') || path === '/metrics'
}

function isHealth(path: string): boolean {
  return path === '/health' || path === '/healthz' || path === '/readyz'
}

/** Health checks reveal only that the guest runs, and whether it can write. */
function answerHttp(request: IncomingMessage, response: ServerResponse, refusal: Failure | null, kernel: Kernel): void {
  const path = request.method === 'GET' ? pathOf(request) : ''
  const isReady = path !== '/readyz' || kernel.status().read_only === null
  const failure = refusal ?? (isHealth(path) ? null : nothingHere)
  const status = failure !== null ? errorTable[failure.code].http : isReady ? 200 : 503
  const body = JSON.stringify(failure === null ? { ok: isReady } : { error: failure })
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length, 'cache-control': 'no-store' }).end(body)
}

/** Answers an upgrade request with plain HTTP, then closes. */
function refuse(stream: Duplex, failure: Failure): void {
  const body = JSON.stringify({ error: failure })
  const status = errorTable[failure.code].http
  const reason = process.getBuiltinModule('node:http').STATUS_CODES[status] ?? ''
  const headers = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  // The server leaves upgraded sockets half open, so this one must be closed here.
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status} ${reason}\r\n${headers}\r\n\r\n${body}`)
}

/** @throws what is no failure of a request, but a bug */
function asFailure(error: unknown): Failure {
  if (!isOxbowError(error)) throw error
  return { code: error.code, message: error.message, hint: error.hint }
}

const nothingHere: Failure = {
  code: 'not_found',
  message: 'There is nothing at this address.',
  hint: 'The API is at /api/v1, described by /api/v1/openapi.json; the WebSocket is at /ws.',
}

function full(max: number): Failure {
  return { code: 'limit_reached', message: `The gateway serves at most ${max} connections.`, hint: 'Close terminals that you do not need.' }
}

function writeBug(error: unknown): void {
  process.stderr.write(`gateway: ${error instanceof Error ? error.stack : String(error)}\n`)
}
