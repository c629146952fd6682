/**
 * `oxbow mcp`: MCP over stdin and stdout, for programs that start their servers. Messages pass unchanged to `/mcp` of the guest, under a
 * key that exists as long as this verb. When the guest is gone, another is started and the session begun again; what was under way then
 * fails, and the program may repeat it.
 */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { isAlive, isObject, type JsonObject, ownValue, OxbowError, systemRandom } from '../base/index.ts'
import { turnRight } from '../protocol/index.ts'
import { type Connection, type GuestChoice, withConnection, outputOf } from './guest-connection.ts'
import { mcpKeySeconds, mcpLastAnswerMs, mcpRebeginMs } from './limits.ts'
import type { Terminal } from './terminal.ts'

export interface McpOptions extends GuestChoice {
  readonly right?: readonly string[] | undefined
  readonly keyEnv?: string | undefined
}

/** Reads, and asks the agent, whose calls ask the person. */
const usualRights: readonly string[] = ['analyst', turnRight, 'session.read']

type Message = JsonObject & { readonly method?: string; readonly id?: string | number | null; readonly params?: JsonObject }
type Send = (message: Message) => void

export async function mcpBridge(options: McpOptions, terminal: Terminal): Promise<number> {
  const { right: rights = usualRights, keyEnv } = options
  const given = keyEnv === undefined ? undefined : (ownValue(terminal.env, keyEnv) ?? '').trim()
  if (given === '')
    throw new OxbowError('bad_input', `the variable ${keyEnv} holds no API key`, { hint: 'Set it to a key of `oxbow keys create`.' })
  const program = openProgram(terminal)
  // What was asked is answered also where stdin has ended before there was a guest.
  while (!program.isOver() || program.waits()) {
    await withConnection(options, terminal, async (connection) => {
      const key = given === undefined ? await makeKey(connection, rights) : { key: given, revoke: async () => {} }
      try {
        await serve(connection, key.key, program)
      } finally {
        // One of a guest that is gone is revoked by the next run.
        await Promise.race([key.revoke().catch(() => {}), connection.gone])
      }
    })
  }
  return 0
}

/** The program that has started this verb. */
interface Program {
  /** Resolves when the program has closed stdin. */
  readonly left: Promise<void>
  isOver(): boolean
  /** Whether it has asked what nobody has taken yet. */
  waits(): boolean
  send: Send
  /** How it has begun its session, to begin it again with another guest; null: it has not. */
  begun: { readonly initialize: Message; isInitialized: boolean } | null
  /** One listener takes each message; messages without a listener wait. */
  listen(listener: Send | null): void
}

function openProgram({ input, output }: Terminal): Program {
  const left = Promise.withResolvers<void>()
  const waiting: Message[] = []
  let isOver = false
  let listener: Send | null = null
  const send: Send = (message) => void output.write(`${JSON.stringify(message)}\n`)
  const lines = createInterface({ input, crlfDelay: Infinity })
  lines.on('line', (line) => {
    if (line.trim() === '') return
    const message = parse(line)
    if (message === null) send({ jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'The line is not a JSON-RPC message.' } })
    else if (listener === null) waiting.push(message)
    else listener(message)
  })
  lines.once('close', () => {
    isOver = true
    left.resolve()
  })
  // A program that has gone reads nothing more.
  output.on('error', () => left.resolve())
  return {
    left: left.promise,
    isOver: () => isOver,
    waits: () => waiting.length > 0,
    begun: null,
    send,
    listen(next) {
      listener = next
      if (listener !== null) for (const message of waiting.splice(0)) listener(message)
    },
  }
}

function parse(line: string): Message | null {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** The next bridge revokes the keys of killed bridges, and the previous guest's key; other machines' keys expire. */
async function makeKey(
  { gateway }: Connection,
  rights: readonly string[],
): Promise<{ readonly key: string; readonly revoke: () => Promise<void> }> {
  for (const { name } of await outputOf(gateway, 'key.list', {})) {
    const [, host, pid] = /^mcp-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}$/.exec(name) ?? []
    if (host === thisHost() && (Number(pid) === process.pid || !isAlive(Number(pid))))
      await outputOf(gateway, 'key.revoke', { key: name }).catch(() => {})
  }
  const name = `mcp-${thisHost()}-${process.pid}-${Buffer.from(systemRandom.bytes(4)).toString('hex')}`
  const input = { name, rights: [...rights], expires_in_s: mcpKeySeconds }
  const { key } = await outputOf(gateway, 'key.create', input)
  return { key, revoke: async () => void (await outputOf(gateway, 'key.revoke', { key: name })) }
}

/** Several machines may share a store. */
function thisHost(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
}

/** Resolves when the program has left or the guest is gone. */
async function serve({ guest, gone }: Connection, key: string, program: Program): Promise<void> {
  const { StreamableHTTPClientTransport: Transport } = await import('@modelcontextprotocol/client')
  const url = new URL(guest.url.replace(/^ws/, 'http').replace(/\/ws$/, '/mcp'))
  const open = (): StreamableHTTPClientTransport => new Transport(url, { requestInit: { headers: { authorization: `Bearer ${key}` } } })
  const bridge = createBridge(open, program)
  program.listen(bridge.send)
  await Promise.race([program.left.then(() => bridge.settled(AbortSignal.timeout(mcpLastAnswerMs))), gone])
  program.listen(null)
  await bridge.close()
}

