/** From what a client asks for to a connection: the policy, then one of the addresses that it has checked, and what is counted. */
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type ErrorCode, isOxbowError, OxbowError } from '../../types/index.ts'
import { maxInterimAnswers, maxProxyBytes, maxResponseHeaderBytes, proxyConnectMs, proxyIdleMs } from '../limits.ts'
import type { Destination } from './egress-policy.ts'
import { connectionFailure, connectPinned } from './pinned-request.ts'
import type { Passes, ProxyDeps } from './proxy-passes.ts'

interface Reached {
  readonly to: Destination
  readonly upstream: Socket
}

/**
 * Counted either way. The connection ends by itself when it is silent for long, or has carried too much.
 * @param target makes the URL of what is asked for
 * @param client who asks; when it goes, nothing is reached any more
 * @throws OxbowError that may be shown to the client: it names no address that was not asked for
 */
async function reachTarget({ admit, log }: ProxyDeps, asked: string, target: () => string, client: Socket): Promise<Reached> {
  const stop = new AbortController()
  const gone = (): void => stop.abort(new OxbowError('cancelled', 'The client has gone.', { hint: 'Ask again.' }))
  const timer = setTimeout(() => stop.abort(tooSlow()), proxyConnectMs)
  client.once('close', gone)
  if (client.destroyed) gone()
  const decided = log?.begin(readable(asked))
  try {
    const to = await admit(target(), stop.signal)
    const upstream = await connect(to, stop.signal)
    decided?.()
    log?.note({ host: to.host, port: to.port, decision: 'reached', reason: '' }, upstream)
    return { to, upstream }
  } catch (error) {
    const failure = isOxbowError(error) ? error : misfortune(error)
    decided?.()
    const refused = failure.code === 'denied' || failure.code === 'bad_input'
    log?.note({ ...readable(asked), decision: refused ? 'refused' : 'failed', reason: shortReason(failure.message) })
    throw failure
  } finally {
    clearTimeout(timer)
    client.off('close', gone)
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

/** Ends the connection when one direction has carried too much. @param source what is read, in either direction */
function boundBytes(source: NodeJS.EventEmitter, upstream: Socket): void {
  source.on('data', () => {
    if (upstream.bytesRead > maxProxyBytes || upstream.bytesWritten > maxProxyBytes) upstream.destroy()
  })
}

/** What was asked for, when it is refused before the policy has read it: anything, so only what can be shown of it. */
function readable(asked: string): { host: string; port: number } {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(asked) ? asked : `https://${asked}/`)
  const host = (url?.hostname ?? asked).replace(/[^\x21-\x7e]/g, '?')
  const port = url === null ? 0 : url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { host, port }
}

/** Host and port stand in the record already. */
function shortReason(message: string): string {
  return message.replace(/^\S+ (?:may not be reached: |did not give an answer )/, '')
}

function tooSlow(): OxbowError {
  return new OxbowError('timeout', `It did not answer within ${proxyConnectMs / 1000} s.`, { hint: 'Try again later.' })
}

function misfortune(cause: unknown): OxbowError {
  return new OxbowError('tool_failed', 'It could not be reached.', { hint: 'Try again later.', cause })
}

/** CONNECT: bytes both ways to a checked address. What is inside, TLS above all, stays between the two ends. */

/** @param head what the client sent behind its request. Never rejects. */
export async function openTunnel(passes: Passes, request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
  const atEase = watchEnd(client)
  try {
    const { upstream } = await reachTarget(passes.holderOf(request), request.url ?? '', () => tunnelTarget(request), client)
    atEase()
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
    atEase()
    refuseTunnel(client, error)
  }
}

/** Nobody reads from a client that waits for its tunnel, so its end would go unseen. @returns stops watching */
function watchEnd(client: Socket): () => void {
  const look = (): void => {
    // What it has sent early is for the other side; without that, reading shows the end.
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

/**
 * A plain http request, sent on as a request of its own: one connection for each, so that nothing of one request can be taken
 * for a part of another. What belongs to the connection to the proxy (RFC 9110, 7.6.1) stays here, credentials for it too.
 */

/** Never rejects. */
export async function forwardRequest(passes: Passes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    assertPlainBody(request)
    const { to, upstream } = await reachTarget(passes.holderOf(request), request.url ?? '', () => forwardTarget(request), request.socket)
    const answer = await ask(request, to, upstream)
    response.sendDate = false
    response.writeHead(answer.statusCode ?? 502, [...endToEnd(answer.rawHeaders), 'connection', 'close'])
    boundBytes(answer, upstream)
    answer.pipe(response)
    // Whichever end goes first takes the other with it.
    response.on('close', () => upstream.destroy())
    answer.on('error', () => response.destroy())
  } catch (error) {
    refuseRequest(response, error)
  }
}

/** @throws OxbowError `bad_input` for a body whose end only some would find */
function assertPlainBody({ headers }: IncomingMessage): void {
  const coding = headers['transfer-encoding']
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return
  throw new OxbowError('bad_input', 'Its body comes in a transfer coding other than chunked.', { hint: 'Send it plain.' })
}

async function ask(request: IncomingMessage, to: Destination, upstream: Socket): Promise<IncomingMessage> {
  const outgoing = send(request, to, upstream)
  const over = Promise.withResolvers<never>()
  outgoing.on('error', over.reject)
  // A connection that becomes something else needs CONNECT.
  outgoing.on('upgrade', (_, socket) => socket.destroy())
  outgoing.on('close', () => over.reject(new Error('closed without an answer')))
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

/** @returns raw headers without those of the connection, those that `Connection` names, and those in `beside` */
function endToEnd(raw: readonly string[], beside: readonly string[] = []): string[] {
  const pairs = raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? ''] as const] : []))
  const named = pairs.flatMap(([name, value]) => (name === 'connection' ? value.toLowerCase().split(',') : []))
  const dropped = new Set([...ofTheConnection.split(' '), ...named.map((name) => name.trim()), ...beside])
  // A length that `Connection` names away would leave a body without an end.
  dropped.delete('content-length')
  return pairs.flatMap(([name, value]) => (dropped.has(name) ? [] : [name, value]))
}

