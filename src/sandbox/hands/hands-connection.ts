/**
 * The kernel's end of the pipe to one hands process. Requests are concurrent; a cancelled or late one is ended inside and settles when
 * hands confirm its end. Hands that break the protocol, or do not end a request, are killed.
 */
import type { Readable, Writable } from 'node:stream'
import { OxbowError } from '../../base/index.ts'
import { createMessageReader, createMessageWriter, encodeFrame, greetingId, splitContent } from '../../protocol/index.ts'
import type { Hands, HandsOp, MessageWriter } from '../../protocol/index.ts'
import { parseReply } from './hands-reply.ts'
import { cancelGraceMs, maxPendingBytes, maxPendingRequests, maxReplyBytes } from '../limits.ts'

export interface HandsConnection extends Hands {
  /** Resolves at the greeting; rejects with `sandbox_failed` when the connection ends before. */
  readonly ready: Promise<void>
  /** False once it accepts no more requests. */
  isOpen(): boolean
  /** Takes no more requests: the process has exited. */
  close(): void
  /** Fails all pending requests: every process of the sandbox has ended. */
  end(problem: string): void
}

interface Pending {
  readonly op: HandsOp
  /** Why it is being stopped, or null. */
  stopping: 'cancelled' | 'timeout' | null
  readonly settle: (outcome: { output: unknown } | { error: OxbowError }) => void
}

interface Connection {
  readonly input: Writable
  readonly writer: MessageWriter
  readonly kill: (problem: string) => Promise<void>
  readonly pending: Map<number, Pending>
  readonly greeting: PromiseWithResolvers<void>
  hasGreeted: boolean
  /** Why it accepts no more requests; null while it does. */
  problem: string | null
  lastId: number
}

/** @param kill ends the process and its sandbox; resolves when it has ended */
export function connectHands(input: Writable, output: Readable, kill: (problem: string) => Promise<void>): HandsConnection {
  const greeting = Promise.withResolvers<void>()
  // The caller of the start gets its failure; this prevents an unhandled rejection.
  greeting.promise.catch(() => undefined)
  const writer = createMessageWriter(input)
  const connection: Connection = { input, writer, kill, pending: new Map(), greeting, hasGreeted: false, problem: null, lastId: 0 }
  const push = createMessageReader(
    { messageBytes: maxReplyBytes, pendingBytes: maxPendingBytes },
    {
      message: (id, message, content) => takeReply(connection, id, message, content),
      cancel: () => breakOff(connection, 'it sent a frame that only the kernel may send'),
    },
  )
  output.on('data', (bytes: Buffer) => {
    if (connection.problem !== null) return
    const garbage = push(bytes)
    if (garbage !== null) breakOff(connection, `it sent invalid frames: ${garbage}`)
  })
  input.on('error', () => breakOff(connection, 'the pipe to it broke'))
  output.on('error', () => breakOff(connection, 'the pipe from it broke'))
  output.on('end', () => breakOff(connection, 'it ended'))
  return {
    ready: greeting.promise,
    isOpen: () => connection.problem === null,
    close: () => void (connection.problem ??= 'it ended'),
    end: (why) => end(connection, why),
    ask: (op, body, options) => ask(connection, op, body, options) as Promise<never>,
  }
}

async function ask(
  connection: Connection,
  op: HandsOp,
  body: object,
  options: { signal: AbortSignal; timeoutMs: number },
): Promise<unknown> {
  const { input, pending } = connection
  const { signal, timeoutMs } = options
  if (connection.problem !== null) throw failure(connection.problem)
  if (signal.aborted) throw stopped('cancelled')
  if (pending.size >= maxPendingRequests) {
    throw new OxbowError('limit_reached', 'Too many requests wait for the sandbox.', { hint: 'Try again when some have ended.' })
  }
  const id = (connection.lastId += 1)
  const waiting = Promise.withResolvers<unknown>()
  const entry: Pending = {
    op,
    stopping: null,
    settle: (outcome) => ('output' in outcome ? waiting.resolve(outcome.output) : waiting.reject(outcome.error)),
  }
  let grace: NodeJS.Timeout | undefined
  let sent = false
  const sendCancel = (): void => void input.write(encodeFrame('cancel', id, new Uint8Array()))
  const stop = (why: 'cancelled' | 'timeout'): void => {
    if (entry.stopping !== null) return
    entry.stopping = why
    if (sent) sendCancel()
    grace = setTimeout(() => breakOff(connection, `it did not end ${op} when cancelled`), cancelGraceMs)
  }
  const cancel = (): void => stop('cancelled')
  const limit = setTimeout(() => stop('timeout'), timeoutMs)
  const send = async (): Promise<void> => {
    const { plain, content } = splitContent(body)
    const text = JSON.stringify({ op, input: plain, ...(content !== null && { bytes: content.length }) })
    const how = await connection.writer.send(id, text, content, () => entry.stopping === null)
    sent = true
    if (entry.stopping === null) return
    if (how !== 'none') return sendCancel()
    // Hands never received it.
    pending.delete(id)
    entry.settle({ error: stopped(entry.stopping) })
  }
  pending.set(id, entry)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    void send()
    return await waiting.promise
  } finally {
    clearTimeout(limit)
    clearTimeout(grace)
    signal.removeEventListener('abort', cancel)
  }
}

function takeReply(connection: Connection, id: number, message: string, content: Buffer): void {
  const { pending, greeting } = connection
  if (id === greetingId) {
    if (connection.hasGreeted) return breakOff(connection, 'it sent a second greeting')
    connection.hasGreeted = true
    return greeting.resolve()
  }
  const waiting = pending.get(id)
  if (waiting === undefined) return breakOff(connection, 'it replied to no request')
  const reply = parseReply(waiting.op, message, content)
  if (reply.kind === 'garbage') return breakOff(connection, reply.problem)
  if (reply.kind === 'failed' && reply.error.code === 'sandbox_failed') return breakOff(connection, reply.error.message)
  pending.delete(id)
  // It completed before the cancel arrived: report the real result.
  if (reply.kind === 'ok') waiting.settle({ output: reply.output })
  else waiting.settle({ error: waiting.stopping === null ? reply.error : stopped(waiting.stopping) })
}

/** Closes for new requests at once; pending ones settle when the processes have ended. */
function breakOff(connection: Connection, why: string): void {
  if (connection.problem !== null) return
  connection.problem = why
  void connection.kill(why).then(() => end(connection, why))
}

function end(connection: Connection, why: string): void {
  const { pending, greeting } = connection
  connection.problem ??= why
  const error = failure(connection.problem)
  greeting.reject(error)
  for (const waiting of pending.values()) waiting.settle({ error: waiting.stopping === null ? error : stopped(waiting.stopping) })
  pending.clear()
}

/** @param problem of these hands, or the whole message of those behind them, which a runner passes on */
function failure(problem: string): OxbowError {
  const why = problem.replace(/^The sandbox failed: /, '').replace(/\.$/, '')
  return new OxbowError('sandbox_failed', `The sandbox failed: ${why}.`, {
    hint: 'Try again: it is restarted for the next request.',
  })
}

function stopped(why: 'cancelled' | 'timeout'): OxbowError {
  return why === 'cancelled'
    ? new OxbowError('cancelled', 'Cancelled; all of its processes have ended.', { hint: 'Run it again if it is still needed.' })
    : new OxbowError('timeout', 'It took longer than its limit; all of its processes have ended.', {
        hint: 'Ask for less, or allow more time.',
      })
}
