/**
 * The one file that knows the SDK of MCP. It says an `Offer` in the protocol: to programs of 2025, which begin a session with `initialize`
 * and keep streams open, and to programs of 2026, whose requests are independent. The SDK is loaded with the first request.
 */
import {
  createMcpHandler,
  type InputRequests,
  inputRequired,
  isLegacyRequest,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { failureSentences, isObject, isOxbowError, type JsonObject } from '../../base/index.ts'
import { maxMcpEventBytes, maxMcpEvents, maxMcpListeners, streamPingMs } from '../limits.ts'
import type { Asks, Exchange, Offer } from './offer.ts'

export { isLegacyRequest }

interface ServedBy {
  readonly name: string
  readonly version: string
}

/** A session that `initialize` has begun. */
export interface McpSession {
  /** @param body the parsed request of a POST */
  answer(request: Request, body: unknown): Promise<Response>
  /** Tells the program that the list of tools has changed, if it has. */
  check(): void
  close(): Promise<void>
}

/** @param onEnd called once, when the program ends the session or it is closed */
export async function openSession(id: string, offer: Offer, by: ServedBy, onEnd: () => void): Promise<McpSession> {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => id,
    eventStore: createEventLog(),
    keepAliveMs: streamPingMs,
    retryInterval: 1_000,
  })
  const { server, close } = buildServer(offer, by)
  let version = offer.version()
  Object.assign(server, { onclose: onEnd })
  await server.connect(transport)
  return {
    answer: (request, parsedBody) => transport.handleRequest(request, parsedBody === undefined ? {} : { parsedBody }),
    check() {
      if (version === (version = offer.version())) return
      server.sendToolListChanged().catch(() => {})
    },
    async close() {
      close()
      await server.close()
    },
  }
}

/** Answers requests that stand alone, of one key. */
export interface McpRequests {
  /** @param body the parsed request of a POST */
  answer(request: Request, body: unknown): Promise<Response>
  /** Tells those who listen that the list of tools has changed, if it has. */
  check(): void
  close(): Promise<void>
}

export function openRequests(offer: Offer, by: ServedBy): McpRequests {
  const handler = createMcpHandler(() => buildServer(offer, by).server, {
    legacy: 'reject',
    maxSubscriptions: maxMcpListeners,
    keepAliveMs: streamPingMs,
  })
  const follow = createFollowed(offer, (uri) => handler.notify.resourceUpdated(uri))
  let version = offer.version()
  return {
    async answer(request, parsedBody) {
      for (const uri of followedBy(parsedBody)) await follow(uri, request.signal)
      return handler.fetch(request, parsedBody === undefined ? {} : { parsedBody })
    },
    check() {
      if (version !== (version = offer.version())) handler.notify.toolsChanged()
    },
    close: () => handler.close(),
  }
}

/** @returns the resources that a program of 2026 names in the request by which it listens */
function followedBy(body: unknown): readonly string[] {
  if (!isObject(body) || body['method'] !== 'subscriptions/listen' || !isObject(body['params'])) return []
  const wanted = isObject(body['params']['notifications']) ? body['params']['notifications']['resourceSubscriptions'] : undefined
  return Array.isArray(wanted) ? wanted.filter((uri): uri is string => typeof uri === 'string').slice(0, maxMcpListeners) : []
}

/** Each resource is watched once, as long as a stream follows it. */
function createFollowed(offer: Offer, onChange: (uri: string) => void): (uri: string, over: AbortSignal) => Promise<void> {
  const watches = new Map<string, { count: number; readonly stop: () => void }>()
  return async (uri, over) => {
    const watch = watches.get(uri) ?? { count: 0, stop: await offer.subscribe(uri, () => onChange(uri)) }
    watch.count += 1
    watches.set(uri, watch)
    const leave = (): void => {
      watch.count -= 1
      if (watch.count > 0) return
      watch.stop()
      watches.delete(uri)
    }
    if (over.aborted) leave()
    else over.addEventListener('abort', leave, { once: true })
  }
}

