/**
 * Answers the requests of the guest until the input ends. Requests run concurrently. What a plugin does for a request is bound to it: a call
 * that the plugin makes names that request, however deep in its code it is made, and is refused here once the request has ended.
 *
 * A cancelled request is answered at once, whether or not the plugin ends what it does: nothing of it is used any more, and the guest can
 * tell a plugin that is slow from one that blocks this process.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Failure, JsonObject } from '../base/index.ts'
import {
  createMessageReader,
  createMessageWriter,
  greetingId,
  type PluginCallRequest,
  type PluginCallResult,
  type PluginExports,
  type PluginOp,
} from '../protocol/index.ts'
import { maxCalls, maxPendingBytes, maxReplyBytes, maxRequestBytes, maxRequests } from './limits.ts'

/** What a plugin's interface needs of this program. */
export interface HostApi {
  /** Makes a call for the request that runs. Never rejects. */
  call(name: string, input: JsonObject): Promise<PluginCallResult>
  /** Of the request that runs; one that never aborts outside of one. */
  signal(): AbortSignal
}

/** An interface for plugins: how their parts are found and run. */
export interface HostAdapter {
  describe(): Promise<PluginExports>
  answer(op: Exclude<PluginOp, 'describe' | 'health'>, input: never): Promise<object>
  /** Types of services that have started. */
  services(): readonly string[]
}

interface Running {
  readonly id: number
  /** Made when the plugin asks for its signal, which most requests never do. */
  controller: AbortController | undefined
  /** Answered or cancelled. */
  ended: boolean
  isCancelled: boolean
}

interface Host {
  readonly send: (id: number, message: object) => Promise<void>
  readonly running: Map<number, Running>
  readonly waiting: Map<number, (result: PluginCallResult) => void>
  readonly current: AsyncLocalStorage<Running>
  readonly adapter: () => Promise<HostAdapter>
  readonly services: () => readonly string[]
  /** Services that the guest knows of. */
  readonly reported: Set<string>
}

/**
 * @param load imports the plugin, with the first request
 * Resolves when the input ends. @throws Error when the guest breaks the protocol: then nothing can be trusted.
 */
export async function serveHost(load: (api: HostApi) => Promise<HostAdapter>): Promise<void> {
  let take: (bytes: Buffer) => void = () => {}
  const { ended, output } = takeStreams((bytes) => take(bytes))
  const writer = createMessageWriter(output)
  const current = new AsyncLocalStorage<Running>()
  const never = new AbortController().signal
  let loading: Promise<HostAdapter> | null = null
  let loaded: HostAdapter | null = null
  let lastId = -1
  const host: Host = {
    async send(id, message) {
      const text = jsonOf(message)
      const failure = typeof text === 'string' ? null : { code: text.code, message: `The answer ${text.problem}.`, hint: text.hint }
      await writer.send(id, failure === null ? (text as string) : JSON.stringify({ failure }), null)
    },
    running: new Map(),
    waiting: new Map(),
    current,
    adapter: () => (loading ??= load(api).then((adapter) => (loaded = adapter))),
    services: () => loaded?.services() ?? [],
    reported: new Set(),
  }
  const api: HostApi = {
    signal() {
      const running = current.getStore()
      if (running === undefined) return never
      running.controller ??= new AbortController()
      if (running.isCancelled) running.controller.abort(cancelled())
      return running.controller.signal
    },
    async call(name, callInput) {
      const within = current.getStore()
      if (within === undefined || within.ended) return refused('A plugin can make calls only while it works on a request.')
      if (host.waiting.size >= maxCalls) return refused(`A plugin can make ${maxCalls} calls at once.`)
      const message: PluginCallRequest = { op: 'call', input: { for: within.id, name, input: callInput } }
      const text = jsonOf(message)
      if (typeof text !== 'string') return refused(`The input of ${name} ${text.problem}.`, text.hint)
      const id = (lastId += 2)
      const replied = Promise.withResolvers<PluginCallResult>()
      host.waiting.set(id, replied.resolve)
      await writer.send(id, text, null)
      return replied.promise
    },
  }
  process.on('unhandledRejection', (error) => console.error('unhandled rejection:', error))
  take = reader(host)
  await writer.send(greetingId, '{}', null)
  await ended
}

/** What comes in at once, at most; larger messages come in several pieces. */
const readBytes: number = 64 * 1024

/**
 * What the plugin prints goes to its log, and never between frames.
 * @param onBytes called with what is read, which it may keep. Without a stream between: with many plugins a turn waits for each of them to
 * wake up, and two thirds of what that took were buffers and promises of a stream. An error ends the input.
 */
