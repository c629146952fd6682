/**
 * Runs a wire over HTTP as a `Model`: writes the request, sends it, and reads the answer as it arrives. It makes one try; an
 * error says whether a retry may help, and the reliability wrapper decides.
 */
import type { Clock } from '../../base/index.ts'
import type { AnswerRecorder, GenerateRequest, Model, ModelEvent, ModelFacts, Usage } from '../../protocol/index.ts'
import { maxRecordedBytes, type ModelLimits } from '../limits.ts'
import { failedUsage } from '../answer.ts'
import { cancelled, type Problem } from '../model-problem.ts'
import type { AnswerReader, Wire } from '../wire.ts'
import { createEndpoint, type Endpoint, type Exchange, type ExchangeHooks, startExchange } from './http-exchange.ts'
import { createBodyEncoder, lengthOf } from './request-body.ts'

export interface HttpModelOptions {
  readonly wire: Wire
  /** The wire's path is appended to it; its query is kept. */
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  /** From the configuration; they override the wire's own. */
  readonly headers: Readonly<Record<string, string>>
  readonly official: boolean
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
}

/** A model whose idle connections can be closed. */
export interface HttpModel extends Model {
  close(): void
}

/** A model at an HTTP endpoint. Makes one try a request; retries are up to the caller. */
export function createHttpModel(options: HttpModelOptions): HttpModel {
  const { wire, baseUrl, key, clock, limits, facts, official } = options
  const endpoint = createEndpoint({ baseUrl, key, headers: { ...wire.headers(key), ...options.headers }, clock, limits })
  const writer = wire.createWriter({ facts, official })
  const encode = createBodyEncoder()
  return {
    generate: (request, signal) => ({
      [Symbol.asyncIterator]: () => startAnswer({ wire, endpoint, request }, encode(writer.write(request), request.cacheKey), signal),
    }),
    close: () => endpoint.close(),
  }
}

interface Target {
  readonly wire: Wire
  readonly endpoint: Endpoint
  readonly request: GenerateRequest
}

interface Generation {
  readonly target: Target
  readonly body: readonly Buffer[]
  readonly reader: AnswerReader
  readonly signal: AbortSignal
  readonly onAbort: () => void
  readonly queue: BatchQueue<ModelEvent>
  exchange: Exchange | null
  /** A kept-alive connection turned out to be dead, and the request was sent again on a new one. */
  reconnected: boolean
  /** Some events were made available to the caller. */
  shown: boolean
  /** Characters read since the caller last took a batch. */
  ahead: number
  paused: boolean
  status: number
  /** Null before the request is sent, and where nobody records. */
  recorder: AnswerRecorder | null
  recordedBytes: number
}

/** The events of one generation. */
function startAnswer(target: Target, body: readonly Buffer[], signal: AbortSignal): BatchQueue<ModelEvent> {
  const { wire, endpoint, request } = target
  const { limits, origin, key } = endpoint
  const generation: Generation = {
    target,
    body,
    reader: wire.createReader({ limits, origin, key, model: request.model, requestChars: lengthOf(body), onProgress: request.onProgress }),
    signal,
    onAbort: () => cancel(generation),
    queue: createBatchQueue({
      onTake: () => resumeReading(generation),
      onReturn: () => {
        signal.removeEventListener('abort', generation.onAbort)
        generation.exchange?.stop()
        generation.recorder?.end(generation.status)
      },
    }),
    exchange: null,
    reconnected: false,
    shown: false,
    ahead: 0,
    paused: false,
    status: 0,
    recorder: null,
    recordedBytes: 0,
  }
  if (signal.aborted) cancel(generation)
  else {
    signal.addEventListener('abort', generation.onAbort)
    send(generation)
  }
  return generation.queue
}

function send(generation: Generation): void {
  const { endpoint, wire, request } = generation.target
  const { body } = generation
  const path = wire.path(request.model)
  generation.recorder ??= request.onExchange?.({ wire: wire.name, model: request.model, url: endpoint.address(path), body }) ?? null
  const { recorder } = generation
  const hooks: ExchangeHooks = {
    onText: (text) => takeText(generation, text),
    onBytes: recorder === null ? null : (status, bytes) => record(generation, recorder, status, bytes),
    onEnd: (cut, staleSocket) => settle(generation, cut, staleSocket),
  }
  const { traceparent } = request
  generation.exchange = startExchange(endpoint, path, body, hooks, traceparent === undefined ? {} : { traceparent })
}

function record(generation: Generation, recorder: AnswerRecorder, status: number, bytes: Buffer): void {
  generation.status = status
  generation.recordedBytes += bytes.length
  if (generation.recordedBytes <= maxRecordedBytes) recorder.take(bytes)
}

/** @returns false when the answer is complete. */
function takeText(generation: Generation, text: string): boolean {
  const { queue, reader, target } = generation
  const more = reader.feed(text, queue.batch)
  if (queue.batch.length > 0) generation.shown = true
  if (!more) {
    settle(generation, null, false)
    return false
  }
  generation.ahead += text.length
  queue.flush()
  if (generation.ahead > target.endpoint.limits.pauseAtChars) {
    generation.paused = true
    generation.exchange?.pause()
  }
  return true
}

/** The caller has taken everything that waited. */
function resumeReading(generation: Generation): void {
  generation.ahead = 0
  if (!generation.paused) return
  generation.paused = false
  generation.exchange?.resume()
}

/** The exchange is over: the answer is complete, or it failed. */
function settle(generation: Generation, cut: Problem | null, staleSocket: boolean): void {
  if (staleSocket && !generation.reconnected) {
    generation.reconnected = true
    return send(generation)
  }
  const { reader } = generation
  const found = reader.problem(cut)
  if (found === null) return last(generation, reader.finish())
  const retry = found.retry ? { retry: { waitMs: found.waitMs } } : {}
  const isStopped = found.failure.code === 'model_stalled'
  last(generation, [{ type: 'error', failure: found.failure, usage: usageOf(generation, isStopped), ...retry }])
}

function cancel(generation: Generation): void {
  const usage = usageOf(generation, true)
  generation.exchange?.stop()
  last(generation, [{ type: 'error', failure: cancelled, usage }])
}

function last(generation: Generation, events: readonly ModelEvent[]): void {
  generation.signal.removeEventListener('abort', generation.onAbort)
  generation.recorder?.end(generation.status)
  generation.queue.batch.push(...events)
  generation.queue.end()
}

/** Tool calls are emitted only when complete, but their tokens are billed even if the answer breaks off. */
function usageOf({ shown, reader, exchange }: Generation, isStopped: boolean): Usage {
  return failedUsage(reader.usage(), shown, isStopped && exchange?.sent() === true)
}

/**
 * Passes events from callbacks (a socket, a timer) to one reader. Everything that arrived since the reader's last pull is one
 * batch, so a fast producer costs the reader one promise, not one for each event.
 */
export interface BatchQueue<T> extends AsyncIterator<readonly T[]> {
  /** The waiting items. A producer appends here and then calls `flush`; never keep a reference across a `flush`. */
  batch: T[]
  flush(): void
  /** Delivers what waits, then ends. Later flushes do nothing. */
  end(): void
}

export interface QueueHooks {
  /** The reader has taken everything that waited. */
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