function createBridge(open: () => StreamableHTTPClientTransport, program: Program) {
  const { pending, answered, settled, refuseAll } = createPending()
  let transport = open()
  let rebeginning: Promise<void> | null = null
  const receive = (message: Message): void => {
    if (isId(message.id) && message.method === undefined) answered(message.id)
    takeVersion(transport, message)
    program.send(message)
  }
  const attach = async (): Promise<void> => {
    Object.assign(transport, { onmessage: receive, onerror: () => {} })
    await transport.start()
  }
  let ready = attach()

  /** After a restart the guest knows the session no more. */
  const rebegin = async (): Promise<void> => {
    const { begun } = program
    if (begun === null) return
    await transport.close()
    transport = open()
    const begunAgain = Promise.withResolvers<void>()
    const onmessage = (message: Message): void => {
      if (message.id !== rebeginId) return
      takeVersion(transport, message)
      begunAgain.resolve()
    }
    Object.assign(transport, { onmessage, onerror: () => {} })
    await transport.start()
    await transport.send({ ...begun.initialize, id: rebeginId } as never)
    await within(mcpRebeginMs, begunAgain.promise)
    Object.assign(transport, { onmessage: receive })
    if (begun.isInitialized) await transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  }
  if (program.begun !== null) ready = ready.then(rebegin)

  const post = async (message: Message, isAgain = false): Promise<void> => {
    const stop = new AbortController()
    if (message.method !== undefined && isId(message.id)) pending.set(message.id, stop)
    try {
      await ready
      await transport.send(message as never, { requestSignal: stop.signal })
    } catch (error) {
      if (isAgain || statusOf(error) !== sessionGone || message.method === 'initialize' || program.begun === null) throw error
      rebeginning ??= rebegin().finally(() => (rebeginning = null))
      await rebeginning
      await post(message, true)
    }
  }
  return {
    send(message: Message): void {
      if (message.method === 'initialize') program.begun = { initialize: message, isInitialized: false }
      if (program.begun !== null && message.method === 'notifications/initialized') program.begun.isInitialized = true
      if (message.method === 'notifications/cancelled') cancel(pending, message)
      const posted = post(message)
      if (message.method === 'initialize') ready = posted.catch(() => {})
      posted.catch((error: unknown) => {
        if (!isId(message.id) || message.method === undefined || !answered(message.id)) return
        program.send({ jsonrpc: '2.0', id: message.id, error: { code: -32_000, message: wordsOf(error) } })
      })
    },
    settled,
    async close(): Promise<void> {
      refuseAll(program.send)
      await transport.terminateSession().catch(() => {})
      await transport.close()
    },
  }
}

function takeVersion(transport: StreamableHTTPClientTransport, { result }: Message): void {
  const version = isObject(result) ? result['protocolVersion'] : undefined
  if (typeof version === 'string') transport.setProtocolVersion(version)
}

/** Requests under way; aborting one cancels it where requests stand alone. */
function createPending() {
  const pending = new Map<string | number, AbortController>()
  let next = Promise.withResolvers<void>()
  return {
    pending,
    answered(id: string | number): boolean {
      next.resolve()
      next = Promise.withResolvers()
      return pending.delete(id)
    },
    refuseAll(send: Send): void {
      for (const id of pending.keys()) send({ jsonrpc: '2.0', id, error: { code: -32_000, message: guestGone } })
      pending.clear()
    },
    /** Resolves when everything that was asked is answered, or the signal aborts. */
    async settled(late: AbortSignal): Promise<void> {
      const isLate = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve(), { once: true }))
      while (pending.size > 0 && !late.aborted) await Promise.race([next.promise, isLate])
    },
  }
}

const rebeginId = 'oxbow-begins-again'
const sessionGone = 404

/** A request that stands alone is cancelled by closing its stream. */
function cancel(open: ReadonlyMap<string | number, AbortController>, { params }: Message): void {
  const id = params?.['requestId']
  if (isId(id)) open.get(id)?.abort()
}

function isId(id: unknown): id is string | number {
  return typeof id === 'string' || typeof id === 'number'
}

function statusOf(error: unknown): number | undefined {
  const { data } = error as { readonly data?: { readonly status?: number } }
  return data?.status
}

/** What the gateway has answered, in its own words. */
function wordsOf(error: unknown): string {
  const { data, message } = error as { readonly data?: { readonly text?: string }; readonly message: string }
  const body = parse(data?.text ?? '')
  const text = isObject(body?.['error']) ? body['error']['message'] : undefined
  // Without an answer, there was nobody to give one.
  return typeof text === 'string' ? text : data === undefined ? guestGone : message
}

const guestGone = 'The guest is gone; another is started. Ask again in a moment.'

async function within(ms: number, work: Promise<void>): Promise<void> {
  const timer = AbortSignal.timeout(ms)
  const late = new Promise<never>((_, reject) => timer.addEventListener('abort', () => reject(timer.reason), { once: true }))
  await Promise.race([work, late])
}
