/**
 * One server: started on first need, its tools listed and compared with what a person has approved, restarted once when it crashes. The
 * newest list decides: a tool that is not as approved in it cannot be called.
 */
import { canonicalJson, isOxbowError, type JsonObject, OxbowError, untilAborted } from '../../base/index.ts'
import type { Sandbox, ServerProcess } from '../../protocol/index.ts'
import { type FoundTool, type HashText, readTools, type ServerFacts } from './definitions.ts'
import { crashWindowMs, listFreshMs, maxCrashes, maxLogChars } from './limits.ts'
import { createLogin, type Login } from './login.ts'
import type { McpClient, ServerWay } from './mcp-client.ts'
import { type Asker, createServerAsks } from './server-asks.ts'
import { identityOf, registeredClient, wayOf, type WayDeps } from './server-way.ts'
import type { NamedServer } from './settings.ts'

export interface ConnectionDeps extends WayDeps {
  readonly sandbox: Pick<Sandbox, 'serve' | 'lockOf' | 'status'>
  /** Loaded with the first server that is started. */
  readonly hash: () => Promise<HashText>
  readonly version: string
  readonly nowMs: () => number
  /** The list of tools of this server has been read anew. */
  readonly onListed: (server: string, found: Listed) => void
}

export interface Listed extends ServerFacts {
  readonly tools: readonly FoundTool[]
  /** What it offers besides tools. */
  readonly offers: McpClient['offers']
  /** Covers the whole server; approves its resources and prompts. */
  readonly offersHash: string
}

export interface Connection {
  /** What the server offers now. @param renew also when the last list is recent @throws OxbowError */
  listed(signal: AbortSignal, renew?: boolean): Promise<Listed>
  /**
   * Asks the server something for a call, for which it may ask back.
   * @throws OxbowError; `lost` in its data: the connection ended before the answer
   */
  request<Answer>(asker: Asker, signal: AbortSignal, ask: (client: McpClient) => Promise<Answer>): Promise<Answer>
  /** Begins a login. @returns where the person signs in; empty: the server lets everybody in @throws OxbowError */
  beginLogin(redirectUrl: string, signal: AbortSignal): Promise<string>
  /** @param answer the query that the browser came back with @throws OxbowError */
  endLogin(answer: URLSearchParams): Promise<void>
  signOut(): Promise<void>
  state(): {
    /** It answers. One that starts, or that has ended and is started by the next call, does not. */
    readonly running: boolean
    /** It was started: what it was told may go on in it. */
    readonly begun: boolean
    readonly log: string
  }
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
  const login = createLogin(server.name, deps.secrets, registeredClient(server, deps))
  let current: Promise<Running> | null = null
  let newest: McpClient | null = null
  let closed = false
  const crashes = createCrashes(deps.nowMs)
  const askers: Asker[] = []

  const onClose = (): void => {
    if (!closed) crashes.add()
  }
  const start = async (): Promise<Running> => {
    const running = await startRunning(server, deps, { login, log, onClose, askers })
    newest = running.client
    return running
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
      running.listed = readList(running, tools, await deps.hash())
      deps.onListed(server.name, running.listed)
      return running.listed
    },
    async request(asker, signal, ask) {
      const { client } = await untilAborted(open(), signal)
      askers.push(asker)
      try {
        return await ask(client)
      } finally {
        askers.splice(askers.indexOf(asker), 1)
      }
    },
    ...loginSteps(server, deps, login, async () => {
      const before = current
      current = null
      await before?.then(({ client }) => client.close()).catch(() => {})
    }),
    state() {
      const begun = current !== null && !closed
      return { running: begun && newest?.isOpen() === true, begun, log: log.text() }
    },
    async close() {
      closed = true
      const running = await current?.catch(() => null)
      await running?.client.close().catch(() => {})
    },
  }
}

function readList({ client: { offers }, facts }: Running, tools: readonly JsonObject[], hash: HashText): Listed {
  return { ...facts, offers, offersHash: hash(canonicalJson({ ...facts })), tools: readTools(tools, facts, hash) }
}

interface Parts {
  readonly login: Login
  readonly log: Log
  readonly onClose: () => void
  /** Running calls, the newest last. */
  readonly askers: readonly Asker[]
}

async function startRunning(server: NamedServer, deps: ConnectionDeps, { login, log, onClose, askers }: Parts): Promise<Running> {
  const [identity, { connectServer }] = await Promise.all([
    deps.hash().then((hash) => identityOf(server, deps.sandbox, hash)),
    import('./mcp-client.ts'),
  ])
  const plain: ServerWay = await wayOf(server, deps)
  const way = plain.kind === 'http' && login.isSignedIn() ? { ...plain, login } : plain
  if (way.kind === 'stdio') collectLog(way.process, log)
  const held: { running: Running | null } = { running: null }
  const roots = server.settings.folders.map((folder) => folder.replace(/:rw$/, ''))
  const onToolsChanged = (): void => {
    if (held.running !== null) held.running.stale = true
  }
  // Without the signal of a call: others may wait for the same start.
  const { signal } = new AbortController()
  const asks = createServerAsks(server.name, () => askers)
  const setup = { version: deps.version, roots, onToolsChanged, onClose, elicit: asks.elicit }
  const sample = server.settings.sampling_tokens > 0 ? asks.sample : undefined
  const client = await connectServer(way, { ...setup, sample }, signal)
  const facts = { identity, instructions: client.instructions }
  return (held.running = { client, facts, stale: false, listedAt: -Infinity, listed: null })
}

/** @param onSignedIn ends the connection, which does not have the tokens yet */
function loginSteps(
  server: NamedServer,
  deps: ConnectionDeps,
  login: Login,
  onSignedIn: () => Promise<void>,
): Pick<Connection, 'beginLogin' | 'endLogin' | 'signOut'> {
  let waiting: ((answer: URLSearchParams) => Promise<void>) | null = null
  return {
    async beginLogin(redirectUrl, signal) {
      if (server.settings.url === '') throw noLogin(server.name)
      const [way, { startLogin }] = await Promise.all([wayOf(server, deps), import('./mcp-client.ts')])
      await login.begin(redirectUrl)
      waiting = way.kind === 'http' ? await startLogin({ ...way, login }, deps.version, signal) : null
      return waiting === null ? '' : login.address()
    },
    async endLogin(answer) {
      const finish = waiting
      if (finish === null || !login.isAnswer(answer.get('state') ?? '')) throw foreignAnswer(server.name)
      waiting = null
      await finish(answer)
      await onSignedIn()
    },
    signOut: () => login.forget(),
  }
}

function noLogin(name: string): OxbowError {
  return new OxbowError('bad_input', `${name} is a program: there is nowhere to sign in.`, { hint: 'Give it what it needs by --env.' })
}

function foreignAnswer(name: string): OxbowError {
  return new OxbowError('denied', 'This is not the answer to a login that waits.', { hint: `Begin again: oxbow servers login ${name}.` })
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
