/**
 * The gateway: the only way for terminals and programs to reach the kernel, by a WebSocket at `/ws` or by the HTTP API. It keeps no state of its own: whatever a terminal can ask for again is the kernel's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Kernel } from '../kernel/index.ts'
import { type Failure, isOxbowError, once, OxbowError, systemRandom } from '../base/index.ts'
import type { A2aConfig, Config, SignedCard } from '../config/index.ts'
import { isLoopback, refuseSource, takePagePart } from './admission.ts'
import { type Answers, createAnswers } from './answers.ts'
import type { Client, Clients } from './clients.ts'
import type { Connection } from './connection.ts'
import type { Tls } from './exposure.ts'
import type { LoadOidc, OidcOptions } from './sign-in/load-oidc.ts'
import type { ApiDeps } from './http/api.ts'
import { sendJson, sendProblem, sendUpgradeProblem } from './http/send-json.ts'
import type { WebSessions } from './http/web-session.ts'
import { a2aDelayMs, defaultRequestsPerMinute, gatewayLimits, type GatewayLimits, minTokenLength } from './limits.ts'
import { authorityOf, createServer, listen } from './listening.ts'

/** The section `[gateway]` of the configuration; what is absent has its default. */
export interface GatewayOptions extends Partial<Readonly<Config['gateway']>> {
  readonly kernel: Kernel
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Port to try first where the system chooses one. */
  readonly lastPort?: number
  /** A unix socket to listen on instead of host and port; `url` is then the address that terminals use. */
  readonly socket?: { readonly path: string; readonly url: string }
  /** Address under which the door of a cluster leads here; absent: none does. */
  readonly door?: string
  /** From `createToken`. The gateway does not start without it. */
  readonly token: string
  /** Published agents; absent: none. */
  readonly a2a?: PublishedAgents
  /** Signing in by OpenID Connect; absent: nobody does. */
  readonly oidc?: OidcOptions
  /** The folder of the web application; absent: none is served. */
  readonly webFolder?: string
  readonly limits?: Partial<GatewayLimits>
  /** Receives errors that only a bug explains; absent: they go to stderr, the guest's log. */
  readonly onBug?: (error: unknown) => void
}

/** Agents that programs of others reach over A2A. */
interface PublishedAgents {
  readonly agents: A2aConfig['agents']
  readonly version: string
  /** Signs a card; absent: cards are not signed. */
  readonly sign?: ((card: string, keyAddress: string) => Promise<SignedCard>) | undefined
  /** Requests to a host under the egress policy. */
  readonly openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch>
}

export interface Gateway {
  /** `ws://host:port/ws`, for terminals of this machine */
  readonly url: string
  /** Where others reach it over TLS; null: nowhere. */
  readonly publicUrl: string | null
  /** Closes every connection and resolves when all are closed. The kernel stays open. */
  close(): Promise<void>
}

