/**
 * Published agents over A2A: their cards, which everybody may read, and their tasks, which need an API key with the right `task.send`.
 * JSON-RPC is at `/a2a/NAME`, in versions 1.0 and 0.3; REST at `/a2a/NAME/rest`, in version 1.0. Loaded with the first request.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Kernel } from '../../kernel/index.ts'
import {
  type ErrorCode,
  errorTable,
  type Failure,
  failureSentences,
  isOxbowError,
  type JsonObject,
  ownValue,
  OxbowError,
} from '../../base/index.ts'
import { isLoopback } from '../admission.ts'
import { type Client, type Clients, TooMany } from '../clients.ts'
import { describeFailure } from '../frames.ts'
import { bodyOf, readBody } from '../http/request-body.ts'
import { maxTaskStreams, retryAfterStopS } from '../limits.ts'
import { createSender } from '../open-ai/asking.ts'
import { type CardDeps, type Cards, createCards, isLegacyVersion } from './agent-card.ts'
import { routeRest } from './rest-routes.ts'
import {
  type A2ARequestHandler,
  isV1JsonRpcMethod,
  JsonRpcTransportHandler,
  LegacyJsonRpcTransportHandler,
  restStatusFor,
  ServerCallContext,
  toRestErrorBody,
  validateVersion,
} from './sdk.ts'
import { type Asking, askingKey, createTaskHandler, type HandlerDeps } from './task-handler.ts'
import { createRelease, type Release } from './task-view.ts'
import { createTaskPush, type PushDeps } from './task-push.ts'

export interface A2aDeps extends CardDeps {
  /** The owner's. */
  readonly kernel: Kernel
  readonly clients: Pick<Clients, 'of'>
  readonly publicUrl: string
  /** The configured one. */
  readonly host: string
  readonly maxBodyBytes: number
  /** Aborted, with the reason, when the gateway closes. */
  readonly closing: AbortSignal
  readonly openFetch: PushDeps['openFetch']
  readonly now: () => number
  readonly onBug: (error: unknown) => void
}

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly origin: string
}

interface Serving extends A2aDeps {
  readonly release: Release
  readonly watch: HandlerDeps['watch']
}

export type A2aServer = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export function createA2a(setup: A2aDeps): A2aServer {
  const release = createRelease(setup.kernel, setup.closing)
  const push = createTaskPush({ ...setup, release })
  const deps: Serving = { ...setup, release, watch: push.watch }
  const cards = createCards(deps)
  const open = createCounts()
  push.resume().catch((error: unknown) => (setup.closing.aborted ? undefined : setup.onBug(error)))
  return async (request, response) => {
    const origin = deps.publicUrl === '' ? originOf(request, deps.host) : new URL(deps.publicUrl).href.replace(/\/$/, '')
    const exchange = { request, response, url: new URL(request.url ?? '/', 'http://gateway'), origin }
    try {
      if (await sendCard(cards, exchange)) return
      const [, agent = '', rest = ''] = /^\/a2a\/([^/]+)(\/.*)?$/.exec(exchange.url.pathname) ?? []
      if (!Object.hasOwn(deps.agents, agent)) throw nothingHere
      const client = await deps.clients.of(request)
      client.take?.()
      using _ = open.enter(client.id)
      await answer(deps, cards, { ...exchange, agent, rest: rest === '/' ? '' : rest }, client)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else refuse(response, describeFailure(error, deps.onBug), error instanceof TooMany ? error.retryAfterS : undefined)
    }
  }
}

/** @returns whether the request was for a card or the keys of their signatures */
async function sendCard(cards: Cards, { request, response, url, origin }: Exchange): Promise<boolean> {
  const [, agent = cards.first, file = ''] = /^(?:\/a2a\/([^/]+))?\/\.well-known\/([\w.-]+)$/.exec(url.pathname) ?? []
  if (file === '' || agent === null) return false
  if (request.method !== 'GET' && request.method !== 'HEAD') throw nothingHere
  const body =
    file === 'jwks.json'
      ? await cards.keys(origin)
      : file === 'agent.json' || (file === 'agent-card.json' && isLegacyVersion(request.headers['a2a-version']))
        ? await cards.legacyCard(agent, origin)
        : file === 'agent-card.json'
          ? await cards.card(agent, origin)
          : null
  if (body === null) throw nothingHere
  sendJson(response, 200, body, { 'cache-control': 'public, max-age=60', vary: 'a2a-version' })
  return true
}

