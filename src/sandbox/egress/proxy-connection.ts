/**
 * One request of a proxy client: read strictly, because two readings of one request are how proxies are tricked; checked by the policy;
 * connected to a checked address; and counted. A tunnel (CONNECT) copies bytes both ways and ends no TLS. A plain http request is sent on
 * over a connection of its own, so that no part of it can be taken for another request. A refusal is a status and one line of text that any
 * program's output can show.
 */
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorCode, isOxbowError, OxbowError } from '../../base/index.ts'
import { maxInterimAnswers, maxProxyBytes, maxResponseHeaderBytes, proxyConnectMs, proxyIdleMs } from '../limits.ts'
import type { Destination } from './egress-policy.ts'
import { connectionFailure, connectPinned } from './pinned-request.ts'
import { noPass, type Passes, type ProxyDeps } from './proxy-passes.ts'

interface Reached {
  readonly to: Destination
  readonly upstream: Socket
}

/**
 * Connects, and counts the attempt whatever its result. The connection closes when it is idle for long, has carried too much, or its pass
 * ends.
 *
 * @param requestTarget as the client sent it, for the log
 * @param target makes the URL to reach; may throw
 * @param client when it closes, the attempt stops
 * @throws OxbowError that may be shown to the client: it contains no address that the client did not name
 */
async function reachTarget({ admit, log, hold }: ProxyDeps, requestTarget: string, target: () => string, client: Socket): Promise<Reached> {
  const stop = new AbortController()
  const onClose = (): void => stop.abort(new OxbowError('cancelled', 'The client closed its connection.', { hint: 'Ask again.' }))
  const timer = setTimeout(() => stop.abort(tooSlow()), proxyConnectMs)
  client.once('close', onClose)
  if (client.destroyed) onClose()
  const letGo = hold(() => stop.abort(noPass()))
  const decided = log?.begin(readable(requestTarget))
  try {
    const to = await admit(target(), stop.signal)
    const upstream = await connect(to, stop.signal)
    decided?.()
    log?.note({ host: to.host, port: to.port, decision: 'reached', reason: '' }, upstream)
    upstream.once(
      'close',
      hold(() => void upstream.destroy()),
    )
    return { to, upstream }
  } catch (error) {
    const failure = isOxbowError(error) ? error : unreachable(error)
    decided?.()
    const refused = failure.code === 'denied' || failure.code === 'bad_input'
    log?.note({ ...readable(requestTarget), decision: refused ? 'refused' : 'failed', reason: shortReason(failure.message) })
    throw failure
  } finally {
    clearTimeout(timer)
    letGo()
    client.off('close', onClose)
  }
}

async function connect(to: Destination, signal: AbortSignal): Promise<Socket> {
  const upstream = connectPinned(to.host, to.port, to.addresses, false)
  upstream.on('error', () => upstream.destroy())
  try {
    await once(upstream, 'connect', { signal })
  } catch (error) {
    upstream.destroy()
    signal.throwIfAborted()
    throw connectionFailure(to, error)
  }
  upstream.setTimeout(proxyIdleMs, () => upstream.destroy())
  return upstream
}

/** Closes the connection when one direction has carried too much. @param source emits the data of either direction */
function boundBytes(source: NodeJS.EventEmitter, upstream: Socket): void {
  source.on('data', () => {
    if (upstream.bytesRead > maxProxyBytes || upstream.bytesWritten > maxProxyBytes) upstream.destroy()
  })
}

/** Host and port of a request target that the policy has not read yet: it may be anything, so only printable characters stay. */
function readable(requestTarget: string): { host: string; port: number } {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(requestTarget) ? requestTarget : `https://${requestTarget}/`)
  const host = (url?.hostname ?? requestTarget).replace(/[^\x21-\x7e]/g, '?')
  const port = url === null ? 0 : url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { host, port }
}

/** The record already has host and port. */
function shortReason(message: string): string {
  return message.replace(/^\S+ (?:may not be reached: |did not give an answer )/, '')
}

function tooSlow(): OxbowError {
  return new OxbowError('timeout', `It did not respond within ${proxyConnectMs / 1000} s.`, { hint: 'Try again later.' })
}

function unreachable(cause: unknown): OxbowError {
  return new OxbowError('tool_failed', 'It could not be reached.', { hint: 'Try again later.', cause })
}

