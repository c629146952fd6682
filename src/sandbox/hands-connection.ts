/**
 * The kernel's end of the pipe to one hands process. Requests run side by side; a cancelled or late one is ended inside and
 * settles when hands say that it is gone. Hands that break the protocol, or do not end a request, are killed.
 */
import type { Readable, Writable } from 'node:stream'
import { OxbowError, createMessageReader, encodeFrame, encodeMessage, greetingId } from '../types/index.ts'
import type { Hands, HandsOp } from '../types/index.ts'
import { parseReply } from './hands-reply.ts'
import { cancelGraceMs, maxPendingBytes, maxPendingRequests, maxReplyBytes } from './limits.ts'

export interface HandsConnection extends Hands {
  /** Resolves at the greeting; rejects with `sandbox_failed` when the connection ends before. */
  readonly ready: Promise<void>
  /** False once nothing can be asked any more. */
  isOpen(): boolean
  /** Takes no more requests: the process has exited. */
  close(): void
  /** Fails everything that waits: all that the process started is gone too. */
  end(problem: string): void
}

interface Pending {
  readonly op: HandsOp
  /** Why it is being stopped, when it is. */
  stopping: 'cancelled' | 'timeout' | null
  readonly settle: (outcome: { output: unknown } | { error: OxbowError }) => void
}

/** @param kill ends the process and all in its sandbox; resolves when it is gone */
export function connectHands(input: Writable, output: Readable, kill: (problem: string) => Promise<void>): HandsConnection {
  const pending = new Map<number, Pending>()
  const greeting = Promise.withResolvers<void>()
  // A start that fails is reported to who starts; nobody else need listen.
  greeting.promise.catch(() => undefined)
  let problem: string | null = null
  let lastId = 0

  const end = (why: string): void => {
    problem ??= why
    const error = failure(problem)
    greeting.reject(error)
    for (const waiting of pending.values()) waiting.settle({ error: waiting.stopping === null ? error : stopped(waiting.stopping) })
    pending.clear()
  }
  /** Closes for new requests at once; those that wait settle when the processes are gone. */
  const breakOff = (why: string): void => {
    if (problem !== null) return
    problem = why
    void kill(why).then(() => end(why))
  }

  const take = (id: number, message: string): void => {
    if (id === greetingId) return greeting.resolve()
    const waiting = pending.get(id)
    if (waiting === undefined) return breakOff('a reply answers no request')
    const reply = parseReply(waiting.op, message)
    if (reply.kind === 'garbage') return breakOff(reply.problem)
    if (reply.kind === 'failed' && reply.error.code === 'sandbox_failed') return breakOff(reply.error.message)
    pending.delete(id)
    // What was done before the cancel reached it was done: the truth is worth more than the wish.
    if (reply.kind === 'ok') waiting.settle({ output: reply.output })
    else waiting.settle({ error: waiting.stopping === null ? reply.error : stopped(waiting.stopping) })
  }
  const push = createMessageReader(
    { messageBytes: maxReplyBytes, pendingBytes: maxPendingBytes },
    { message: take, cancel: () => breakOff('a frame that only the kernel may send') },
  )
  output.on('data', (bytes: Buffer) => {
    if (problem !== null) return
    const garbage = push(bytes)
    if (garbage !== null) breakOff(`garbage instead of frames: ${garbage}`)
  })
  input.on('error', () => breakOff('the pipe to it broke'))

  return {
    ready: greeting.promise,
    isOpen: () => problem === null,
    close: () => void (problem ??= 'it ended'),
    end,
    async ask(op, body, { signal, timeoutMs }) {
      if (problem !== null) throw failure(problem)
      if (signal.aborted) throw stopped('cancelled')
      if (pending.size >= maxPendingRequests) {
        throw new OxbowError('limit_reached', 'Too many requests wait for the sandbox.', { hint: 'Try again when some have ended.' })
      }
      const id = (lastId += 1)
      const waiting = Promise.withResolvers<unknown>()
      const entry: Pending = {
        op,
        stopping: null,
        settle: (outcome) => ('output' in outcome ? waiting.resolve(outcome.output) : waiting.reject(outcome.error)),
      }
      let grace: NodeJS.Timeout | undefined
      const stop = (why: 'cancelled' | 'timeout'): void => {
        if (entry.stopping !== null) return
        entry.stopping = why
        input.write(encodeFrame('cancel', id, new Uint8Array()))
        grace = setTimeout(() => breakOff(`it did not end ${op} when told to`), cancelGraceMs)
      }
      const cancel = (): void => stop('cancelled')
      const limit = setTimeout(() => stop('timeout'), timeoutMs)
      pending.set(id, entry)
      signal.addEventListener('abort', cancel, { once: true })
      try {
        for (const frame of encodeMessage(id, JSON.stringify({ op, input: body }))) input.write(frame)
        return (await waiting.promise) as never
      } finally {
        clearTimeout(limit)
        clearTimeout(grace)
        signal.removeEventListener('abort', cancel)
      }
    },
  }
}

function failure(problem: string): OxbowError {
  return new OxbowError('sandbox_failed', `The sandbox failed: ${problem}.`, {
    hint: 'Try again: it is started afresh for the next request.',
  })
}

function stopped(why: 'cancelled' | 'timeout'): OxbowError {
  return why === 'cancelled'
    ? new OxbowError('cancelled', 'Cancelled; everything it had started is ended.', { hint: 'Ask again when it is wanted.' })
    : new OxbowError('timeout', 'It took longer than its limit; everything it had started is ended.', {
        hint: 'Ask for less, or allow more time.',
      })
}