/** @throws OxbowError `bad_config` for an unusable token or address, or one that would send keys in clear */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { kernel, token, host, socket } = options
  if (token.length < minTokenLength) {
    throw new OxbowError('bad_config', 'The gateway’s token is too short to protect anything.', {
      hint: 'Restart the guest: it makes a new one.',
    })
  }
  const tls = await exposureOf(options)
  const maxConnections = options.max_connections ?? gatewayLimits.maxConnections
  const limits: GatewayLimits = { ...gatewayLimits, maxConnections, ...options.limits }
  const connections = new Set<Connection>()
  const onBug = options.onBug ?? writeBug
  const answers = createAnswers()
  const requestsPerMinute = options.requests_per_minute ?? defaultRequestsPerMinute
  const oidc = options.oidc === undefined ? null : (await import('./sign-in/load-oidc.ts')).loaderOfOidc(kernel, options.oidc)
  const loadClients = once(async () => {
    const { createClients } = await import('./clients.ts')
    const onClient = (request: IncomingMessage, client: Client): void => answers.belongs(request, client.kernel)
    const ofToken = oidc === null ? {} : { ofToken: async (each: string) => (await oidc()).keys.ofToken(each) }
    const isProxied = Boolean(options.door || options.public_url)
    return createClients({ kernel, token, requestsPerMinute, isProxied, now: Date.now, onClient, ...ofToken })
  })
  const listener = createListener(options, { limits, onBug, connections: () => connections.size, answers, loadClients, oidc })
  const onUpgrade = createUpgrade(options, { limits, onBug, connections, closing: answers.closing, loadClients })
  const serve = (server: Server): Server => server.on('request', listener).on('upgrade', onUpgrade)
  // Terminals on this machine need no certificate: in addition to TLS there is a plain port on loopback.
  const outer = tls === null ? null : serve(createServer(limits, tls))
  const server = serve(createServer(limits, null))
  if (outer !== null) await listen(outer, { host, port: options.port })
  const inner = outer === null ? options : { host: '127.0.0.1', port: 0, lastPort: options.lastPort ?? 0 }
  await listen(server, inner).catch((error: unknown) => {
    outer?.close()
    throw error
  })
  const check = setInterval(() => {
    connections.forEach((connection) => connection.check())
    answers.check()
  }, limits.keepAliveMs)

  return {
    url: socket?.url ?? `ws://${authorityOf(inner.host, server)}/ws`,
    publicUrl: options.public_url || (outer === null ? null : `https://${authorityOf(host, outer)}`),
    async close() {
      clearInterval(check)
      if (oidc?.isLoaded() === true) (await oidc()).keys.close()
      const closed = [server, ...(outer === null ? [] : [outer])].map((each) => new Promise((resolve) => each.close(resolve)))
      const reason = closeReason(kernel)
      const settled = Promise.all([...connections].map((connection) => connection.settled()))
      await Promise.all([answers.drain(limits.drainMs), before(limits.drainMs, settled)])
      connections.forEach((connection) => connection.close(1001, reason))
      const grace = setTimeout(() => connections.forEach((connection) => connection.cut()), limits.closeGraceMs)
      server.closeAllConnections()
      outer?.closeAllConnections()
      await Promise.all(closed)
      clearTimeout(grace)
    },
  }
}

/** @throws OxbowError `bad_config` as a start would. @param isIsolated as a guest in a container, whose runner listens for it */
export async function checkGateway(config: Config['gateway'], isIsolated: boolean): Promise<void> {
  await exposureOf({ ...config, ...(isIsolated && { socket: { path: '', url: '' } }) })
}

/** The certificate, or null for plain HTTP. Read only where other machines can connect. */
async function exposureOf(options: Pick<GatewayOptions, 'socket' | keyof Config['gateway']>): Promise<Tls | null> {
  const { host, socket, tls_cert = '', tls_key = '', public_url = '', allow_plain = false } = options
  const isLocal = socket !== undefined || isLoopback(host)
  if (isLocal && tls_cert === '' && tls_key === '' && public_url === '') return null
  const { readExposure } = await import('./exposure.ts')
  const tls = readExposure({ host, tls_cert, tls_key, public_url, allow_plain }, isLocal)
  if (tls === null || socket === undefined) return tls
  throw new OxbowError('bad_config', 'An isolated guest cannot read the certificate of gateway.tls_cert.', {
    hint: 'Put a proxy with TLS in front and set gateway.public_url, or leave sandbox.isolate_guest off.',
  })
}

function before(maxMs: number, settled: Promise<unknown>): Promise<unknown> {
  const limit = Promise.withResolvers<void>()
  const timer = setTimeout(limit.resolve, maxMs)
  return Promise.race([settled, limit.promise]).finally(() => clearTimeout(timer))
}

interface UpgradeDeps {
  readonly limits: GatewayLimits
  readonly onBug: (error: unknown) => void
  readonly connections: Set<Connection>
  readonly closing: AbortSignal
  readonly loadClients: () => Promise<Clients>
}

