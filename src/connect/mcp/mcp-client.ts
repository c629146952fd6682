/** The port to the SDK, which is loaded with the first server that is needed. Everything that a server sends is hostile. */
import type { Client, OAuthClientProvider, StreamableHTTPClientTransport, Transport } from '@modelcontextprotocol/client'
import { isOxbowError, type JsonObject, errorMessage, OxbowError } from '../../base/index.ts'
import type { ServerProcess } from '../../protocol/index.ts'
import { connectTimeoutMs, listTimeoutMs, maxPages, maxServerItems, maxServerTools, slowProbeMs } from './limits.ts'
import { createStdioTransport } from './stdio-transport.ts'

/** A call's signal sets its time limit, which pauses while the server asks a person. */
export interface RequestOptions {
  readonly signal: AbortSignal
  readonly onProgress?: (text: string) => void
}

/** What a server lists besides its tools. */
type ListKind = 'resources' | 'templates' | 'prompts'

export interface McpClient {
  readonly instructions: string
  readonly offers: { readonly resources: boolean; readonly prompts: boolean }
  /** Definitions of all tools as the server sent them. @throws OxbowError */
  listTools(): Promise<readonly JsonObject[]>
  /** @throws OxbowError; `lost` in its data: the connection ended before the answer */
  callTool(name: string, input: JsonObject, options: RequestOptions): Promise<JsonObject>
  /** All that the server lists. @throws as `callTool` */
  list(kind: ListKind, options: RequestOptions): Promise<readonly JsonObject[]>
  /** @throws as `callTool` */
  readResource(uri: string, options: RequestOptions): Promise<JsonObject>
  /** @throws as `callTool` */
  getPrompt(name: string, values: Readonly<Record<string, string>>, options: RequestOptions): Promise<JsonObject>
  /** Resolves when the server says that the resource has changed. @throws as `callTool` */
  untilChanged(uri: string, options: RequestOptions): Promise<void>
  isOpen(): boolean
  close(): Promise<void>
}

export interface ClientSetup {
  /** Of this program. */
  readonly version: string
  /** Paths that the server is told of. */
  readonly roots: readonly string[]
  readonly onToolsChanged: () => void
  /** Answers the server's questions to a person. @param params as the server sent them; throws to fail the question */
  readonly elicit: (params: JsonObject) => Promise<JsonObject>
  /** Answers the server's questions to a model; absent: it may ask none. */
  readonly sample?: ((params: JsonObject) => Promise<JsonObject>) | undefined
  readonly onClose: () => void
}

export interface HttpWay {
  readonly kind: 'http'
  readonly url: string
  readonly fetch: typeof fetch
  readonly headers: Readonly<Record<string, string>>
  /** Who signs in, and refuses foreign issuers in `saveDiscoveryState`; absent: nobody. */
  readonly login?: OAuthClientProvider
}

/** How to reach a server. */
export type ServerWay = { readonly kind: 'stdio'; readonly process: ServerProcess } | HttpWay

/** Servers since 2026-07-28 may refuse the greeting of older ones, also of a client that only wants to sign in. */
const versionNegotiation = { mode: 'auto', probe: { timeoutMs: 3_000 } } as const

type Sdk = typeof import('@modelcontextprotocol/client')
type SdkOptions = NonNullable<Parameters<Client['callTool']>[1]>
type SdkProgress = Parameters<NonNullable<SdkOptions['onprogress']>>[0]

function httpTransport(sdk: Sdk, { url, fetch: send, headers, login }: HttpWay): StreamableHTTPClientTransport {
  return new sdk.StreamableHTTPClientTransport(new URL(url), {
    fetch: send,
    requestInit: { headers: { ...headers } },
    redirectPolicy: 'same-origin',
    // The login checks issuers: it is as strict, but for servers of 2025-03-26.
    ...(login !== undefined && { authProvider: login, skipIssuerMetadataValidation: true }),
  })
}

