/**
 * The guest's end of the pipe to one host. What comes from it is hostile: a message of a wrong form, a reply to no request, a second reply, a
 * call for a request that was never made, or too many calls end the host. A host that does not answer while requests wait is ended, too.
 */
import { type JsonObject, OxbowError } from '../../base/index.ts'
import {
  type CallOutcome,
  createMessageReader,
  createMessageWriter,
  encodeFrame,
  greetingId,
  type PluginCallResult,
  type PluginOp,
  type PluginOps,
  type PluginRequest,
  type ServerProcess,
} from '../../protocol/index.ts'
import { type HostCall, parseHostCall, parseHostReply } from './frame-schemas.ts'
import {
  cancelGraceMs,
  hostCheckMs,
  maxCallsAtOnce,
  maxCallsPerRequest,
  maxCallTextChars,
  maxPendingBytes,
  maxReplyBytes,
  maxRequests,
  maxServices,
  messagesPerTurn,
} from './limits.ts'

export interface HostLink {
  /** Resolves at the greeting; rejects when the host ends before. */
  readonly ready: Promise<void>
  /** Resolves with the reason when it has ended; empty: it was ended by `end('')`. */
  readonly ended: Promise<string>
  isOpen(): boolean
  /** Requests that wait. */
  pending(): number
  /** Types of services that have started. */
  services(): Iterable<string>
  /** @throws OxbowError; see `PluginHosts.ask` */
  ask<Op extends PluginOp>(op: Op, input: PluginOps[Op]['input'], request: PluginRequest): Promise<PluginOps[Op]['output']>
  /** Kills it; resolves when all of its processes have ended. @param problem empty: it is not needed any more */
  end(problem: string): Promise<void>
}

interface Waiting {
  readonly op: PluginOp
  readonly call: PluginRequest['call']
  readonly settle: (outcome: { readonly output: unknown } | { readonly error: OxbowError }) => void
  calls: number
  /** Ends the host when a cancel is not confirmed; undefined: it was not cancelled. */
  grace: NodeJS.Timeout | undefined
}

interface Link {
  readonly name: string
  readonly server: ServerProcess
  readonly send: (id: number, message: object) => Promise<unknown>
  readonly waiting: Map<number, Waiting>
  readonly ended: PromiseWithResolvers<string>
  readonly greeting: PromiseWithResolvers<void>
  readonly checkMs: number
  readonly services: Set<string>
  hasGreeted: boolean
  problem: string | null
  lastId: number
  lastCallId: number
  callsAtOnce: number
  check: NodeJS.Timeout | undefined
}

/** @param name of the plugin, for people @param checkMs how long it may be silent while requests wait */
export function linkHost(name: string, server: ServerProcess, checkMs: number = hostCheckMs): HostLink {
  const writer = createMessageWriter(server.input)
  const link: Link = {
    name,
    server,
    send: (id, message) => writer.send(id, JSON.stringify(message), null),
    waiting: new Map(),
    ended: Promise.withResolvers(),
    greeting: Promise.withResolvers(),
    checkMs,
    services: new Set(),
    hasGreeted: false,
    problem: null,
    lastId: greetingId,
    lastCallId: -1,
    callsAtOnce: 0,
    check: undefined,
  }
  link.greeting.promise.catch(() => undefined)
  readFrames(link)
  void server.exited.then(() => {
    // What it has written before its end comes first.
    if (server.output.readableEnded || server.output.destroyed) void end(link, 'it ended')
    else server.output.once('close', () => void end(link, 'it ended')).resume()
  })
  return {
    ready: link.greeting.promise,
    ended: link.ended.promise,
    isOpen: () => link.problem === null,
    pending: () => link.waiting.size,
    services: () => link.services,
    ask: (op, input, request) => ask(link, op, input, request) as Promise<never>,
    end: (problem) => end(link, problem),
  }
}

