/**
 * Makes a `Model` of any AI SDK provider package. The package talks to its service in its own way; this file adds the limits,
 * cancellation and recording that every wire has. A generation asks the package, reads its parts and ends exactly once.
 */
import type { Clock, Failure } from '../../base/index.ts'
import type { AnswerRecorder, GenerateRequest, Model, ModelEvent, ModelFacts, Usage } from '../../protocol/index.ts'
import { type BatchQueue, createBatchQueue } from '../http/http-model.ts'
import { maxRecordedBytes, type ModelLimits } from '../limits.ts'
import { failedUsage } from '../answer.ts'
import { cancelled, type Problem, problem, stalledProblem } from '../model-problem.ts'
import { writeCallOptions } from './prompt-writer.ts'
import { createProvider, createWatchedFetch, type LoadedModel, loadPackage, type WatchedFetch } from './provider-package.ts'
import { createPartReader, type PartReader } from './part-reader.ts'
import { problemOfError } from './provider-problem.ts'

export interface AiSdkModelOptions {
  /** npm package of the provider, as `@ai-sdk/mistral`. */
  readonly packageName: string
  /** Id of the provider in the configuration. */
  readonly provider: string
  /** Empty when the package finds a key itself, or its service needs none. */
  readonly key: string
  /** Null for the package's own default. */
  readonly baseUrl: URL | null
  readonly headers: Readonly<Record<string, string>>
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
  /** Absolute folders in which the package may be installed, besides Oxbow's own. The first one is named when it is missing. */
  readonly folders: readonly string[]
  readonly load?: (packageName: string) => Promise<unknown>
}

export interface AiSdkModel extends Model {
  close(): void
}

/** Loads nothing before the first generation. A package that cannot be loaded is an `error` event with `bad_config`. */
export function createAiSdkModel(options: AiSdkModelOptions): AiSdkModel {
  const { packageName, folders, key, baseUrl } = options
  const load = options.load ?? ((name: string) => loadPackage(name, folders))
  const { fetch, watch } = createWatchedFetch()
  const running = new Set<Generation>()
  let provider: Promise<(model: string) => LoadedModel> | null = null

  const open = async (model: string): Promise<LoadedModel> => {
    // After a failure the next generation tries again: the package may have been installed since.
    provider ??= load(packageName).then((loaded) => createProvider(loaded, { ...options, fetch }))
    try {
      return (await provider)(model)
    } catch (error) {
      provider = null
      throw error
    }
  }
  const deps: GenerationDeps = {
    ...options,
    wire: `ai-sdk:${packageName}`,
    origin: baseUrl === null ? packageName : baseUrl.origin,
    key,
    open,
    watch,
  }
  const start = (request: GenerateRequest, signal: AbortSignal): AsyncIterator<readonly ModelEvent[]> => {
    const queue = createBatchQueue<ModelEvent>({
      onTake: () => resumeReading(generation),
      onReturn: () => stopGeneration(generation),
    })
    const generation = runGeneration(deps, request, signal, queue, (each) => running.delete(each))
    if (!generation.over) running.add(generation)
    return queue
  }
  return {
    generate: (request, signal) => ({ [Symbol.asyncIterator]: () => start(request, signal) }),
    close: () => {
      for (const generation of running) stopGeneration(generation)
    },
  }
}

interface GenerationDeps {
  readonly wire: string
  readonly packageName: string
  readonly origin: string
  readonly key: string
  readonly facts: (model: string) => ModelFacts
  readonly clock: Clock
  readonly limits: ModelLimits
  readonly open: (model: string) => Promise<LoadedModel>
  readonly watch: WatchedFetch['watch']
}

interface Generation {
  readonly deps: GenerationDeps
  readonly request: GenerateRequest
  readonly queue: BatchQueue<ModelEvent>
  readonly reader: PartReader
  /** Stops the package's work. */
  readonly control: AbortController
  readonly onOver: () => void
  over: boolean
  /** Something has arrived: from now on silence is measured from the last arrival. */
  begun: boolean
  /** Some events were made available to the caller. */
  shown: boolean
  /** A flush is scheduled. */
  flushing: boolean
  /** Characters read since the caller last took a batch. */
  ahead: number
  timer: NodeJS.Timeout | null
  /** Continues reading once the caller has taken what waits. */
  wake: (() => void) | null
  readonly exchange: { recorder: AnswerRecorder | null; status: number; requestBytes: number; answerBytes: number }
}

/** Starts at once; never throws. @param onOver called once, when the last event is in the queue */
function runGeneration(
  deps: GenerationDeps,
  request: GenerateRequest,
  signal: AbortSignal,
  queue: BatchQueue<ModelEvent>,
  onOver: (generation: Generation) => void,
): Generation {
  const { origin, key, limits, wire } = deps
  const exchange: Generation['exchange'] = { recorder: null, status: 0, requestBytes: 0, answerBytes: 0 }
  const onAbort = (): void => stopGeneration(generation)
  const generation: Generation = {
    deps,
    request,
    queue,
    reader: createPartReader({
      limits,
      origin,
      key,
      wire,
      model: request.model,
      // Set once the package has sent its request, and read only after that.
      get requestChars() {
        return exchange.requestBytes
      },
      problemOf: (error) => problemOfError(error, deps),
    }),
    control: new AbortController(),
    onOver: () => {
      signal.removeEventListener('abort', onAbort)
      onOver(generation)
    },
    over: false,
    begun: false,
    shown: false,
    flushing: false,
    ahead: 0,
    timer: null,
    wake: null,
    exchange,
  }
  if (signal.aborted) stopGeneration(generation)
  else {
    signal.addEventListener('abort', onAbort)
    void pump(generation)
  }
  return generation
}