interface AgentExchange extends Exchange {
  readonly agent: string
  /** Of the path, behind the agent; empty: JSON-RPC. */
  readonly rest: string
}

async function answer(deps: Serving, cards: Cards, exchange: AgentExchange, { kernel }: Client): Promise<void> {
  const { request, response, origin, agent, rest } = exchange
  const left = new AbortController()
  const stop = kernel.onEnd?.((why) => left.abort(why))
  response.once('close', () => {
    stop?.()
    left.abort()
  })
  const asking: Asking = { kernel, gone: AbortSignal.any([left.signal, deps.closing]), refused: null }
  const handler = createTaskHandler({ ...deps, agent, card: () => cards.card(agent, origin) })
  const text = request.method === 'POST' ? await readBody(request, deps.maxBodyBytes) : ''
  if (rest === '') return answerRpc(deps, exchange, { handler, asking, text })
  if (!rest.startsWith('/rest/')) throw nothingHere
  const version = headerOf(request, 'a2a-version') || '1.0'
  try {
    const context = await contextFor(handler, asking, version, 'HTTP+JSON')
    const body = bodyOf(request, text)
    const result = await routeRest(handler, context, {
      method: request.method ?? '',
      path: rest.slice('/rest'.length),
      query: exchange.url.searchParams,
      body,
    })
    if (result === null) throw nothingHere
    if ('stream' in result) return await sendStream(deps, response, result.stream, (error) => toRestErrorBody(error, restStatusFor(error)))
    sendJson(response, result.status, result.body, { 'content-type': 'application/a2a+json' })
  } catch (error) {
    if (stopped(deps, error) || isOxbowError(error) || response.headersSent) throw error
    const status = statusOf(asking.refused) ?? restStatusFor(error)
    sendJson(response, status, toRestErrorBody(error, status) as unknown as JsonObject, { 'content-type': 'application/a2a+json' })
  }
}

interface RpcRequest {
  readonly handler: A2ARequestHandler
  readonly asking: Asking
  readonly text: string
}

async function answerRpc(deps: A2aDeps, { request, response }: AgentExchange, { handler, asking, text }: RpcRequest): Promise<void> {
  if (request.method !== 'POST') throw nothingHere
  let body: JsonObject
  try {
    body = bodyOf(request, text)
  } catch (error) {
    return sendJson(response, 200, { jsonrpc: '2.0', id: null, error: { code: -32_700, message: (error as Error).message } })
  }
  // Clients of version 0.3 send no version; the method identifies 1.0 clients that forget it.
  const version = headerOf(request, 'a2a-version') || (isV1JsonRpcMethod(body['method']) ? '1.0' : '0.3')
  const legacy = isLegacyVersion(version)
  const mapError = legacy ? LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError : JsonRpcTransportHandler.mapToJSONRPCError
  const id = typeof body['id'] === 'string' || typeof body['id'] === 'number' ? body['id'] : null
  const failed = (error: unknown): JsonObject => ({ jsonrpc: '2.0', id, error: mapError(error) as unknown as JsonObject })
  try {
    const context = await contextFor(handler, asking, legacy ? '0.3' : version, 'JSONRPC')
    const transport = legacy ? new LegacyJsonRpcTransportHandler(handler) : new JsonRpcTransportHandler(handler)
    const result = await transport.handle(body, context)
    if (Symbol.asyncIterator in result) return await sendStream(deps, response, result, failed)
    if (stopped(deps, null)) throw deps.closing.reason
    sendJson(response, statusOf(asking.refused) ?? 200, result as unknown as JsonObject)
  } catch (error) {
    if (stopped(deps, error) || response.headersSent) throw error
    sendJson(response, statusOf(asking.refused) ?? 200, failed(error))
  }
}

