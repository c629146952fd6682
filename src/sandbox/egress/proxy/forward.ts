/**
 * A plain http request, sent on as a request of its own: one connection for each, so that nothing of one request can be taken
 * for a part of another. What belongs to the connection to the proxy (RFC 9110, 7.6.1) stays here, credentials for it too.
 */
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { OxbowError } from '../../../types/index.ts'
import { maxInterimAnswers, maxResponseHeaderBytes } from '../../limits.ts'
import type { Destination } from '../egress-policy.ts'
import { connectionFailure } from '../pinned-request.ts'
import { refuseRequest } from './proxy-answer.ts'
import { forwardTarget } from './proxy-target.ts'
import type { Passes } from './passes.ts'
import { boundBytes, reachTarget } from './reach-target.ts'

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
