/**
 * `/mcp`: MCP over streamable HTTP, for programs with an API key. Source and key are judged as for every request (`admission.ts`,
 * `clients.ts`); a session belongs to the key that began it, and ends with it. Loaded with the first request.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { errorTable, type Failure, failureSentences, isObject, isOxbowError, nestsDeeper, OxbowError } from '../../base/index.ts'
import { apiKeyOf } from '../admission.ts'
import { type Client, type Clients, TooMany } from '../clients.ts'
import { describeFailure } from '../frames.ts'
import { readBody } from '../http/request-body.ts'
import { failureHeaders, sendJson } from '../http/send-json.ts'
import {
  flushMs,
  type GatewayLimits,
  maxInputDepth,
  maxMcpInFlight,
  maxMcpSessions,
  maxMcpSessionsOfKey,
  mcpCheckMs,
  mcpIdleMs,
} from '../limits.ts'
import { createKeyOffer, keyNeeded } from './key-offer.ts'
import { isLegacyRequest, type McpRequests, type McpSession, openRequests, openSession } from './mcp-server.ts'
import type { Offer } from './offer.ts'

export interface McpDeps {
  readonly clients: Pick<Clients, 'of'>
  readonly limits: Pick<GatewayLimits, 'maxFrameBytes'>
  readonly version: string
  /** Aborted, with the reason, when the gateway closes. */
  readonly closing: AbortSignal
  readonly onBug: (error: unknown) => void
  readonly now: () => number
  /** What a key gets; tests offer more. */
  readonly offerFor?: (kernel: Kernel, title: () => string) => Offer
}

type Answering = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** A session, or the requests of a key that stand alone. */
interface Held {
  readonly client: Client
  readonly served: McpSession | McpRequests
  /** Requests that are being answered, and streams that are open besides. */
  inFlight: number
  streams: number
  usedAt: number
  /** Listens no more for the end of the key. */
  stop?: (() => void) | undefined
}

export function createMcp(deps: McpDeps): Answering {
  const { find, end } = createSessions(deps)
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const client = await deps.clients.of(request)
    // A page is no program, and the owner's own token opens everything: a program gets a key with rights of its own.
    if (client.kernel.foreign === undefined || !/^Bearer /i.test(request.headers.authorization ?? '') || apiKeyOf(request.headers) === null)
      throw keyNeeded
    client.take?.()
    const body = request.method === 'POST' ? await readMessage(request, deps.limits.maxFrameBytes) : undefined
    const asked = webRequest(request, response)
    const held = await find(client, asked, body)
    if (held.inFlight + held.streams >= maxMcpInFlight)
      throw new TooMany(`${maxMcpInFlight} requests of this session are being answered.`, 1)
    const kind = isStream(request, body) ? 'streams' : 'inFlight'
    held[kind] += 1
    held.usedAt = deps.now()
    response.once('close', () => {
      held[kind] -= 1
      held.usedAt = deps.now()
      if (deps.closing.aborted && held.inFlight === 0) end(held)
    })
    await sendResponse(response, await held.served.answer(asked, body))
  }
  return async (request, response) => {
    try {
      await answer(request, response)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else sendFailure(response, describeFailure(error, deps.onBug), error)
    }
  }
}

/** Finds what serves a request, and begins it. */
function createSessions(deps: McpDeps) {
  /** By session; requests outside of sessions by their key. */
  const sessions = new Map<string, Held>()
  const alone = new Map<string, Held>()
  const by = { name: 'oxbow', version: deps.version }
  const offerFor = deps.offerFor ?? createKeyOffer
  const end = watchHeld(deps, [sessions, alone])

  const hold = (held: Map<string, Held>, id: string, client: Client, served: Held['served']): Held => {
    const made: Held = { client, served, inFlight: 0, streams: 0, usedAt: deps.now() }
    held.set(id, made)
    made.stop = client.kernel.onEnd?.(() => setTimeout(() => end(made), flushMs).unref())
    return made
  }
  const begin = async (client: Client, body: unknown): Promise<Held> => {
    const ofKey = [...sessions.values()].filter((held) => held.client.id === client.id)
    if (ofKey.length >= maxMcpSessionsOfKey || sessions.size >= maxMcpSessions)
      endOldest(ofKey.length > 0 ? ofKey : [...sessions.values()], end)
    const id = randomUUID()
    const offer = offerFor(client.kernel, () => titleOf(body))
    return hold(sessions, id, client, await openSession(id, offer, by, () => sessions.delete(id)))
  }
  const findAlone = (client: Client): Held => {
    const held = alone.get(client.id)
    if (held !== undefined) return held
    if (alone.size >= maxMcpSessions) endOldest([...alone.values()], end)
    const offer = offerFor(client.kernel, () => 'MCP')
    return hold(alone, client.id, client, openRequests(offer, by))
  }
  const find = async (client: Client, request: Request, body: unknown): Promise<Held> => {
    const id = request.headers.get('mcp-session-id')
    if (id !== null) {
      const held = sessions.get(id)
      if (held?.client.id === client.id) return held
      throw new OxbowError('not_found', 'Session not found', { hint: '' })
    }
    if (isInitialize(body)) return begin(client, body)
    if (await isLegacyRequest(request, body))
      throw new OxbowError('bad_input', 'The request has no Mcp-Session-Id.', { hint: 'Begin with initialize.' })
    return findAlone(client)
  }
  return { find, end }
}

