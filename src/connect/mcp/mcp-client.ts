/** The port to the SDK, which is loaded with the first server that is needed. Everything that a server sends is hostile. */
import type { Client, OAuthClientProvider, StreamableHTTPClientTransport, Transport } from '@modelcontextprotocol/client'
import { isOxbowError, type JsonObject, OxbowError, type ServerProcess } from '../../types/index.ts'
import { connectTimeoutMs, listTimeoutMs, maxPages, maxServerTools } from './limits.ts'
import { createStdioTransport } from './stdio-transport.ts'

export interface CallToolOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly onProgress: (text: string) => void
}

export interface McpClient {
  readonly instructions: string
  /** Definitions of all tools as the server sent them. @throws OxbowError */
  listTools(): Promise<readonly JsonObject[]>
  /** @throws OxbowError; `lost` in its data: the connection ended before the answer */
  callTool(name: string, input: JsonObject, options: CallToolOptions): Promise<JsonObject>
  isOpen(): boolean
  close(): Promise<void>
}

export interface ClientSetup {
  /** Of this program. */
  readonly version: string
  /** Paths that the server is told of. */
  readonly roots: readonly string[]
  readonly onToolsChanged: () => void
  readonly onClose: () => void
}

export interface HttpWay {
  readonly kind: 'http'
  readonly url: string
  readonly fetch: typeof fetch
  readonly headers: Readonly<Record<string, string>>
  /** Who signs in; absent: nobody. */
  readonly login?: OAuthClientProvider
}

/** How to reach a server. */
export type ServerWay = { readonly kind: 'stdio'; readonly process: ServerProcess } | HttpWay

type Sdk = typeof import('@modelcontextprotocol/client')

function httpTransport(sdk: Sdk, { url, fetch: send, headers, login }: HttpWay): StreamableHTTPClientTransport {
  return new sdk.StreamableHTTPClientTransport(new URL(url), {
    fetch: send,
    requestInit: { headers: { ...headers } },
    redirectPolicy: 'same-origin',
    ...(login !== undefined && { authProvider: login }),
  })
}

/** @throws OxbowError `tool_failed`, `timeout`, `limit_reached`, `unauthenticated` */
export async function connectServer(way: ServerWay, setup: ClientSetup, signal: AbortSignal): Promise<McpClient> {
  const sdk = await import('@modelcontextprotocol/client')
  const stdio = way.kind === 'stdio' ? createStdioTransport(way.process, sdk.deserializeMessage) : null
  const transport: Transport = way.kind === 'stdio' ? stdio! : httpTransport(sdk, way)
  const client = new sdk.Client(
    { name: 'oxbow', version: setup.version },
    {
      capabilities: setup.roots.length > 0 ? { roots: {} } : {},
      // Schemas of servers are never compiled here: their patterns may run for ever.
      jsonSchemaValidator: { getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }) },
      versionNegotiation: { mode: 'auto', probe: { timeoutMs: 3_000 } },
      listMaxPages: maxPages,
    },
  )
  if (setup.roots.length > 0)
    client.setRequestHandler('roots/list', () => ({ roots: setup.roots.map((path) => ({ uri: `file://${path}`, name: path })) }))
  client.setNotificationHandler('notifications/tools/list_changed', setup.onToolsChanged)
  let open = true
  const onclose = (): void => {
    open = false
    setup.onClose()
  }
  // Answers to unknown requests, messages that are none: nothing that concerns a call.
  Object.assign(client, { onclose, onerror: () => {} })
  const explained = (error: unknown, what: string): OxbowError => explain(sdk, error, what, stdio?.failure() ?? null, open)
  try {
    await client.connect(transport, { signal, timeout: connectTimeoutMs })
  } catch (error) {
    await transport.close().catch(() => {})
    signal.throwIfAborted()
    throw explained(error, 'The connection')
  }
  return {
    instructions: client.getInstructions() ?? '',
    isOpen: () => open,
    listTools: () => listTools(client).catch((error: unknown) => Promise.reject(explained(error, 'The list of tools'))),
    async callTool(name, input, { signal: cancel, timeoutMs, onProgress }) {
      try {
        const onprogress = ({
          progress,
          total,
          message,
        }: {
          progress: number
          total?: number | undefined
          message?: string | undefined
        }): void => onProgress(`${progress}${total === undefined ? '' : ` of ${total}`}${message === undefined ? '' : `: ${message}`}`)
        return (await client.callTool({ name, arguments: input }, { signal: cancel, timeout: timeoutMs, onprogress })) as JsonObject
      } catch (error) {
        cancel.throwIfAborted()
        throw explained(error, 'The call')
      }
    },
    close: () => client.close(),
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
  const text = (error instanceof Error ? error.message : String(error)).slice(0, 500)
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
  const client = new sdk.Client({ name: 'oxbow', version })
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