/** @throws OxbowError `tool_failed`, `timeout`, `limit_reached`, `unauthenticated` */
export async function connectServer(way: ServerWay, setup: ClientSetup, signal: AbortSignal): Promise<McpClient> {
  const sdk = await import('@modelcontextprotocol/client')
  const stdio = way.kind === 'stdio' ? createStdioTransport(way.process, sdk.deserializeMessage) : null
  const isSlow = way.kind === 'stdio' && way.process.isSlow === true
  const transport: Transport = way.kind === 'stdio' ? stdio! : httpTransport(sdk, way)
  const client = new sdk.Client(
    { name: 'oxbow', version: setup.version },
    {
      capabilities: {
        ...(setup.roots.length > 0 && { roots: {} }),
        elicitation: { form: {}, url: {} },
        ...(setup.sample !== undefined && { sampling: {} }),
      },
      // Schemas of servers are never compiled here: their patterns may run for ever.
      jsonSchemaValidator: { getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }) },
      versionNegotiation: isSlow ? { mode: 'auto', probe: { timeoutMs: slowProbeMs } } : versionNegotiation,
      listMaxPages: maxPages,
    },
  )
  if (setup.roots.length > 0)
    client.setRequestHandler('roots/list', () => ({ roots: setup.roots.map((path) => ({ uri: `file://${path}`, name: path })) }))
  client.setRequestHandler('elicitation/create', async ({ params }) => (await setup.elicit(params as unknown as JsonObject)) as never)
  const { sample } = setup
  if (sample !== undefined)
    client.setRequestHandler('sampling/createMessage', async ({ params }) => (await sample(params as unknown as JsonObject)) as never)
  client.setNotificationHandler('notifications/tools/list_changed', setup.onToolsChanged)
  const watches = new Set<(uri: string) => void>()
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    for (const changed of watches) changed(params.uri)
  })
  let open = true
  const onclose = (): void => {
    open = false
    setup.onClose()
  }
  // Answers to unknown requests, invalid messages: nothing that concerns a call.
  Object.assign(client, { onclose, onerror: () => {} })
  const explained = (error: unknown, what: string): OxbowError => explain(sdk, error, what, stdio?.failure() ?? null, open)
  try {
    await client.connect(transport, { signal, timeout: connectTimeoutMs })
  } catch (error) {
    await transport.close().catch(() => {})
    signal.throwIfAborted()
    throw explained(error, 'The connection')
  }
  const attempt = async <T>(what: string, { signal: cancel }: RequestOptions, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      cancel.throwIfAborted()
      throw explained(error, what)
    }
  }
  const { resources, prompts } = client.getServerCapabilities() ?? {}
  return {
    instructions: client.getInstructions() ?? '',
    offers: { resources: resources !== undefined, prompts: prompts !== undefined },
    isOpen: () => open,
    listTools: () => listTools(client).catch((error: unknown) => Promise.reject(explained(error, 'The list of tools'))),
    callTool: (name, input, options) =>
      attempt('The call', options, async () => (await client.callTool({ name, arguments: input }, sdkOptions(options))) as JsonObject),
    list: (kind, options) => attempt(`The list of ${kind}`, options, () => listAll(client, kind, options)),
    readResource: (uri, options) =>
      attempt('Reading the resource', options, async () => (await client.readResource({ uri }, sdkOptions(options))) as JsonObject),
    getPrompt: (name, values, options) =>
      attempt('The prompt', options, async () => (await client.getPrompt({ name, arguments: values }, sdkOptions(options))) as JsonObject),
    untilChanged: (uri, options) => attempt('Watching the resource', options, () => untilChanged(client, watches, uri, options)),
    close: () => client.close(),
  }
}

/** The longest timer: the signal ends a call that takes too long. */
const unlimitedMs = 2 ** 31 - 1

function sdkOptions({ signal, onProgress }: RequestOptions): SdkOptions {
  const onprogress = ({ progress, total, message }: SdkProgress): void =>
    onProgress?.(`${progress}${total === undefined ? '' : ` of ${total}`}${message === undefined ? '' : `: ${message}`}`)
  return { signal, timeout: unlimitedMs, ...(onProgress !== undefined && { onprogress }) }
}

async function listAll(client: Client, kind: ListKind, options: RequestOptions): Promise<readonly JsonObject[]> {
  const asked = { ...sdkOptions(options), timeout: listTimeoutMs, cacheMode: 'refresh' } as const
  const items =
    kind === 'resources'
      ? (await client.listResources(undefined, asked)).resources
      : kind === 'templates'
        ? (await client.listResourceTemplates(undefined, asked)).resourceTemplates
        : (await client.listPrompts(undefined, asked)).prompts
  if (items.length > maxServerItems)
    throw new OxbowError('limit_reached', `The server lists ${items.length} ${kind}, more than ${maxServerItems}.`, {
      hint: 'Let it offer fewer, if it has a setting for that.',
    })
  return items as unknown as JsonObject[]
}