async function contextFor(
  handler: A2ARequestHandler,
  asking: Asking,
  version: string,
  binding: 'JSONRPC' | 'HTTP+JSON',
): Promise<ServerCallContext> {
  const context = new ServerCallContext({ requestedVersion: version, state: new Map([[askingKey, asking]]) })
  validateVersion(context.requestedVersion, await handler.getAgentCard(), binding)
  return context
}

/** The gateway closes: the task goes on at the next start, and nothing is said about its end. */
function stopped({ closing }: A2aDeps, error: unknown): boolean {
  return closing.aborted || error === closing.reason
}

/** What fails before the first event is an answer of its own. */
async function sendStream(
  deps: A2aDeps,
  response: ServerResponse,
  stream: AsyncGenerator,
  failed: (error: unknown) => unknown,
): Promise<void> {
  const first = await stream.next()
  const sender = createSender(response)
  try {
    if (first.done !== true) sender.data(first.value)
    for await (const event of stream) sender.data(event)
  } catch (error) {
    // The program subscribes again.
    if (!stopped(deps, error) && !response.destroyed) sender.data(failed(error), 'error')
  } finally {
    sender.end()
  }
}

/** Requests of each client that are under way. */
function createCounts() {
  const counts = new Map<string, number>()
  return {
    enter(id: string): Disposable {
      const open = counts.get(id) ?? 0
      if (open >= maxTaskStreams) throw new TooMany(`This key has ${maxTaskStreams} requests under way.`, 1)
      counts.set(id, open + 1)
      return {
        [Symbol.dispose]() {
          const now = (counts.get(id) ?? 1) - 1
          if (now === 0) counts.delete(id)
          else counts.set(id, now)
        },
      }
    },
  }
}

/**
 * Where this gateway is reached, when no address is configured. A card is signed for it, so nothing of it is taken from the request but
 * the name of this host: a card for an address that somebody makes up would vouch for a stranger.
 */
function originOf({ headers, socket }: IncomingMessage, ownHost: string): string {
  const scheme = (socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
  const { localAddress, localPort } = socket
  const [, name = '', port = ''] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(headers.host ?? '') ?? []
  const plain = name.toLowerCase().replace(/^\[|\]$/g, '')
  const isOwn = isLoopback(plain) || plain === ownHost.toLowerCase()
  // An isolated guest listens on a socket, to which its runner leads a port of loopback.
  if (localAddress === undefined) return `${scheme}://${isLoopback(plain) ? name : '127.0.0.1'}${port === '' ? '' : `:${port}`}`
  const address = localAddress.replace(/^::ffff:/, '')
  return `${scheme}://${isOwn ? name : address.includes(':') ? `[${address}]` : address}:${localPort}`
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  const value = ownValue(headers, name)
  return typeof value === 'string' ? value.trim() : ''
}

function statusOf(code: ErrorCode | null): number | undefined {
  return code === null ? undefined : code === 'limit_reached' ? 429 : errorTable[code].http
}

function sendJson(response: ServerResponse, status: number, body: JsonObject | null, headers: Readonly<Record<string, string>> = {}): void {
  const text = body === null ? '' : JSON.stringify(body)
  const usual = { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
  response.writeHead(status, { ...usual, ...headers, ...(body !== null && { 'content-length': Buffer.byteLength(text) }) }).end(text)
}

function refuse(response: ServerResponse, { code, message, hint }: Failure, retryAfterS?: number): void {
  const status = retryAfterS === undefined ? errorTable[code].http : 429
  const waitS = retryAfterS ?? (code === 'guest_unreachable' ? retryAfterStopS : undefined)
  sendJson(
    response,
    status,
    { error: { code: status, status: code, message: failureSentences({ message, hint }), details: [] } },
    {
      ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer' }),
      ...(waitS !== undefined && { 'retry-after': String(waitS) }),
    },
  )
}

const nothingHere = new OxbowError('not_found', 'There is nothing at this address.', {
  hint: 'The card of the agent names its addresses: /.well-known/agent-card.json.',
})