function takeStreams(onBytes: (bytes: Buffer) => void): { readonly ended: Promise<void>; readonly output: Writable } {
  const { stdout, stderr } = process
  // The guest has closed its end.
  stdout.on('error', () => process.exit(0))
  Object.defineProperty(process, 'stdout', { get: () => stderr, configurable: true })
  Object.defineProperty(process, 'stdin', { get: () => undefined, configurable: true })
  const ended = Promise.withResolvers<void>()
  const callback = (count: number, buffer: Uint8Array): boolean => {
    try {
      onBytes(Buffer.from(buffer.subarray(0, count)))
    } catch (error) {
      ended.reject(error)
    }
    return true
  }
  const input = new Socket({ fd: 0, readable: true, writable: false, onread: { buffer: Buffer.allocUnsafe(readBytes), callback } })
  for (const event of ['end', 'close', 'error']) input.on(event, () => ended.resolve())
  input.resume()
  return { ended: ended.promise, output: stdout }
}

/** @returns takes what has come in @throws Error when it is not what a guest sends */
function reader(host: Host): (bytes: Buffer) => void {
  const push = createMessageReader(
    { messageBytes: maxRequestBytes, pendingBytes: maxPendingBytes },
    {
      message: (id, text) => (id % 2 === 0 ? takeRequest(host, id, text) : takeReply(host, id, text)),
      cancel: (id) => cancel(host, id),
    },
  )
  return (bytes) => {
    const problem = push(bytes)
    if (problem !== null) throw new Error(problem)
  }
}

function takeRequest(host: Host, id: number, text: string): void {
  const request = JSON.parse(text) as { readonly op: PluginOp; readonly input: never }
  const running: Running = { id, controller: undefined, ended: false, isCancelled: false }
  if (host.running.has(id) || id === greetingId) throw new Error('a request has an id that is in use')
  if (host.running.size >= maxRequests) return void host.send(id, { failure: busy })
  host.running.set(id, running)
  void host.current.run(running, () => answer(host, running, request))
}

async function answer(host: Host, running: Running, { op, input }: { readonly op: PluginOp; readonly input: never }): Promise<void> {
  let message: object
  try {
    message = { ok: await perform(host, op, input), ...newServices(host) }
  } catch (error) {
    message = { failure: failureOf(error) }
  }
  // A cancelled request has been answered.
  if (running.ended) return
  running.ended = true
  host.running.delete(running.id)
  await host.send(running.id, message)
}

/** Services that have started since the last reply, so that the guest starts them again after a crash. */
function newServices(host: Host): object {
  const services = host.services().filter((type) => !host.reported.has(type))
  for (const type of services) host.reported.add(type)
  return services.length === 0 ? {} : { services }
}

async function perform(host: Host, op: PluginOp, input: never): Promise<object> {
  // Without the plugin: it answers as long as this process is not blocked.
  if (op === 'health') return { memory_bytes: process.memoryUsage.rss(), services: host.services() }
  const adapter = await host.adapter()
  if (op === 'describe') return adapter.describe()
  return adapter.answer(op, input)
}

function cancel(host: Host, id: number): void {
  const running = host.running.get(id)
  if (running === undefined) return
  running.ended = true
  host.running.delete(id)
  running.isCancelled = true
  running.controller?.abort(cancelled())
  void host.send(id, { failure: { code: 'cancelled', message: 'Cancelled.', hint: 'Ask again if it is still needed.' } })
}

const cancelled = (): Error => new Error('The request was cancelled.')

function takeReply(host: Host, id: number, text: string): void {
  const waiting = host.waiting.get(id)
  if (waiting === undefined) throw new Error('a reply to no call')
  host.waiting.delete(id)
  waiting((JSON.parse(text) as { readonly ok: PluginCallResult }).ok)
}

/** @returns the JSON of a message, or why it has none that may be sent */
function jsonOf(message: object): string | { readonly code: Failure['code']; readonly problem: string; readonly hint: string } {
  try {
    const text = JSON.stringify(message)
    if (Buffer.byteLength(text) <= maxReplyBytes) return text
    return { code: 'limit_reached', problem: `is larger than ${maxReplyBytes / 1024 / 1024} MiB`, hint: 'Send less.' }
  } catch (error) {
    // Its first line: the others draw the circle.
    const [reason = ''] = failureOf(error).message.split('\n')
    return { code: 'tool_failed', problem: `is not JSON: ${reason}`, hint: 'Use plain values, without circular references.' }
  }
}

function refused(message: string, hint = 'Make the call before the handler returns.'): PluginCallResult {
  const failure: Failure = { code: 'denied', message, hint }
  return { status: 'refused', ok: false, text: `Error (denied): ${message}`, output: null, failure }
}

/** Of a plugin's own errors, a code that is one of ours is kept. */
function failureOf(error: unknown): Failure {
  const { code, message, hint } = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Partial<Failure>
  return {
    code: code !== undefined && codes.has(code) ? code : 'tool_failed',
    message: (typeof message === 'string' ? message : '').slice(0, maxFailureText) || 'The plugin failed.',
    // Of none the guest has one that names the plugin.
    hint: typeof hint === 'string' ? hint.slice(0, maxFailureText) : '',
  }
}

const codes: ReadonlySet<string> = new Set(['bad_input', 'not_found', 'cancelled', 'limit_reached', 'denied', 'timeout'])
const maxFailureText = 2_000
const busy: Failure = { code: 'limit_reached', message: 'The plugin has too many requests at once.', hint: 'Wait for some to end.' }