/** Servers since 2026-07-28 have one stream for all changes, older ones a subscription for each resource. */
async function untilChanged(client: Client, watches: Set<(uri: string) => void>, uri: string, { signal }: RequestOptions): Promise<void> {
  const changed = Promise.withResolvers<void>()
  const watch = (updated: string): void => {
    if (updated === uri) changed.resolve()
  }
  const stop = (): void => changed.reject(signal.reason)
  watches.add(watch)
  signal.addEventListener('abort', stop, { once: true })
  changed.promise.catch(() => {})
  let end = async (): Promise<unknown> => client.unsubscribeResource({ uri }, { timeout: listTimeoutMs })
  try {
    if (client.getProtocolEra() === 'modern') {
      const stream = await client.listen({ resourceSubscriptions: [uri] }, { signal, timeout: listTimeoutMs })
      end = () => stream.close()
      void stream.closed.then(() => changed.reject(new Error('the server ended the subscription')))
    } else await client.subscribeResource({ uri }, { signal, timeout: listTimeoutMs })
    await changed.promise
  } finally {
    watches.delete(watch)
    signal.removeEventListener('abort', stop)
    await end().catch(() => {})
  }
}

async function listTools(client: Client): Promise<readonly JsonObject[]> {
  if (client.getServerCapabilities()?.tools === undefined) return []
  const { tools } = await client.listTools(undefined, { timeout: listTimeoutMs, cacheMode: 'refresh' })
  if (tools.length > maxServerTools)
    throw new OxbowError('limit_reached', `The server offers ${tools.length} tools, more than ${maxServerTools}.`, {
      hint: 'Let it offer fewer, if it has a setting for that.',
    })
  return tools as unknown as JsonObject[]
}

/** The message of a server's error is its own text, which the gate labels. */
function explain(sdk: Sdk, error: unknown, what: string, broken: OxbowError | null, isOpen: boolean): OxbowError {
  if (isOxbowError(error)) return error
  const data = isOpen ? {} : { lost: true }
  if (broken !== null) return new OxbowError(broken.code, broken.message, { hint: broken.hint, data })
  const text = errorMessage(error).slice(0, 500)
  // A failure of the sandbox's network keeps its own code.
  const cause = error instanceof Error ? error.cause : undefined
  if (isOxbowError(cause)) return new OxbowError(cause.code, cause.message, { hint: cause.hint, data, cause: error })
  if (error instanceof sdk.UnauthorizedError || /\b401\b/.test(text))
    return new OxbowError('unauthenticated', `${what} was refused: the server wants to know who asks.`, {
      hint: 'Sign in with `oxbow servers login NAME`, or give it a token: `oxbow servers add NAME --header`.',
      data,
      cause: error,
    })
  if (error instanceof sdk.SdkError && error.code === sdk.SdkErrorCode.RequestTimeout)
    return new OxbowError('timeout', `${what} was not answered in time.`, {
      hint: 'Try again later, or ask for less at once.',
      data,
      cause: error,
    })
  if (error instanceof sdk.ProtocolError && isOpen)
    return new OxbowError('tool_failed', `${what} failed: ${text}`, {
      hint: 'Correct the arguments, or go another way.',
      data,
      cause: error,
    })
  return new OxbowError('tool_failed', isOpen ? `${what} failed: ${text}` : 'The server ended before it answered.', {
    hint: '`oxbow servers list` shows the end of its log.',
    data,
    cause: error,
  })
}

/**
 * The first half of a login: asks the server, which names where the person signs in.
 * @returns the second half, with what the browser came back with; null: the server lets us in as we are
 */
export async function startLogin(
  way: HttpWay,
  version: string,
  signal: AbortSignal,
): Promise<((answer: URLSearchParams) => Promise<void>) | null> {
  const sdk = await import('@modelcontextprotocol/client')
  const transport = httpTransport(sdk, way)
  const client = new sdk.Client({ name: 'oxbow', version }, { versionNegotiation })
  const failed = (error: unknown): OxbowError => explain(sdk, error, 'Signing in', null, true)
  try {
    await client.connect(transport, { signal, timeout: connectTimeoutMs })
    // Some ask only then who it is.
    await client.request({ method: 'tools/list' }, { signal, timeout: listTimeoutMs })
    await client.close()
    return null
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof sdk.UnauthorizedError)) throw failed(error)
  }
  return async (answer) => {
    try {
      await transport.finishAuth(answer)
    } catch (error) {
      throw failed(error)
    } finally {
      await transport.close().catch(() => {})
    }
  }
}