/** Accepts terminals: the source at once, the key by the kernel. */
function createUpgrade(options: GatewayOptions, { limits, onBug, connections, closing, loadClients }: UpgradeDeps) {
  const loadHandshake = once(async () => (await import('./connection.ts')).createHandshake({ limits, onBug }))
  return (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    takePagePart(request)
    stream.on('error', () => stream.destroy())
    const source = refuseSource(request.headers, sourcesOf(options)) ?? (pathOf(request) === '/ws' ? null : nothingHere)
    if (source !== null) return sendUpgradeProblem(stream, source)
    const accept = async (): Promise<void> => {
      const clients = await loadClients()
      const admitted = await clients.of(request, true).catch(asRefusal)
      if ('failure' in admitted) return sendUpgradeProblem(stream, admitted.failure, admitted.retryAfterS)
      const handshake = await loadHandshake()
      if (closing.aborted) stream.destroy()
      else if (connections.size >= limits.maxConnections) sendUpgradeProblem(stream, full(limits.maxConnections))
      else handshake(request, stream, head, connections, admitted)
    }
    accept().catch((error: unknown) => {
      stream.destroy()
      onBug(error)
    })
  }
}

interface ListenerParts {
  readonly answers: Answers
  readonly loadClients: () => Promise<Clients>
  readonly oidc: LoadOidc | null
}

/** Answers requests over HTTP: health checks at once, all others by the API, which is loaded with the first of them. */
function createListener(
  options: GatewayOptions,
  deps: Pick<ApiDeps, 'limits' | 'onBug' | 'connections'> & ListenerParts,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { kernel } = options
  const { answers, loadClients, oidc } = deps
  const loadSessions = once(async () => openSessions(options, await loadClients()))
  const loadWeb = once(async () => openWeb(options, await loadSessions()))
  const loadSignIn = once(async () => {
    const [signIn, clients, sessions] = await Promise.all([oidc!(), loadClients(), loadSessions()])
    return signIn.answering({ clients, sessions, user: kernel.status().user, publicUrl: options.door ?? options.public_url ?? '' })
  })
  const loadA2a = once(async () => openA2a(options, deps))
  // Tasks from before a restart may have addresses that wait for their end.
  if (options.a2a !== undefined) setTimeout(() => answers.closing.aborted || void loadA2a().catch(deps.onBug), a2aDelayMs).unref()
  const loadApi = once(async () => {
    const [{ createApi }, clients] = await Promise.all([import('./http/api.ts'), loadClients()])
    return createApi({ ...deps, kernel, clients, closing: answers.closing, now: Date.now })
  })
  const loadMcp = once(async () => {
    const [{ createMcp }, clients] = await Promise.all([import('./mcp/endpoint.ts'), loadClients()])
    return createMcp({ ...deps, clients, version: kernel.status().version, closing: answers.closing, now: Date.now })
  })
  const loadPlugins = once(async () => {
    const [{ createPluginRoutes }, clients] = await Promise.all([import('./http/plugin-routes.ts'), loadClients()])
    return createPluginRoutes({ ...deps, clients })
  })
  const loadHooks = once(async () => {
    const [{ createHooks }, clients] = await Promise.all([import('./http/hooks.ts'), loadClients()])
    return createHooks({ ...deps, clients, now: Date.now })
  })
  return (request, response) => {
    takePagePart(request)
    answers.add(request, response)
    const refusal = refuseSource(request.headers, sourcesOf(options))
    const path = pathOf(request)
    const answer =
      refusal !== null
        ? path.startsWith('/v1/')
          ? async () => refuseOpenAi(refusal)
          : null
        : isApi(path)
          ? loadApi
          : path === '/mcp'
            ? loadMcp
            : path.startsWith('/plugins/')
              ? loadPlugins
              : path.startsWith('/hooks/')
                ? loadHooks
                : oidc !== null && isSignIn(path)
                  ? loadSignIn
                  : options.a2a !== undefined && isA2a(path)
                    ? loadA2a
                    : options.webFolder !== undefined && (!isHealth(path) || opensPage(path, request))
                      ? loadWeb
                      : null
    if (answer === null) return answerHttp(request, response, refusal, kernel)
    answer()
      .then((answering) => answering(request, response))
      .catch((error: unknown) => {
        response.destroy()
        deps.onBug(error)
      })
  }
}