/** A flood of messages leaves this process its turns. */
function readFrames(link: Link): void {
  const { output } = link.server
  let taken = 0
  const push = createMessageReader(
    { messageBytes: maxReplyBytes, pendingBytes: maxPendingBytes },
    {
      message(id, text) {
        taken += 1
        if (link.problem !== null) return
        if (id === greetingId) greet(link)
        else if (id % 2 === 0) takeReply(link, id, text)
        else void takeCall(link, id, text)
      },
      cancel: () => void end(link, 'it sent a frame that only the guest may send'),
    },
  )
  output.on('data', (bytes: Buffer) => {
    if (link.problem !== null) return
    const garbage = push(bytes)
    if (garbage !== null) void end(link, `it sent invalid frames: ${garbage}`)
    if (garbage !== null || taken < messagesPerTurn) return
    taken = 0
    output.pause()
    setImmediate(() => output.resume())
  })
  output.on('error', () => void end(link, 'the pipe from it broke'))
  link.server.input.on('error', () => void end(link, 'the pipe to it broke'))
  output.resume()
}

function greet(link: Link): void {
  if (link.hasGreeted) return void end(link, 'it greeted twice')
  link.hasGreeted = true
  link.greeting.resolve()
}

async function ask(link: Link, op: PluginOp, input: object, { signal, timeoutMs, call }: PluginRequest): Promise<unknown> {
  if (link.problem !== null) throw failed(link.name, link.problem, false)
  if (signal.aborted) throw cancelled(link.name, false)
  if (link.waiting.size >= maxRequests)
    throw new OxbowError('limit_reached', `Too many requests wait for the plugin ${link.name}.`, {
      hint: 'Try again when some have ended.',
    })
  const id = (link.lastId += 2)
  const answer = Promise.withResolvers<unknown>()
  const waiting: Waiting = {
    op,
    call,
    settle: (outcome) => ('output' in outcome ? answer.resolve(outcome.output) : answer.reject(outcome.error)),
    calls: 0,
    grace: undefined,
  }
  const stop = (error: OxbowError): void => {
    if (waiting.grace !== undefined || link.problem !== null) return
    link.server.input.write(encodeFrame('cancel', id, new Uint8Array()))
    waiting.grace = setTimeout(() => void end(link, `it did not end ${op} when it was cancelled`), cancelGraceMs)
    waiting.settle({ error })
  }
  const cancel = (): void => stop(cancelled(link.name, true))
  const timer = timeoutMs === Infinity ? undefined : setTimeout(() => stop(late(link.name, op, timeoutMs)), timeoutMs)
  link.waiting.set(id, waiting)
  signal.addEventListener('abort', cancel, { once: true })
  watch(link)
  try {
    void link.send(id, { op, input })
    return await answer.promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
  }
}

/** While requests wait, asks whether the host still answers. */
function watch(link: Link): void {
  if (link.check !== undefined) return
  link.check = setTimeout(() => {
    link.check = undefined
    if (link.waiting.size === 0 || link.problem !== null) return
    // Node may be starting yet, for seconds in an emulated machine: the first request has a limit of its own.
    if (!link.hasGreeted) return watch(link)
    const limit = setTimeout(() => void end(link, 'it does not answer'), link.checkMs)
    const done = (): void => {
      clearTimeout(limit)
      if (link.waiting.size > 0 && link.problem === null) watch(link)
    }
    ask(link, 'health', {}, { signal: new AbortController().signal, timeoutMs: Infinity }).then(done, done)
  }, link.checkMs)
  link.check.unref()
}

function takeReply(link: Link, id: number, text: string): void {
  const waiting = link.waiting.get(id)
  if (waiting === undefined) return void end(link, 'it replied to no request')
  const reply = parseHostReply(waiting.op, text)
  if (reply.kind === 'garbage') return void end(link, reply.problem)
  link.waiting.delete(id)
  clearTimeout(waiting.grace)
  if (reply.kind === 'ok') {
    for (const type of reply.services) if (link.services.size < maxServices) link.services.add(type)
    return waiting.settle({ output: reply.output })
  }
  const { code, message, hint } = reply.failure
  // The text is untrusted: for a model it is fenced like a result.
  const todo = hint || `oxbow plugin logs ${link.name} shows what it wrote.`
  waiting.settle({ error: new OxbowError(code, message, { hint: todo, data: { labels: ['untrusted'] } }) })
}