async function pump(generation: Generation): Promise<void> {
  const { deps, request, control, queue, reader } = generation
  let parts: ReadableStreamDefaultReader<unknown> | null = null
  try {
    const loaded = await deps.open(request.model)
    if (generation.over) return
    deps.watch(control.signal, watchOf(generation))
    waitFor(generation, deps.limits.firstByteMs)
    const facts = deps.facts(request.model)
    const options = writeCallOptions(request, { wire: deps.wire, facts, loaded, signal: control.signal })
    const result: { stream: ReadableStream<unknown> } = await loaded.model.doStream(options)
    parts = result.stream.getReader()
    for (;;) {
      const { done, value } = await parts.read()
      if (done || generation.over) break
      alive(generation)
      if (!reader.feed(value, queue.batch)) break
      generation.ahead += sizeOf(value)
      if (queue.batch.length > 0) scheduleFlush(generation)
      else if (sizeOf(value) > 0) request.onProgress?.()
      if (generation.ahead > deps.limits.pauseAtChars) await untilTaken(generation)
    }
    end(generation, reader.problem(null))
  } catch (error) {
    end(generation, reader.problem(problemOfError(error, deps)))
  } finally {
    generation.control.abort()
    parts?.cancel().catch(() => undefined)
  }
}

function sizeOf(part: unknown): number {
  const { delta } = (part ?? {}) as { delta?: unknown }
  return typeof delta === 'string' ? delta.length : 0
}

/** Parts that came with one network read become one batch. */
function scheduleFlush(generation: Generation): void {
  generation.shown = true
  if (generation.flushing) return
  generation.flushing = true
  setImmediate(() => {
    generation.flushing = false
    generation.queue.flush()
  })
}

async function untilTaken(generation: Generation): Promise<void> {
  clear(generation)
  await new Promise<void>((resolve) => {
    generation.wake = resolve
  })
  generation.wake = null
  if (!generation.over) waitFor(generation, generation.deps.limits.betweenBytesMs)
}

/** The caller has taken everything that waited. */
function resumeReading(generation: Generation): void {
  generation.ahead = 0
  generation.wake?.()
}

/** Ends with `cancelled`, even if the package does not stop. */
function stopGeneration(generation: Generation): void {
  last(generation, cancelled)
}

function end(generation: Generation, found: Problem | null): void {
  if (found === null) last(generation, null)
  else last(generation, found.failure, found.retry ? { retry: { waitMs: found.waitMs } } : {})
}

function last(generation: Generation, failure: Failure | null, retry: { retry?: { waitMs: number | null } } = {}): void {
  if (generation.over) return
  generation.over = true
  clear(generation)
  generation.onOver()
  endExchange(generation)
  const { queue, reader } = generation
  if (failure === null) queue.batch.push(...reader.finish())
  else queue.batch.push({ type: 'error', failure, usage: usageOf(generation, failure), ...retry })
  queue.end()
  generation.wake?.()
  generation.control.abort()
}

/** Tool calls are emitted only when complete, but their tokens are billed even if the answer breaks off. */
function usageOf({ shown, reader, exchange }: Generation, { code }: Failure): Usage {
  const isStopped = (code === 'cancelled' || code === 'model_stalled') && exchange.requestBytes > 0
  return failedUsage(reader.usage(), shown, isStopped)
}

function waitFor(generation: Generation, ms: number): void {
  clear(generation)
  generation.timer = setTimeout(() => {
    end(generation, stalledProblem(generation.deps.origin, generation.begun))
  }, ms)
}

function clear(generation: Generation): void {
  if (generation.timer !== null) clearTimeout(generation.timer)
  generation.timer = null
}

/** Something arrived: restarts the timer. */
function alive(generation: Generation): void {
  if (generation.over || generation.timer === null) return
  if (generation.begun) generation.timer.refresh()
  else {
    generation.begun = true
    waitFor(generation, generation.deps.limits.betweenBytesMs)
  }
}

function watchOf(generation: Generation): Parameters<WatchedFetch['watch']>[1] {
  const { exchange, deps, request } = generation
  return {
    onRequest: (url, body) => {
      endExchange(generation)
      const sent = { wire: deps.wire, model: request.model, url: url.origin + url.pathname, body: [body] }
      Object.assign(exchange, { recorder: request.onExchange?.(sent) ?? null, status: 0, requestBytes: body.length, answerBytes: 0 })
    },
    onResponse: (status, type) => {
      exchange.status = status
      // Packages read any text as an event stream, and so an HTML page as an empty one.
      if (status === 200 && /^text\/html/i.test(type)) end(generation, garbled(deps.origin, 'sent an HTML page instead of an answer'))
    },
    onBytes: (bytes) => {
      alive(generation)
      exchange.answerBytes += bytes.length
      if (exchange.answerBytes <= maxRecordedBytes) exchange.recorder?.take(bytes)
      if (exchange.answerBytes > deps.limits.maxAnswerChars) end(generation, garbled(deps.origin, 'sent an endless answer'))
    },
  }
}

function garbled(origin: string, what: string): Problem {
  return problem('model_garbled', `${origin} ${what}.`, 'Check base_url and the package of the provider.')
}

/** Does nothing for a package that does not use the `fetch` it was given. */
function endExchange({ exchange }: Generation): void {
  exchange.recorder?.end(exchange.status)
  exchange.recorder = null
}
