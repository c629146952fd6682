/**
 * One server: started on first need, its tools listed and compared with what a person has approved, restarted once when it crashes. The
 * newest list decides: a tool that is not as approved in it cannot be called.
 */
import { isOxbowError, type JsonObject, OxbowError, type Sandbox, type ServerProcess } from '../types/index.ts'
import { type FoundTool, type HashText, readTools, type ServerFacts } from './definitions.ts'
import { crashWindowMs, listFreshMs, maxCrashes, maxLogChars } from './limits.ts'
import type { CallToolOptions, McpClient, ServerWay } from './mcp-client.ts'
import { identityOf, wayOf, type WayDeps } from './server-way.ts'
import type { NamedServer } from './settings.ts'

export interface ConnectionDeps extends WayDeps {
  readonly sandbox: Pick<Sandbox, 'serve' | 'status'>
  readonly hash: HashText
  readonly version: string
  readonly nowMs: () => number
  /** The list of tools of this server has been read anew. */
  readonly onListed: (server: string, found: Listed) => void
}

export interface Listed extends ServerFacts {
  readonly tools: readonly FoundTool[]
}

export interface Connection {
  /** What the server offers now. @param renew also when the last list is recent @throws OxbowError */
  listed(signal: AbortSignal, renew?: boolean): Promise<Listed>
  /** @throws OxbowError; `lost` in its data: the connection ended before the answer */
  callTool(name: string, input: JsonObject, options: CallToolOptions): Promise<JsonObject>
  state(): { readonly running: boolean; readonly log: string }
  close(): Promise<void>
}

interface Running {
  readonly client: McpClient
  readonly facts: ServerFacts
  /** The server has said that its list has changed. */
  stale: boolean
  listedAt: number
  listed: Listed | null
}

export function createConnection(server: NamedServer, deps: ConnectionDeps): Connection {
  const log = createLog()
  let current: Promise<Running> | null = null
  let closed = false
  const crashes = createCrashes(deps.nowMs)

  const start = async (): Promise<Running> => {
    // Not the signal of one call: others may wait for the same start.
    const signal = new AbortController().signal
    const { connectServer } = await import('./mcp-client.ts')
    const facts = { identity: await identityOf(server.settings, deps.hash) }
    const way: ServerWay = await wayOf(server, deps)
    if (way.kind === 'stdio') collectLog(way.process, log)
    const running: { self: Running | null } = { self: null }
    const client = await connectServer(
      way,
      {
        version: deps.version,
        roots: server.settings.folders.map((folder) => folder.replace(/:rw$/, '')),
        onToolsChanged: () => {
          if (running.self !== null) running.self.stale = true
        },
        onClose: () => {
          if (!closed) crashes.add()
        },
      },
      signal,
    )
    return (running.self = {
      client,
      facts: { ...facts, instructions: client.instructions },
      stale: false,
      listedAt: -Infinity,
      listed: null,
    })
  }
  const open = async (): Promise<Running> => {
    if (closed) throw new OxbowError('cancelled', 'The servers are closed.', { hint: 'Start again.' })
    const before = current
    const running = before === null ? null : await before.catch(() => null)
    if (running?.client.isOpen() !== true && current === before) {
      if (crashes.recent() >= maxCrashes) throw crashing(server.name)
      current = start()
    }
    return current!
  }
  return {
    async listed(signal, renew = false) {
      const running = await untilAborted(open(), signal)
      const isFresh = !renew && !running.stale && deps.nowMs() - running.listedAt < listFreshMs
      if (isFresh && running.listed !== null) return running.listed
      running.stale = false
      const tools = await untilAborted(running.client.listTools(), signal)
      running.listedAt = deps.nowMs()
      running.listed = { ...running.facts, tools: readTools(tools, running.facts, deps.hash) }
      deps.onListed(server.name, running.listed)
      return running.listed
    },
    async callTool(name, input, options) {
      const { client } = await untilAborted(open(), options.signal)
      return client.callTool(name, input, options)
    },
    state: () => ({ running: current !== null && !closed, log: log.text() }),
    async close() {
      closed = true
      const running = await current?.catch(() => null)
      await running?.client.close().catch(() => {})
    },
  }
}

function createCrashes(nowMs: () => number): { add(): void; recent(): number } {
  let at: readonly number[] = []
  const recent = (): readonly number[] => at.filter((each) => each > nowMs() - crashWindowMs)
  return { add: () => void (at = [...recent(), nowMs()]), recent: () => recent().length }
}

function crashing(name: string): OxbowError {
  return new OxbowError(
    'tool_failed',
    `The server ${name} has ended ${maxCrashes} times within ${crashWindowMs / 1_000} s; it is not started again yet.`,
    {
      hint: '`oxbow servers list` shows the end of its log. Try again in a minute.',
    },
  )
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const stop = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

interface Log {
  add(text: string): void
  text(): string
}

/** The end of what was written. */
function createLog(): Log {
  let kept = ''
  return {
    add(text) {
      kept = `${kept}${text}`.slice(-maxLogChars)
    },
    text: () => kept,
  }
}

function collectLog({ errors }: ServerProcess, log: Log): void {
  errors.on('data', (bytes: Buffer) => log.add(bytes.toString()))
}

/** @returns whether a call ended with its connection, so that its effect is not known */
export function isLost(error: unknown): boolean {
  return isOxbowError(error) && error.data['lost'] === true
}
