/**
 * A wire over HTTP as a Model: writes the request, sends it, reads the answer as it comes. One try: what may be tried again
 * says so in its error, and the reliability wrapper decides.
 */
import type { Clock, GenerateRequest, Model, ModelEvent, ModelFacts, Usage } from '../../types/index.ts'
import { maxRecordedBytes, type ModelLimits } from '../limits.ts'
import { cancelled, noUsage, type Problem } from '../model-problem.ts'
import type { AnswerReader, Wire } from '../wire.ts'
import { createEndpoint, type Endpoint, type Exchange, startExchange } from './http-exchange.ts'
import { type BodyPieces, bytesOf, lengthOf } from './request-body.ts'

export interface HttpModelOptions {
  readonly wire: Wire
  /** Where the wire's path follows; a query is kept. */
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  /** Of the configuration; they go over the wire's own. */
  readonly headers: Readonly<Record<string, string>>
  readonly official: boolean
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
}

export interface HttpModel extends Model {
  close(): void
}

export function createHttpModel(options: HttpModelOptions): HttpModel {
  const { wire, baseUrl, key, clock, limits, facts, official } = options
  const endpoint = createEndpoint({ baseUrl, key, headers: { ...wire.headers(key), ...options.headers }, clock, limits })
  const writer = wire.createWriter({ facts, official })
  return {
    generate: (request, signal) => ({
      [Symbol.asyncIterator]: () => startAnswer({ wire, endpoint, request }, writer.write(request), signal),
    }),
    close: () => endpoint.close(),
  }
}

interface Asked {
  readonly wire: Wire
  readonly endpoint: Endpoint
  readonly request: GenerateRequest
}

/** One generation. */
interface Generation {
  readonly asked: Asked
  readonly body: readonly Buffer[]
  readonly reader: AnswerReader
  readonly signal: AbortSignal
  readonly onAbort: () => void
  readonly queue: BatchQueue<ModelEvent>
  exchange: Exchange | null
  /** A connection that was kept open was dead: tried again once, at once, on a new one. */
  reconnected: boolean
  /** The caller may have seen something of the answer. */
  shown: boolean
  /** Characters read since the caller last looked. */
  ahead: number
  paused: boolean
  status: number
  /** What came, when the request wants it kept. */
  readonly received: Buffer[] | null
  receivedBytes: number
}

/** The events of one generation. */
function startAnswer(asked: Asked, body: BodyPieces, signal: AbortSignal): BatchQueue<ModelEvent> {
  const { wire, endpoint, request } = asked
  const { limits, origin, key } = endpoint
  const generation: Generation = {
    asked,
    body: bytesOf(body),
    reader: wire.createReader({ limits, origin, key, model: request.model, requestChars: lengthOf(body), onProgress: request.onProgress }),
    signal,
    onAbort: () => cancel(generation),
    queue: createBatchQueue({
      onTake: () => catchUp(generation),
      onReturn: () => {
        signal.removeEventListener('abort', generation.onAbort)
        generation.exchange?.stop()
        tellExchange(generation)
      },
    }),
    exchange: null,
    reconnected: false,
    shown: false,
    ahead: 0,
    paused: false,
    status: 0,
    received: request.onExchange === undefined ? null : [],
    receivedBytes: 0,
  }
  if (signal.aborted) cancel(generation)
  else {
    signal.addEventListener('abort', generation.onAbort)
    send(generation)
  }
  return generation.queue
}

function send(generation: Generation): void {
  const { asked, body } = generation
  generation.exchange = startExchange(asked.endpoint, asked.wire.path(asked.request.model), body, {
    onText: (text) => takeText(generation, text),
    onBytes: generation.received === null ? null : (status, bytes) => keep(generation, status, bytes),
    onEnd: (cut, staleSocket) => settle(generation, cut, staleSocket),
  })
}

function keep(generation: Generation, status: number, bytes: Buffer): void {
  generation.status = status
  generation.receivedBytes += bytes.length
  if (generation.receivedBytes <= maxRecordedBytes) generation.received?.push(bytes)
}

