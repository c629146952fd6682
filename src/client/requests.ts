/**
 * Requests and their answers, kept in the order in which they were made. When the connection is lost, requests that are safe to
 * send twice wait for the next one; all others fail, and say that their outcome is unknown.
 */
import { type Failure, OxbowError, toError } from '../base/index.ts'
import type { ClientFrame, ServerFrame } from '../protocol/index.ts'
import type { ClientLimits } from './limits.ts'
import { type LossScope, unreachable } from './connection.ts'

type WithoutId<Frame> = Frame extends { readonly type: infer Type; readonly payload: infer Payload }
  ? { readonly type: Type; readonly payload: Omit<Payload, 'request_id'> }
  : never

/** A client frame without its `request_id`. */
export type Question = WithoutId<Exclude<ClientFrame, { type: 'hello' }>>

/** The answer to a request that succeeded. */
export type Answer = Extract<ServerFrame, { type: 'ack' | 'result' | 'snapshot' }>

interface AskOptions {
  /** It may be sent again on the next connection: it reads, or carries an id by which it is deduplicated. */
  readonly repeatable: boolean
  readonly timeoutMs: number
  /** Not counted against `maxWaiting`, because it is bounded elsewhere. */
  readonly uncounted?: boolean
}

export interface Requests {
  /** Sends now, or as soon as there is a connection. @throws OxbowError with the failure received as the answer */
  ask(question: Question, options: AskOptions): Promise<Answer>
  /** @returns false when no request waits for the answer */
  settle(requestId: string, answer: Answer | Failure): boolean
  /** There is a connection: sends everything that waits. */
  connected(send: (text: string) => void): void
  /** The connection is lost: fails the requests that cannot wait for the next one. */
  lost(failure: Failure, fails: LossScope): void
}

interface Waiting extends AskOptions {
  readonly type: string
  readonly text: string
  readonly done: PromiseWithResolvers<Answer>
  sent: boolean
  timer: ReturnType<typeof setTimeout> | undefined
}

export function createRequests(limits: ClientLimits): Requests {
  const waiting = new Map<string, Waiting>()
  let send: ((text: string) => void) | null = null
  let lastId = 0
  let ended: Failure | null = null

  const take = (id: string): Waiting | undefined => {
    const request = waiting.get(id)
    waiting.delete(id)
    clearTimeout(request?.timer)
    return request
  }
  const transmit = (id: string, request: Waiting): void => {
    if (send === null) return
    request.sent = true
    request.timer = setTimeout(() => take(id)?.done.reject(timedOut(request)), request.timeoutMs)
    send(request.text)
  }

  return {
    async ask({ type, payload }, options) {
      if (ended !== null) throw toError(ended)
      if (options.uncounted !== true && waiting.size >= limits.maxWaiting) throw tooMany(limits.maxWaiting)
      const id = (lastId += 1).toString(36)
      const text = JSON.stringify({ type, payload: { ...payload, request_id: id } })
      const bytes = text.length * maxBytesPerUnit > limits.maxFrameBytes ? new TextEncoder().encode(text).length : 0
      if (bytes > limits.maxFrameBytes) throw tooBig(bytes, limits.maxFrameBytes)
      const request: Waiting = { ...options, type, text, done: Promise.withResolvers(), sent: false, timer: undefined }
      waiting.set(id, request)
      transmit(id, request)
      return request.done.promise
    },
    settle(id, answer) {
      const request = take(id)
      if ('payload' in answer) request?.done.resolve(answer)
      else request?.done.reject(toError(answer))
      return request !== undefined
    },
    connected(sendNow) {
      send = sendNow
      waiting.forEach((request, id) => transmit(id, request))
    },
    lost(failure, fails) {
      send = null
      if (fails === 'all') ended = failure
      for (const [id, request] of waiting) {
        clearTimeout(request.timer)
        const isDone = fails === 'all' || (request.sent && (fails === 'sent' || !request.repeatable))
        if (isDone) take(id)?.done.reject(toError(fails === 'unrepeatable' ? unknownOutcome(request.type, failure) : failure))
        request.sent = false
      }
    },
  }
}

/** UTF-8 takes at most three bytes for each unit of UTF-16, so a short text needs no count. */
const maxBytesPerUnit = 3

function unknownOutcome(type: string, failure: Failure): Failure {
  return unreachable(`${failure.message} It is not known whether ${type} was done.`, 'Check the session before you repeat it.')
}

function timedOut({ type, timeoutMs }: Waiting): OxbowError {
  return new OxbowError('timeout', `The guest has not answered ${type} within ${timeoutMs / 1000} s.`, {
    hint: 'It may still happen. A message sent again with the same client id is delivered once.',
  })
}

function tooMany(max: number): OxbowError {
  return new OxbowError('limit_reached', `${max} requests are waiting for an answer.`, {
    hint: 'Wait for answers before sending more requests.',
  })
}

function tooBig(bytes: number, max: number): OxbowError {
  return new OxbowError('limit_reached', `The frame would have ${bytes} bytes; the limit is ${max}.`, {
    hint: 'Send less text, or put it in a file of the workspace and name the file.',
  })
}
