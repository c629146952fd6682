/**
 * The gateway: the one door through which terminals reach the kernel. HTTP that is upgraded to a WebSocket at `/ws`, and a
 * health answer that says nothing but that it lives. It keeps no state of its own: all that a terminal can ask for again is
 * the kernel's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Kernel } from '../kernel/index.ts'
import { errorTable, type Failure, once, OxbowError } from '../types/index.ts'
import { refuseSource, refuseToken } from './admission.ts'
import type { Connection } from './connection.ts'
import { gatewayLimits, type GatewayLimits, minTokenLength, timeoutLookShare } from './limits.ts'

export interface GatewayOptions {
  readonly kernel: Kernel
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** A unix socket to listen on in place of host and port; `url` then says where terminals come from. */
  readonly socket?: { readonly path: string; readonly url: string }
  /** From `createToken`. Without it nobody is let in, so the gateway does not start. */
  readonly token: string
  readonly limits?: Partial<GatewayLimits>
  /** Told about errors that only a fault of ours explains; without it they go to stderr, the guest's log. */
  readonly onBug?: (error: unknown) => void
}

export interface Gateway {
  /** `ws://host:port/ws` */
  readonly url: string
  /** Says goodbye to every terminal and resolves when all are gone. The kernel stays open. */
  close(): Promise<void>
}

/** @throws OxbowError `bad_config` when the token is none or the address cannot be listened on */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { kernel, token, host } = options
  if (token.length < minTokenLength) {
    throw new OxbowError('bad_config', 'The gateway’s token is too short to protect anything.', {
      hint: 'Start the guest again: it makes a new one.',
    })
  }
  const limits: GatewayLimits = { ...gatewayLimits, ...options.limits }
  const connections = new Set<Connection>()
  const onBug = options.onBug ?? writeBug
  let isClosing = false
  const handshakes = once(async () => (await import('./handshake.ts')).createHandshake({ kernel, limits, onBug }))

  // A static import of node:http would load undici at start.
  const { requestTimeoutMs } = limits
  const server = process.getBuiltinModule('node:http').createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs * timeoutLookShare,
  })
  // Sockets that are not let in yet count too; they live for little longer than `requestTimeoutMs`.
  server.maxConnections = limits.maxConnections * 2
  server.on('request', (request, response) => answerHttp(request, response, refuseSource(request.headers, options)))
  server.on('upgrade', (request, stream, head) => {
    stream.on('error', () => stream.destroy())
    const refusal = refuseUpgrade(request, options)
    if (refusal !== null) return refuse(stream, refusal)
    const letIn = async (): Promise<void> => {
      const handshake = await handshakes()
      if (isClosing) stream.destroy()
      else if (connections.size >= limits.maxConnections) refuse(stream, full(limits.maxConnections))
      else handshake(request, stream, head, connections)
    }
    letIn().catch((error: unknown) => {
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
      const reason = farewell(kernel)
      connections.forEach((connection) => connection.close(1001, reason))
      const patience = setTimeout(() => connections.forEach((connection) => connection.cut()), limits.closeGraceMs)
      server.closeAllConnections()
      await closed
      clearTimeout(patience)
    },
  }
}

/** Why terminals are sent away: a guest whose store failed begins anew, and whoever waits for an answer should hear why. */
function farewell(kernel: Kernel): string {
  const fault = kernel.status().read_only
  return fault === null ? 'the guest is stopping' : `the guest begins anew: ${fault.message}`
}

async function listen(server: import('node:http').Server, { host, port, socket }: GatewayOptions): Promise<void> {
  const listening = Promise.withResolvers<void>()
  server.once('error', listening.reject)
  if (socket === undefined) server.listen(port, host, listening.resolve)
  else server.listen(socket.path, listening.resolve)
  try {
    await listening.promise
  } catch (error) {
    const hint = 'Choose another gateway.port (0 lets the system choose) or gateway.host in config.toml.'
    throw new OxbowError('bad_config', `The gateway cannot listen on ${socket?.path ?? `${host}:${port}`}.`, { hint, cause: error })
  }
  server.off('error', listening.reject)
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function refuseUpgrade(request: IncomingMessage, options: GatewayOptions): Failure | null {
  const source = refuseSource(request.headers, options)
  if (source !== null) return source
  return pathOf(request) === '/ws' ? refuseToken(request.headers, options) : nothingHere
}

function answerHttp(request: IncomingMessage, response: ServerResponse, refusal: Failure | null): void {
  const failure = refusal ?? (request.method === 'GET' && pathOf(request) === '/health' ? null : nothingHere)
  const status = failure === null ? 200 : errorTable[failure.code].http
  const body = JSON.stringify(failure === null ? { ok: true } : { error: failure })
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length, 'cache-control': 'no-store' }).end(body)
}

/** Answers a request for an upgrade as plain HTTP, then closes. */
function refuse(stream: Duplex, failure: Failure): void {
  const body = JSON.stringify({ error: failure })
  const status = errorTable[failure.code].http
  const reason = process.getBuiltinModule('node:http').STATUS_CODES[status] ?? ''
  const headers = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`
  // The server leaves upgraded sockets half open; nobody would close this one.
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status} ${reason}\r\n${headers}\r\n\r\n${body}`)
}

const nothingHere: Failure = {
  code: 'not_found',
  message: 'There is nothing at this address.',
  hint: 'Open a WebSocket at /ws, or ask GET /health.',
}

function full(max: number): Failure {
  return { code: 'limit_reached', message: `The gateway serves ${max} connections at most.`, hint: 'Close terminals that are not needed.' }
}

function writeBug(error: unknown): void {
  process.stderr.write(`gateway: ${error instanceof Error ? error.stack : String(error)}\n`)
}
