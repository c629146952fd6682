/**
 * The chat-completions wire as a Model: writes the request, sends it, reads the answer, and tries again while nobody has
 * seen anything of it. After the first event there is no second try: text that was shown is never shown twice.
 */
import type { Clock, Model, ModelEvent, Random, Usage } from '../../types/index.ts'
import type { ModelLimits } from '../limits.ts'
import { cancelled, noUsage } from '../model-problem.ts'
import type { Problem } from '../model-problem.ts'
import type { Endpoint, Exchange } from './http-exchange.ts'
import { createEndpoint, startExchange } from './http-exchange.ts'
import { createRequestWriter } from './openai-request.ts'
import type { AnswerReader } from './openai-stream.ts'
import { createAnswerReader } from './openai-stream.ts'

export interface OpenAiOptions {
  /** Where `/chat/completions` follows; a query is kept. */
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
}

export interface OpenAiModel extends Model {
  close(): void
}

export function createOpenAiModel(options: OpenAiOptions): OpenAiModel {
  const url = new URL(options.baseUrl)
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`
  const endpoint = createEndpoint({ url, key: options.key, clock: options.clock, limits: options.limits })
  const ownModels = /(?:^|\.)(?:openai\.com|azure\.com)$/.test(url.hostname)
  const writer = createRequestWriter(ownModels ? 'max_completion_tokens' : 'max_tokens')
  return {
    generate: (request, signal) => ({
      [Symbol.asyncIterator]: () => startAnswer({ endpoint, random: options.random }, writer.write(request), signal),
    }),
    close: () => endpoint.close(),
  }
}

interface AnswerDeps {
  readonly endpoint: Endpoint
  readonly random: Random
}

/** One generation and its attempts. */
interface Generation {
  readonly deps: AnswerDeps
  readonly bodyText: string
  readonly body: Buffer
  readonly signal: AbortSignal
  readonly onAbort: () => void
  readonly queue: BatchQueue<ModelEvent>
  /** Of the attempt that runs. */
  reader: AnswerReader | null
  exchange: Exchange | null
  retryTimer: NodeJS.Timeout | undefined
  tries: number
  /** The caller may have seen something of the answer. */
  shown: boolean
  /** Characters read since the caller last looked. */
  ahead: number
  paused: boolean
}

/** The events of one generation. */
function startAnswer(deps: AnswerDeps, bodyText: string, signal: AbortSignal): BatchQueue<ModelEvent> {
  const generation: Generation = {
    deps,
    bodyText,
    body: Buffer.from(bodyText),
    signal,
    onAbort: () => cancel(generation),
    queue: createBatchQueue({
      onTake: () => catchUp(generation),
      onReturn: () => {
        release(generation)
        generation.exchange?.stop()
      },
    }),
    reader: null,
    exchange: null,
    retryTimer: undefined,
    tries: 0,
    shown: false,
    ahead: 0,
    paused: false,
  }
  if (signal.aborted) cancel(generation)
  else {
    signal.addEventListener('abort', generation.onAbort)
    attempt(generation)
  }
  return generation.queue
}

function attempt(generation: Generation): void {
  const { deps, bodyText, body } = generation
  const { limits, url, key } = deps.endpoint
  generation.tries += 1
  const reader = createAnswerReader({ limits, origin: url.origin, key, requestChars: bodyText.length })
  generation.reader = reader
  generation.exchange = startExchange(deps.endpoint, body, {
    onText: (text) => takeText(generation, reader, text),
    onEnd: (cut, staleSocket) => settle(generation, reader, cut, staleSocket),
  })
}

/** @returns false when the answer is over. */
function takeText(generation: Generation, reader: AnswerReader, text: string): boolean {
  const { queue } = generation
  const more = reader.feed(text, queue.batch)
  if (queue.batch.length > 0) generation.shown = true
  if (!more) {
    settle(generation, reader, null, false)
    return false
  }
  generation.ahead += text.length
  queue.flush()
  if (generation.ahead > generation.deps.endpoint.limits.pauseAtChars) {
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

/** An attempt is over: its answer is whole, or there is another try, or it failed. */
function settle(generation: Generation, reader: AnswerReader, cut: Problem | null, staleSocket: boolean): void {
  const { shown, tries, deps } = generation
  const found = reader.problem(cut)
  if (found === null) return last(generation, reader.finish())
  const wait = shown ? null : staleSocket && tries === 1 ? 0 : retryWait(found, tries, deps)
  if (wait === null) return last(generation, [{ type: 'error', failure: found.failure, usage: usageOf(generation) }])
  generation.retryTimer = setTimeout(() => attempt(generation), wait)
}

function cancel(generation: Generation): void {
  generation.exchange?.stop()
  last(generation, [{ type: 'error', failure: cancelled, usage: usageOf(generation) }])
}

function last(generation: Generation, events: readonly ModelEvent[]): void {
  release(generation)
  generation.queue.batch.push(...events)
  generation.queue.end()
}

function release({ retryTimer, signal, onAbort }: Generation): void {
  clearTimeout(retryTimer)
  signal.removeEventListener('abort', onAbort)
}

/** Of what was shown: an attempt that nobody has seen anything of counts as none. */
function usageOf({ shown, reader }: Generation): Usage {
  return shown && reader !== null ? reader.usage() : noUsage
}

/** @returns milliseconds to wait before the next try, or null when there is none. */
function retryWait(found: Problem, tries: number, deps: AnswerDeps): number | null {
  const { limits } = deps.endpoint
  if (!found.retry || tries >= limits.maxTries) return null
  if (found.waitMs !== null) return found.waitMs <= limits.retryAfterCapMs ? found.waitMs : null
  const ceiling = Math.min(limits.backoffCapMs, limits.backoffBaseMs * 2 ** (tries - 1))
  const [a = 0, b = 0] = deps.random.bytes(2)
  return ((a * 256 + b) / 65_536) * ceiling
}

/**
 * Hands events from callbacks (a socket, a timer) to one reader. Everything that came since the reader last looked is one
 * batch, so a fast producer costs the reader one promise and not one for each event.
 */
interface BatchQueue<T> extends AsyncIterator<readonly T[]> {
  /** What waits. A producer appends here and then calls `flush`; never keep a reference over a `flush`. */
  batch: T[]
  flush(): void
  /** Gives out what waits, then ends. Later flushes do nothing. */
  end(): void
}

interface QueueHooks {
  /** The reader has taken all that waited. */
  readonly onTake: () => void
  /** The reader stopped before the end. */
  readonly onReturn: () => void
}

function createBatchQueue<T>(hooks: QueueHooks): BatchQueue<T> {
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