/** @throws TooMany when none is idle */
function endOldest(all: readonly Held[], end: (held: Held) => void): void {
  const idle = all.filter(({ inFlight, streams }) => inFlight + streams === 0).toSorted((a, b) => a.usedAt - b.usedAt)
  if (idle[0] === undefined) throw new TooMany('Too many sessions are open.', 10)
  end(idle[0])
}

/**
 * Ends what belongs to keys that were revoked, what is idle, and everything when the gateway closes: at once what only listens, and the rest
 * when its answers are sent.
 * @returns what ends one
 */
function watchHeld({ closing, now, onBug }: McpDeps, maps: readonly Map<string, Held>[]): (held: Held) => void {
  const end = (held: Held): void => {
    for (const map of maps) for (const [id, each] of map) if (each === held) map.delete(id)
    held.stop?.()
    held.served.close().catch(onBug)
  }
  const all = (): readonly Held[] => maps.flatMap((map) => [...map.values()])
  const check = (): void => {
    for (const held of all()) {
      if (held.inFlight + held.streams === 0 && now() - held.usedAt > mcpIdleMs) end(held)
      else
        held.client.kernel.check().then(
          () => held.served.check(),
          (error: unknown) => (isOxbowError(error, 'unauthenticated') ? end(held) : onBug(error)),
        )
    }
  }
  const timer = setInterval(check, mcpCheckMs).unref()
  closing.addEventListener(
    'abort',
    () => {
      clearInterval(timer)
      for (const held of all()) if (held.inFlight === 0) end(held)
    },
    { once: true },
  )
  return end
}

/** It has no end of its own. */
function isStream({ method }: IncomingMessage, body: unknown): boolean {
  return method === 'GET' || (isObject(body) && body['method'] === 'subscriptions/listen')
}

function isInitialize(body: unknown): boolean {
  return isObject(body) && body['method'] === 'initialize'
}

/** Names the program in lists of sessions. */
function titleOf(body: unknown): string {
  const params = isObject(body) && isObject(body['params']) ? body['params'] : {}
  const info = isObject(params['clientInfo']) ? params['clientInfo'] : {}
  const name = typeof info['name'] === 'string' ? info['name'].replace(/[^\w .-]/g, '').slice(0, 50) : ''
  return `MCP: ${name === '' ? 'a program' : name}`
}

/** @throws OxbowError `bad_input`, `limit_reached` */
async function readMessage(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const text = await readBody(request, maxBytes)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new OxbowError('bad_input', 'The body is not valid JSON.', { hint: 'Send one JSON-RPC message.' })
  }
  if (nestsDeeper(body, maxInputDepth))
    throw new OxbowError('bad_input', `The body nests deeper than ${maxInputDepth} levels.`, { hint: 'Send flatter JSON.' })
  return body
}

function webRequest(request: IncomingMessage, response: ServerResponse): Request {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && name !== 'authorization' && name !== 'cookie') headers.set(name, [value].flat().join(', '))
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return new Request(new URL(request.url ?? '/mcp', 'http://gateway'), { method: request.method ?? 'GET', headers, signal: gone.signal })
}

/** Resolves when all has been sent, or the program has gone. */
async function sendResponse(response: ServerResponse, { status, headers, body }: Response): Promise<void> {
  const sent = { ...Object.fromEntries(headers), 'x-content-type-options': 'nosniff' }
  if (body === null) return void response.writeHead(status, sent).end()
  response.writeHead(status, sent).flushHeaders()
  const reader = body.getReader()
  response.once('close', () => void reader.cancel().catch(() => {}))
  for (;;) {
    const { value, done } = await reader.read()
    if (done) break
    if (!response.write(value) && !response.destroyed)
      await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
  }
  response.end()
}

/** An error of JSON-RPC, under the status that programs look at. */
function sendFailure(response: ServerResponse, { code, message, hint }: Failure, error: unknown): void {
  const retryAfterS = error instanceof TooMany ? error.retryAfterS : undefined
  const status = retryAfterS === undefined ? errorTable[code].http : 429
  const rpc = { code: code === 'not_found' ? -32_001 : -32_000, message: failureSentences({ message, hint }), data: { code } }
  sendJson(response, status, { jsonrpc: '2.0', error: rpc, id: null }, failureHeaders({ code }, retryAfterS))
}