/** One server answers one program of 2025, or one request of 2026. */
function buildServer(offer: Offer, by: ServedBy): { readonly server: Server; readonly close: () => void } {
  const server = new Server(
    { name: by.name, title: 'Oxbow', version: by.version },
    {
      instructions: offer.instructions,
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true },
        prompts: {},
        completions: {},
        logging: {},
      },
    },
  )
  const watches = new Map<string, () => void>()
  addTools(server, offer)
  addResources(server, offer, watches)
  addPrompts(server, offer)
  return {
    server,
    close() {
      for (const stop of watches.values()) stop()
      watches.clear()
    },
  }
}

function addTools(server: Server, offer: Offer): void {
  server.setRequestHandler('tools/list', ({ params }) =>
    answered(async () => {
      const { items, next } = await offer.tools(params?.cursor ?? '')
      return { tools: items.map((tool) => ({ ...tool, inputSchema: { type: 'object' as const, ...tool.inputSchema } })), ...cursorOf(next) }
    }),
  )
  server.setRequestHandler('tools/call', ({ params }, context) =>
    answered(async () => {
      const result = await offer.call(params.name, (params.arguments ?? {}) as JsonObject, exchangeOf(server, context))
      if ('asks' in result) return asked(result)
      const { content, isError = false, meta } = result
      return { content: [...content] as never[], isError, ...(meta !== undefined && { _meta: { ...meta } }) }
    }),
  )
}

function addResources(server: Server, offer: Offer, watches: Map<string, () => void>): void {
  server.setRequestHandler('resources/list', ({ params }, context) =>
    answered(async () => {
      const { items, next } = await offer.resources(params?.cursor ?? '', exchangeOf(server, context))
      return { resources: [...items], ...cursorOf(next) }
    }),
  )
  server.setRequestHandler('resources/templates/list', () => answered(async () => ({ resourceTemplates: [...(await offer.templates())] })))
  server.setRequestHandler('resources/read', ({ params }, context) =>
    answered(async () => ({
      contents: (await offer.read(params.uri, exchangeOf(server, context))).map((each) => ({ ...each })) as never[],
    })),
  )
  server.setRequestHandler('resources/subscribe', ({ params: { uri } }) =>
    answered(async () => {
      if (watches.size >= maxMcpListeners && !watches.has(uri))
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `A session follows at most ${maxMcpListeners} resources.`)
      watches.get(uri)?.()
      watches.set(uri, await offer.subscribe(uri, () => void server.sendResourceUpdated({ uri }).catch(() => {})))
      return {}
    }),
  )
  server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) =>
    answered(async () => {
      watches.get(uri)?.()
      watches.delete(uri)
      return {}
    }),
  )
}

function addPrompts(server: Server, offer: Offer): void {
  server.setRequestHandler('prompts/list', ({ params }) =>
    answered(async () => {
      const { items, next } = await offer.prompts(params?.cursor ?? '')
      return { prompts: items.map((prompt) => ({ ...prompt, arguments: [...prompt.arguments] })), ...cursorOf(next) }
    }),
  )
  server.setRequestHandler('prompts/get', ({ params }, context) =>
    answered(async () => {
      const messages = await offer.prompt(params.name, params.arguments ?? {}, exchangeOf(server, context))
      return { messages: [...messages] as never[] }
    }),
  )
  server.setRequestHandler('completion/complete', ({ params: { ref, argument } }) =>
    answered(async () => {
      const of = ref.type === 'ref/prompt' ? { prompt: ref.name } : { template: ref.uri }
      const values = await offer.complete(of, argument.name, argument.value)
      return { completion: { values: values.slice(0, maxCompletions), total: values.length, hasMore: values.length > maxCompletions } }
    }),
  )
}