/** @returns false when the answer is over. */
function takeText(generation: Generation, text: string): boolean {
  const { queue, reader, asked } = generation
  const more = reader.feed(text, queue.batch)
  if (queue.batch.length > 0) generation.shown = true
  if (!more) {
    settle(generation, null, false)
    return false
  }
  generation.ahead += text.length
  queue.flush()
  if (generation.ahead > asked.endpoint.limits.pauseAtChars) {
    generation.paused = true
    generation.exchange?.pause()
  }
  return true
}

/** The caller has taken all that waited. */
function catchUp(generation: Generation): void {
  generation.ahead = 0
  if (!generation.paused) return
  generation.paused = false
  generation.exchange?.resume()
}

/** The exchange is over: the answer is whole, or it failed. */
function settle(generation: Generation, cut: Problem | null, staleSocket: boolean): void {
  if (staleSocket && !generation.reconnected) {
    generation.reconnected = true
    return send(generation)
  }
  const { reader } = generation
  const found = reader.problem(cut)
  if (found === null) return last(generation, reader.finish())
  const retry = found.retry ? { retry: { waitMs: found.waitMs } } : {}
  last(generation, [{ type: 'error', failure: found.failure, usage: usageOf(generation), ...retry }])
}

function cancel(generation: Generation): void {
  generation.exchange?.stop()
  last(generation, [{ type: 'error', failure: cancelled, usage: usageOf(generation) }])
}

function last(generation: Generation, events: readonly ModelEvent[]): void {
  generation.signal.removeEventListener('abort', generation.onAbort)
  tellExchange(generation)
  generation.queue.batch.push(...events)
  generation.queue.end()
}

function tellExchange({ asked, received, body, status, exchange }: Generation): void {
  if (received === null || exchange === null) return
  const { wire, endpoint, request } = asked
  const url = endpoint.address(wire.path(request.model))
  request.onExchange?.({ wire: wire.name, model: request.model, url, status, request: body, response: Buffer.concat(received) })
}

/** A tool call is shown only whole, and is paid for also when it breaks off. A try that made nothing counts as none. */
function usageOf({ shown, reader }: Generation): Usage {
  const usage = reader.usage()
  return shown || usage.outputTokens > 0 ? usage : noUsage
}

/**
 * Hands events from callbacks (a socket, a timer) to one reader. Everything that came since the reader last looked is one
 * batch, so a fast producer costs the reader one promise and not one for each event.
 */
export interface BatchQueue<T> extends AsyncIterator<readonly T[]> {
  /** What waits. A producer appends here and then calls `flush`; never keep a reference over a `flush`. */
  batch: T[]
  flush(): void
  /** Gives out what waits, then ends. Later flushes do nothing. */
  end(): void
}

export interface QueueHooks {
  /** The reader has taken all that waited. */
  readonly onTake: () => void
  /** The reader stopped before the end. */
  readonly onReturn: () => void
}

export function createBatchQueue<T>(hooks: QueueHooks): BatchQueue<T> {
  let waiting: ((result: IteratorResult<readonly T[]>) => void) | null = null
  let ended = false

  const take = (): IteratorResult<readonly T[]> => {
    if (queue.batch.length === 0) return { done: true, value: undefined }
    const value = queue.batch
    queue.batch = []
    hooks.onTake()
    return { done: false, value }
  }
  const flush = (): void => {
    if (waiting === null || (queue.batch.length === 0 && !ended)) return
    const resolve = waiting
    waiting = null
    resolve(take())
  }
  const queue: BatchQueue<T> = {
    batch: [],
    flush,
    end: () => {
      ended = true
      flush()
    },
    next: () => {
      if (queue.batch.length > 0 || ended) return Promise.resolve(take())
      return new Promise((resolve) => {
        waiting = resolve
      })
    },
    return: () => {
      const running = !ended
      ended = true
      queue.batch = []
      if (running) hooks.onReturn()
      flush()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return queue
}
