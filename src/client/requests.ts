/**
 * Requests and their answers. What waits is kept in the order in which it was asked. When the connection is lost, what is
 * safe to say twice waits for the next one; what is not fails, and says that its outcome is not known.
 */
import { type ClientFrame, type Failure, OxbowError, type ServerFrame, toError } from '../types/index.ts'
import type { ClientLimits } from './limits.ts'
import { unreachable } from './refusal.ts'

type Asked<Frame> = Frame extends { readonly type: infer Type; readonly payload: infer Payload }
  ? { readonly type: Type; readonly payload: Omit<Payload, 'request_id'> }
  : never

/** A client frame without its `request_id`. */
export type Question = Asked<Exclude<ClientFrame, { type: 'hello' }>>

export type Answer = Extract<ServerFrame, { type: 'ack' | 'result' | 'snapshot' }>

interface AskOptions {
  /** It may be said again on the next connection: it reads, or carries an id that makes it one. */
  readonly repeatable: boolean
  readonly timeoutMs: number
  /** Not counted against `maxWaiting`: bounded elsewhere. */
  readonly uncounted?: boolean
}

export interface Requests {
  /** Sends now, or when there is a connection. @throws OxbowError with the failure that came as the answer */
  ask(question: Question, options: AskOptions): Promise<Answer>
  /** @returns false when nobody waits for it (any more). */
  settle(requestId: string, answer: Answer | Failure): boolean
  /** There is a connection: says everything that waits. */
  connected(send: (text: string) => void): void
  /** Fails what cannot wait for the next connection. */
  lost(failure: Failure, fails: LossScope): void
}

/** `unrepeatable`: what was said and must not be said again. `said`: all of that, for it would end the next connection too. `all`: there is no next one. */
export type LossScope = 'unrepeatable' | 'said' | 'all'

interface Waiting extends AskOptions {
  readonly type: string
  readonly text: string
  readonly done: PromiseWithResolvers<Answer>
  said: boolean
  timer: NodeJS.Timeout | undefined
}

export function createRequests(limits: ClientLimits): Requests {
  const waiting = new Map<string, Waiting>()
  let send: ((text: string) => void) | null = null
  let asked = 0
  let over: Failure | null = null

  const take = (id: string): Waiting | undefined => {
    const request = waiting.get(id)
    waiting.delete(id)
    clearTimeout(request?.timer)
    return request
  }
  const say = (id: string, request: Waiting): void => {
    if (send === null) return
    request.said = true
    request.timer = setTimeout(() => take(id)?.done.reject(late(request)), request.timeoutMs)
    send(request.text)
  }

  return {
    async ask({ type, payload }, options) {
      if (over !== null) throw toError(over)
      if (options.uncounted !== true && waiting.size >= limits.maxWaiting) throw tooMany(limits.maxWaiting)
      const id = (asked += 1).toString(36)
      const text = JSON.stringify({ type, payload: { ...payload, request_id: id } })
      const bytes = Buffer.byteLength(text)
      if (bytes > limits.maxFrameBytes) throw tooBig(bytes, limits.maxFrameBytes)
      const request: Waiting = { ...options, type, text, done: Promise.withResolvers(), said: false, timer: undefined }
      waiting.set(id, request)
      say(id, request)
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
      waiting.forEach((request, id) => say(id, request))
    },
    lost(failure, fails) {
      send = null
      if (fails === 'all') over = failure
      for (const [id, request] of waiting) {
        clearTimeout(request.timer)
        const isDone = fails === 'all' || (request.said && (fails === 'said' || !request.repeatable))
        if (isDone) take(id)?.done.reject(toError(fails === 'unrepeatable' ? unknownEnd(request.type, failure) : failure))
        request.said = false
      }
    },
  }
}

function unknownEnd(type: string, failure: Failure): Failure {
  return unreachable(`${failure.message} Whether ${type} was done is not known.`, 'Look at the session before you do it again.')
}

function late({ type, timeoutMs }: Waiting): OxbowError {
  return new OxbowError('timeout', `The guest has not answered ${type} within ${timeoutMs / 1000} s.`, {
    hint: 'It may still be done. A message that is sent again under the same client id is sent once.',
  })
}

function tooMany(max: number): OxbowError {
  return new OxbowError('limit_reached', `${max} requests wait for an answer.`, { hint: 'Wait for answers before asking more.' })
}

function tooBig(bytes: number, max: number): OxbowError {
  return new OxbowError('limit_reached', `This would be a frame of ${bytes} bytes; ${max} is the most.`, {
    hint: 'Send less text, or put it in a file of the workspace and name the file.',
  })
}