/** RFC 9112, 3.2.3: a host, a colon, a port; no credentials, no path, and nothing that a URL would read as one. */
const authority = /^(\[[0-9a-f:.]+\]|[^\s/?#@\\:[\]%]+):([0-9]{1,5})$/i

/** @returns the URL whose host and port a tunnel leads to. @throws OxbowError `bad_input` */
export function tunnelTarget(request: IncomingMessage): string {
  const asked = request.url ?? ''
  if (!authority.test(asked)) throw misread('CONNECT takes host:port.')
  const url = `https://${asked}/`
  // RFC 9110, 7.2: Host repeats what is asked for. Clients leave the port out, or all of it.
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`https://${host}/`, url) && !isSameHost(`https://${host}/`, withoutPort(url)))
    throw misread('Its Host header names another host.')
  return url
}

/** @returns the whole URL of a plain request. @throws OxbowError `bad_input` */
export function forwardTarget(request: IncomingMessage): string {
  const asked = request.url ?? ''
  if (!/^http:\/\//i.test(asked)) throw misread('This is a proxy: it takes CONNECT, and http:// requests with a whole URL.')
  const host = onlyHost(request)
  if (host !== null && !isSameHost(`http://${host}/`, asked)) throw misread('Its Host header names another host.')
  return asked
}

/** @returns null when there is none, which HTTP/1.0 allows. @throws OxbowError `bad_input` for more than one */
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

/** How the proxy says no: a status, and one line that a person can read in the output of any program. */

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = { unauthenticated: 407, denied: 403, bad_input: 400, timeout: 504 }

/** Some programs send a password only when they are asked for it (RFC 9110, 11.7.1). */
const challenge = 'Basic realm="oxbow"'

interface Refusal {
  readonly status: number
  readonly line: string
}

/** For whatever was thrown; what is not an OxbowError stays unsaid. */
function refusalOf(error: unknown): Refusal {
  if (!isOxbowError(error)) return { status: 502, line: 'oxbow: it could not be reached.' }
  const status = statuses[error.code] ?? 502
  const hint = status === 400 || status === 403 || status === 407 ? ` ${error.hint}` : ''
  return { status, line: `oxbow: ${error.message}${hint}`.replace(/[^\x20-\x7e]/g, '?') }
}

/** Before a tunnel stands, the socket is still plain HTTP. */
export function refuseTunnel(client: Socket, error: unknown): void {
  const { status, line } = refusalOf(error)
  const head = [`HTTP/1.1 ${status} Refused by the egress proxy`, 'content-type: text/plain', 'connection: close']
  if (status === 407) head.push(`proxy-authenticate: ${challenge}`)
  client.end(`${head.join('\r\n')}\r\ncontent-length: ${line.length + 1}\r\n\r\n${line}\n`)
}

export function refuseRequest(response: ServerResponse, error: unknown): void {
  // Half an answer cannot be taken back; the cut tells.
  if (response.headersSent) return void response.destroy()
  const { status, line } = refusalOf(error)
  const challenged = status === 407 ? { 'proxy-authenticate': challenge } : {}
  const headers = { 'content-type': 'text/plain', 'content-length': line.length + 1, connection: 'close', ...challenged }
  response.writeHead(status, headers).end(`${line}\n`)
}