async function takeCall(link: Link, id: number, text: string): Promise<void> {
  const asked = parseHostCall(text)
  if (asked === null) return end(link, 'it sent a message that is neither a reply nor a call')
  if (id !== link.lastCallId + 2) return end(link, 'it sent a call with an id that is in use')
  link.lastCallId = id
  if (asked.for % 2 !== 0 || asked.for === greetingId || asked.for > link.lastId)
    return end(link, 'it made a call for a request that was never made')
  const within = link.waiting.get(asked.for)
  if (within !== undefined && (within.calls += 1) > maxCallsPerRequest)
    return end(link, `it made more than ${maxCallsPerRequest} calls in ${within.op}`)
  if ((link.callsAtOnce += 1) > maxCallsAtOnce) return end(link, `it made more than ${maxCallsAtOnce} calls at once`)
  const result = await resultOf(asked, within)
  link.callsAtOnce -= 1
  if (link.problem === null) await link.send(id, { ok: result })
}

async function resultOf({ name, input }: HostCall, within: Waiting | undefined): Promise<PluginCallResult> {
  if (within === undefined || within.grace !== undefined) return refused('The request that this call is for has ended.')
  if (within.call === undefined) return refused('A plugin can make no calls in this request.')
  try {
    return seenOutcome(await within.call(name, input))
  } catch {
    // Only the store throws: the guest is read-only by now, and says so itself.
    return refused('The guest cannot record calls now.')
  }
}

function seenOutcome(outcome: CallOutcome): PluginCallResult {
  const text = outcome.text.slice(0, maxCallTextChars)
  if (outcome.status !== 'ok') {
    const { code, message, hint } = outcome.failure
    return { status: outcome.status, ok: false, text, output: null, failure: { code, message, hint } }
  }
  const output = JSON.stringify(outcome.output) ?? 'null'
  const isSmall = output.length <= maxReplyBytes / 4
  return { status: 'ok', ok: outcome.ok, text, output: isSmall ? (outcome.output as JsonObject) : null, failure: null }
}

function refused(message: string): PluginCallResult {
  const failure = { code: 'denied', message, hint: 'Make calls before the handler returns.' } as const
  return { status: 'refused', ok: false, text: `Error (denied): ${message}`, output: null, failure }
}

async function end(link: Link, problem: string): Promise<void> {
  if (link.problem === null) {
    link.problem = problem
    clearTimeout(link.check)
    link.server.output.removeAllListeners('data')
    link.server.output.resume()
    const error = failed(link.name, problem === '' ? 'it was ended' : problem, true)
    link.greeting.reject(error)
    // Settled once its processes can no longer do anything.
    void link.server.kill().then(() => {
      for (const waiting of link.waiting.values()) {
        clearTimeout(waiting.grace)
        waiting.settle({ error })
      }
      link.waiting.clear()
      link.ended.resolve(problem)
    })
  }
  await link.ended.promise
}

function failed(name: string, problem: string, lost: boolean): OxbowError {
  return new OxbowError('sandbox_failed', `The host of the plugin ${name} failed: ${problem}.`, {
    hint: `oxbow plugin logs ${name} shows what it wrote; it starts again with the next request.`,
    data: { lost },
  })
}

function cancelled(name: string, lost: boolean): OxbowError {
  return new OxbowError('cancelled', `The request to the plugin ${name} was cancelled.`, {
    hint: 'Ask again if it is still needed.',
    data: { lost },
  })
}

function late(name: string, op: PluginOp, timeoutMs: number): OxbowError {
  return new OxbowError(
    'timeout',
    `The plugin ${name} did not ${op === 'start' ? 'start' : `answer ${op}`} within ${timeoutMs / 1000} s.`,
    {
      hint: 'Ask for less, or try again.',
      data: { lost: true },
    },
  )
}