function sourcesOf({ host, public_url: publicUrl = '' }: GatewayOptions): Parameters<typeof refuseSource>[1] {
  return { host, publicUrl }
}

/** Programs of OpenAI and Anthropic read errors in forms of their own. */
async function refuseOpenAi(refusal: Failure): Promise<Answering> {
  const { sendOpenAiError } = await import('./open-ai/asking.ts')
  return async (request, response) => sendOpenAiError({ request, response }, refusal)
}

type Answering = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** Published agents. Loaded with the first request. */
async function openA2a(
  { kernel, a2a, host, door, public_url: publicUrl = '' }: GatewayOptions,
  { answers, loadClients, limits, onBug }: Pick<ApiDeps, 'limits' | 'onBug'> & ListenerParts,
): Promise<Answering> {
  const [{ createA2a }, clients] = await Promise.all([import('./a2a/a2a-server.ts'), loadClients()])
  return createA2a({
    ...a2a!,
    kernel,
    clients,
    publicUrl: door ?? publicUrl,
    host,
    maxBodyBytes: limits.maxFrameBytes,
    closing: answers.closing,
    now: Date.now,
    onBug,
  })
}

/** The web application: its files, and signing in. Loaded with the first request. */
async function openWeb({ webFolder = '' }: GatewayOptions, sessions: WebSessions): Promise<Answering> {
  const files = (await import('./http/web-files.ts')).createWebFiles(webFolder)
  return async (request, response) => {
    const path = pathOf(request)
    return path.startsWith('/web/') ? sessions.answer(request, response, path) : files(request, response, path)
  }
}

async function openSessions({ kernel, door }: GatewayOptions, clients: Clients): Promise<WebSessions> {
  const { createWebSessions } = await import('./http/web-session.ts')
  return createWebSessions({ kernel, clients, door, random: systemRandom, now: Date.now })
}

/** A guest whose store failed restarts; terminals that wait for an answer should learn why. */
function closeReason(kernel: Kernel): string {
  const fault = kernel.status().read_only
  return fault === null ? 'the guest is stopping' : `the guest is restarting: ${fault.message}`
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function isApi(path: string): boolean {
  return /^\/(?:api\/)?v1(?:\/|$)/.test(path) || path === '/metrics'
}

function isA2a(path: string): boolean {
  return path.startsWith('/a2a/') || path.startsWith('/.well-known/')
}

function isSignIn(path: string): boolean {
  return path === '/sign-in' || path.startsWith('/sign-in/')
}

function isHealth(path: string): boolean {
  return path === '/health' || path === '/healthz' || path === '/readyz'
}

/** The web application has a page of this name, which a browser may open or reload. */
function opensPage(path: string, { headers }: IncomingMessage): boolean {
  return path === '/health' && headers.accept?.includes('text/html') === true
}

/** Health checks reveal only that the guest runs, and whether it can write. */
function answerHttp(request: IncomingMessage, response: ServerResponse, refusal: Failure | null, kernel: Kernel): void {
  const path = request.method === 'GET' ? pathOf(request) : ''
  const isReady = path !== '/readyz' || kernel.status().read_only === null
  const failure = refusal ?? (isHealth(path) ? null : nothingHere)
  if (failure === null) sendJson(response, isReady ? 200 : 503, { ok: isReady })
  else sendProblem(response, failure)
}

/** @throws whatever is a bug rather than a failed request */
function asRefusal(error: unknown): { readonly failure: Failure; readonly retryAfterS: number | undefined } {
  if (!isOxbowError(error)) throw error
  const { code, message, hint, data } = error
  return { failure: { code, message, hint }, retryAfterS: typeof data['retry_after_s'] === 'number' ? data['retry_after_s'] : undefined }
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