/** The protocol allows no more. */
const maxCompletions = 100

function cursorOf(next: string | undefined): { readonly nextCursor?: string } {
  return next === undefined ? {} : { nextCursor: next }
}

/** Failures of ours are errors of the protocol. Bugs become its internal error, without their text. */
async function answered<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    if (!isOxbowError(error)) throw new ProtocolError(ProtocolErrorCode.InternalError, 'This is a bug in Oxbow.')
    const code =
      error.code === 'not_found'
        ? resourceNotFound
        : error.code === 'bad_input' || error.code === 'unknown_call'
          ? ProtocolErrorCode.InvalidParams
          : ProtocolErrorCode.InternalError
    throw new ProtocolError(code, failureSentences(error), { code: error.code })
  }
}

const resourceNotFound = -32_002

/** Programs of 2026 ask their person and repeat the request with the answers; for programs of 2025 the SDK asks, and calls the handler again. */
function asked({ asks, state }: Asks) {
  return inputRequired({ inputRequests: asks as unknown as InputRequests, requestState: state })
}

function exchangeOf(server: Server, { mcpReq }: ServerContext): Exchange {
  const { signal, inputResponses = {}, envelope, _meta: meta } = mcpReq
  const ofRequest: unknown = (envelope as Readonly<Record<string, unknown>> | undefined)?.['io.modelcontextprotocol/clientCapabilities']
  const capabilities = isObject(ofRequest) ? ofRequest : server.getClientCapabilities()
  const elicitation = capabilities?.['elicitation'] as { readonly form?: unknown; readonly url?: unknown } | undefined
  const state = mcpReq.requestState()
  const token = meta?.progressToken
  return {
    signal,
    // Before there were modes, a form was meant.
    canAsk: elicitation !== undefined && (elicitation.form !== undefined || elicitation.url === undefined),
    answers: inputResponses,
    state: typeof state === 'string' ? state : '',
    log: (level, text) => void mcpReq.log(level, text, 'oxbow').catch(() => {}),
    ...(token !== undefined && {
      progress(done, total, message) {
        const params = { progressToken: token, progress: done, ...(total !== null && { total }), ...(message !== '' && { message }) }
        mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {})
      },
    }),
  }
}

/**
 * What a session has sent, so that a program whose stream broke reads on from the last event that it has. Bounded: a program that was away
 * for longer asks again.
 */

/** As the SDK takes it. */
interface EventLog<Message extends object> {
  storeEvent(stream: string, message: Message): Promise<string>
  getStreamIdForEventId(id: string): Promise<string | undefined>
  replayEventsAfter(id: string, to: { readonly send: (id: string, message: Message) => Promise<void> }): Promise<string>
}

interface Kept<Message> {
  readonly id: string
  readonly stream: string
  readonly message: Message
  readonly bytes: number
}

function createEventLog<Message extends object>(): EventLog<Message> {
  const kept: Kept<Message>[] = []
  let bytes = 0
  let count = 0
  const find = (id: string): Kept<Message> | undefined => kept.find((event) => event.id === id)
  return {
    async storeEvent(stream, message) {
      const id = (count += 1).toString(36)
      const size = JSON.stringify(message).length
      kept.push({ id, stream, message, bytes: size })
      bytes += size
      while (kept.length > maxMcpEvents || (bytes > maxMcpEventBytes && kept.length > 1)) bytes -= kept.shift()?.bytes ?? 0
      return id
    },
    getStreamIdForEventId: async (id) => find(id)?.stream,
    async replayEventsAfter(id, { send }) {
      const last = find(id)
      if (last === undefined) throw new Error('the event is too old, or belongs to another session')
      const missed = kept.slice(kept.indexOf(last) + 1)
      // An event that only begins a stream has no message.
      for (const event of missed)
        if (event.stream === last.stream && Object.keys(event.message).length > 0) await send(event.id, event.message)
      return last.stream
    },
  }
}