/** Answers CONNECT. Never rejects. @param head bytes that the client sent after its request */
export async function openTunnel(passes: Pick<Passes, 'holderOf'>, request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
  const stopWatching = watchEnd(client)
  try {
    const { upstream } = await reachTarget(passes.holderOf(request), request.url ?? '', () => tunnelTarget(request), client)
    stopWatching()
    if (client.destroyed) return void upstream.destroy()
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    if (head.length > 0) upstream.write(head)
    client.pipe(upstream)
    upstream.pipe(client)
    boundBytes(client, upstream)
    boundBytes(upstream, upstream)
    client.on('close', () => upstream.destroySoon())
    upstream.on('close', () => client.destroySoon())
  } catch (error) {
    stopWatching()
    refuseTunnel(client, error)
  }
}

/** Notices when a client closes while it waits for its tunnel, although nothing reads from it then. @returns stops watching */
function watchEnd(client: Socket): () => void {
  const look = (): void => {
    // Early data is for the other side and stays; with none, a read reveals the end.
    if (client.readableLength === 0) client.read()
  }
  const leave = (): void => void client.destroy()
  client.on('readable', look)
  client.once('end', leave)
  return () => {
    client.off('readable', look)
    client.off('end', leave)
  }
}

/** Sends a plain http request on, without the headers of the connection to the proxy (RFC 9110, 7.6.1). Never rejects. */
export async function forwardRequest(passes: Pick<Passes, 'holderOf'>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    assertPlainBody(request)
    const { to, upstream } = await reachTarget(passes.holderOf(request), request.url ?? '', () => forwardTarget(request), request.socket)
    const answer = await ask(request, to, upstream)
    response.sendDate = false
    response.writeHead(answer.statusCode ?? 502, [...endToEnd(answer.rawHeaders), 'connection', 'close'])
    boundBytes(answer, upstream)
    answer.pipe(response)
    // Either end closes the other.
    response.on('close', () => upstream.destroy())
    answer.on('error', () => response.destroy())
  } catch (error) {
    refuseRequest(response, error)
  }
}

/** @throws OxbowError `bad_input` for a body whose end servers may find in different places */
function assertPlainBody({ headers }: IncomingMessage): void {
  const coding = headers['transfer-encoding']
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return
  throw new OxbowError('bad_input', 'The request body has a transfer coding other than chunked.', { hint: 'Send it without that coding.' })
}

async function ask(request: IncomingMessage, to: Destination, upstream: Socket): Promise<IncomingMessage> {
  const outgoing = send(request, to, upstream)
  const over = Promise.withResolvers<never>()
  outgoing.on('error', over.reject)
  // A protocol upgrade needs CONNECT.
  outgoing.on('upgrade', (_, socket) => socket.destroy())
  outgoing.on('close', () => over.reject(new Error('closed without a response')))
  let interim = 0
  outgoing.on('information', () => {
    if ((interim += 1) > maxInterimAnswers) outgoing.destroy()
  })
  request.socket.once('close', () => outgoing.destroy())
  try {
    const [answer] = (await Promise.race([once(outgoing, 'response'), over.promise])) as [IncomingMessage]
    return answer
  } catch (error) {
    outgoing.destroy()
    throw connectionFailure(to, error)
  }
}

function send(request: IncomingMessage, { url }: Destination, upstream: Socket): ClientRequest {
  const { request: start } = process.getBuiltinModule('node:http')
  const body = request.headers['transfer-encoding'] === undefined ? [] : ['transfer-encoding', 'chunked']
  const outgoing = start({
    method: request.method,
    path: `${url.pathname}${url.search}`,
    headers: ['host', url.host, ...endToEnd(request.rawHeaders, ['host']), ...body, 'connection', 'close'],
    createConnection: () => upstream,
    maxHeaderSize: maxResponseHeaderBytes,
  })
  boundBytes(request, upstream)
  request.pipe(outgoing)
  return outgoing
}

const ofTheConnection =
  'connection keep-alive proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info te trailer transfer-encoding upgrade expect http2-settings'

