/**
 * One request to a checked destination, and its body. The name is never resolved again: the connection tries the checked addresses
 * in turn. Certificates are checked against the name. No cookies, credentials, proxy or kept-alive connection. The body is
 * unpacked up to a limit that also stops decompression bombs.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Transform } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import { maxInterimAnswers, maxResponseHeaderBytes } from '../limits.ts'
import type { Destination } from './egress-policy.ts'

interface Answer {
  readonly status: number
  readonly message: IncomingMessage
  /** The one of the destination's addresses that was connected to. */
  readonly address: string
}

/** Names in lower case. */
export type ExtraHeaders = Readonly<Record<string, string>>

/** A request that sends something. */
export interface Sent {
  readonly method: string
  /** Empty: none. */
  readonly body: string | Uint8Array
}

const plainGet: Sent = { method: 'GET', body: '' }

/** Resolves with the header; the body is read or destroyed by the caller. @throws OxbowError `tool_failed`, or the signal's reason */
export async function requestPinned(to: Destination, headers: ExtraHeaders, signal: AbortSignal, sent: Sent = plainGet): Promise<Answer> {
  const tunnel = to.through === undefined ? null : await openTunnelTo(to, to.through, signal)
  const answered = Promise.withResolvers<Answer>()
  const request = startRequest(to, sent.method, headers, signal, tunnel)
  let interim = 0
  request.on('information', () => {
    interim += 1
    if (interim <= maxInterimAnswers) return
    // Rejected first, because the real response may be in the same packet and is emitted before the error of the destroyed request.
    answered.reject(new Error('too many interim responses'))
    request.destroy()
  })
  request.on('response', (message) => {
    answered.resolve({ status: message.statusCode ?? 0, message, address: message.socket.remoteAddress ?? '' })
  })
  // A protocol upgrade is not a page. Without this listener Node closes the connection without an event.
  request.on('upgrade', (_, socket) => socket.destroy())
  request.on('error', answered.reject)
  // Settles however the request ends.
  request.on('close', () => answered.reject(new Error('closed without a response')))
  if (sent.body.length > 0) request.end(sent.body)
  else request.end()
  try {
    return await answered.promise
  } catch (error) {
    signal.throwIfAborted()
    throw connectionFailure(to, error)
  }
}

/** @throws OxbowError with the proxy's message, or the signal's reason */
async function openTunnelTo(to: Destination, proxy: string, signal: AbortSignal): Promise<Socket> {
  const { openThrough } = await import('./through-proxy.ts')
  try {
    return await openThrough(to, proxy, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw isOxbowError(error) ? error : connectionFailure(to, error)
  }
}

function startRequest(
  { url, host, port, addresses }: Destination,
  method: string,
  headers: ExtraHeaders,
  signal: AbortSignal,
  tunnel: Socket | null,
): ClientRequest {
  const secure = url.protocol === 'https:'
  const { request } = process.getBuiltinModule(secure ? 'node:https' : 'node:http')
  const options: RequestOptions = {
    method,
    host,
    port,
    path: `${url.pathname}${url.search}`,
    headers: { 'user-agent': 'oxbow', 'accept-encoding': 'gzip, br', ...headers, host: url.host, connection: 'close' },
    // Without an agent, which could reuse the socket of another request or a proxy from the environment.
    createConnection: () => (tunnel === null ? connectPinned(host, port, addresses, secure) : secure ? overTunnel(tunnel, host) : tunnel),
    maxHeaderSize: maxResponseHeaderBytes,
    signal,
  }
  return request(options)
}

/** Connects to one of the addresses and to nothing else. The caller listens for errors. */
export function connectPinned(host: string, port: number, addresses: readonly string[], secure: boolean): Socket {
  const net = process.getBuiltinModule('node:net')
  const pinned = addresses.map((address) => ({ address, family: net.isIP(address) }))
  const lookup = (_host: string, _options: object, done: (error: null, found: typeof pinned) => void): void => done(null, pinned)
  // An address needs no lookup.
  const target = { host, port, lookup, autoSelectFamily: true } as const
  if (!secure) return net.connect(target)
  return process.getBuiltinModule('node:tls').connect({ ...target, ...tlsTo(host) })
}

function overTunnel(tunnel: Socket, host: string): Socket {
  return process.getBuiltinModule('node:tls').connect({ socket: tunnel, ...tlsTo(host) })
}

/** Certificates are checked against the name; an address has none to send. */
function tlsTo(host: string): ConnectionOptions {
  const isName = process.getBuiltinModule('node:net').isIP(host) === 0
  return { ALPNProtocols: ['http/1.1'], rejectUnauthorized: true, ...(isName ? { servername: host } : { host }) }
}

/** The error contains only the system's code, nothing that the other side sent. */
export function connectionFailure({ host, port }: Pick<Destination, 'host' | 'port'>, cause: unknown): OxbowError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unreadable'
  return new OxbowError('tool_failed', `${host}:${port} gave no valid response (${code}).`, {
    hint: 'Check the address, or try again later.',
    cause,
  })
}

export interface Body {
  readonly bytes: Buffer
  /** There was more than the limit. */
  readonly cut: boolean
}

/**
 * Reads and unpacks a body up to its limit.
 *
 * @param maxBytes limits the packed and the unpacked size, each
 * @throws OxbowError `tool_failed` for an encoding that was not requested, `limit_reached` for a body that is larger packed than unpacked;
 * else the stream's own error
 */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Body> {
  const source = unpacked(message, maxBytes)
  const chunks: Buffer[] = []
  let room = maxBytes
  // Leaving the loop early destroys the stream, and with it the connection.
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, room))
    if (chunk.length > room) return { bytes: Buffer.concat(chunks), cut: true }
    room -= chunk.length
  }
  return { bytes: Buffer.concat(chunks), cut: false }
}

function unpacked(message: IncomingMessage, maxBytes: number): AsyncIterable<unknown> {
  const encoding = (message.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return message
  const unpack = createUnpack(encoding)
  if (unpack === null) {
    message.destroy()
    throw new OxbowError('tool_failed', 'The server used an encoding that was not requested.', {
      hint: 'This page cannot be read; try another source.',
      data: { encoding: encoding.slice(0, 100) },
    })
  }
  // Errors of either end reach the reader through the last stream.
  process.getBuiltinModule('node:stream').pipeline(message, bounded(maxBytes), unpack, () => {})
  return unpack
}

function createUnpack(encoding: string): Transform | null {
  const zlib = process.getBuiltinModule('node:zlib')
  // A truncated body gives what was received, as in browsers.
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.createGunzip({ finishFlush: zlib.constants.Z_SYNC_FLUSH })
  if (encoding === 'br') return zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH })
  return null
}

function unpackable(): OxbowError {
  return new OxbowError('limit_reached', 'The server sends a compressed body that is larger than its content.', {
    hint: 'This page cannot be read; try another source.',
  })
}

/** Ends a packed body that unpacks to nothing and never ends. */
function bounded(maxBytes: number): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    let room = maxBytes
    for await (const chunk of source) {
      room -= chunk.length
      if (room < 0) throw unpackable()
      yield chunk
    }
  }
}