/** @returns raw headers without the connection's own, those that `Connection` names, and those in `excluded` */
function endToEnd(raw: readonly string[], excluded: readonly string[] = []): string[] {
  const pairs = raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? ''] as const] : []))
  const named = pairs.flatMap(([name, value]) => (name === 'connection' ? value.toLowerCase().split(',') : []))
  const dropped = new Set([...ofTheConnection.split(' '), ...named.map((name) => name.trim()), ...excluded])
  // Without its length the body would have no end, even if `Connection` names it.
  dropped.delete('content-length')
  return pairs.flatMap(([name, value]) => (dropped.has(name) ? [] : [name, value]))
}

/** RFC 9112, 3.2.3: a host, a colon, a port; no credentials, no path, and nothing that a URL would read as one. */
const authority = /^(\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]%]+):([0-9]{1,5})$/i

/** @returns the URL whose host and port a tunnel leads to. @throws OxbowError `bad_input` */
function tunnelTarget(request: IncomingMessage): string {
  const target = request.url ?? ''
  if (!authority.test(target)) throw misread('CONNECT takes host:port.')
  const url = `https://${target}/`
  // RFC 9110, 7.2: Host repeats the target. Some clients omit the port or the whole header.
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`https://${host}/`, url) && !isSameHost(`https://${host}/`, withoutPort(url)))
    throw misread('Its Host header names another host.')
  return url
}

/** @returns the whole URL of a plain request. @throws OxbowError `bad_input` */
function forwardTarget(request: IncomingMessage): string {
  const target = request.url ?? ''
  if (!/^http:\/\//i.test(target)) throw misread('This is a proxy: it takes CONNECT, and http:// requests with a whole URL.')
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`http://${host}/`, target)) throw misread('Its Host header names another host.')
  return target
}

/** @returns null when there is no Host header, which HTTP/1.0 allows. @throws OxbowError `bad_input` for more than one */
function onlyHost(request: IncomingMessage): string | null {
  const all = request.rawHeaders.filter((_, i) => i % 2 === 1 && request.rawHeaders[i - 1]!.toLowerCase() === 'host')
  if (all.length > 1) throw misread('It has more than one Host header.')
  return all[0] ?? null
}

function isSameHost(one: string, other: string): boolean {
  const [a, b] = [URL.parse(one), URL.parse(other)]
  if (a === null || b === null || a.pathname !== '/' || a.username !== '' || a.search !== '' || a.hash !== '') return false
  return a.host.replace(/\.(?=:|$)/, '') === b.host.replace(/\.(?=:|$)/, '')
}

function withoutPort(text: string): string {
  const url = URL.parse(text)
  if (url !== null) url.port = ''
  return url?.href ?? ''
}

function misread(why: string): OxbowError {
  return new OxbowError('bad_input', why, { hint: 'Set http_proxy and https_proxy to http://127.0.0.1:8118.' })
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = { unauthenticated: 407, denied: 403, bad_input: 400, timeout: 504 }

/** Some programs send a password only when challenged (RFC 9110, 11.7.1). */
const challenge = 'Basic realm="oxbow"'

interface Refusal {
  readonly status: number
  readonly line: string
}

/** @param error anything thrown; only an OxbowError's message is shown */
function refusalOf(error: unknown): Refusal {
  if (!isOxbowError(error)) return { status: 502, line: 'oxbow: it could not be reached.' }
  const status = statuses[error.code] ?? 502
  const hint = status === 400 || status === 403 || status === 407 ? ` ${error.hint}` : ''
  return { status, line: `oxbow: ${error.message}${hint}`.replace(/[^\x20-\x7e]/g, '?') }
}

/** Until the tunnel is open, the socket still carries plain HTTP. */
function refuseTunnel(client: Socket, error: unknown): void {
  const { status, line } = refusalOf(error)
  const head = [`HTTP/1.1 ${status} Refused by the egress proxy`, 'content-type: text/plain', 'connection: close']
  if (status === 407) head.push(`proxy-authenticate: ${challenge}`)
  client.end(`${head.join('\r\n')}\r\ncontent-length: ${line.length + 1}\r\n\r\n${line}\n`)
}

function refuseRequest(response: ServerResponse, error: unknown): void {
  // A started answer can only be cut off.
  if (response.headersSent) return void response.destroy()
  const { status, line } = refusalOf(error)
  const challenged = status === 407 ? { 'proxy-authenticate': challenge } : {}
  const headers = { 'content-type': 'text/plain', 'content-length': line.length + 1, connection: 'close', ...challenged }
  response.writeHead(status, headers).end(`${line}\n`)
}
