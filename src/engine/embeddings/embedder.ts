/**
 * Vectors for texts, from a service. Texts go out in batches that every known service takes, and come back in their order;
 * vectors that do not all have one size, or are not numbers, are an error and never a result.
 */
import type { Clock, Embedded, EmbedOptions, Random, Usage } from '../../types/index.ts'
import { toError } from '../../types/index.ts'
import { createEndpoint, type Endpoint, postJson } from '../http/http-exchange.ts'
import { charsPerToken, maxEmbeddingAnswerChars, maxEmbeddingChars, maxEmbeddingTexts, type ModelLimits } from '../limits.ts'
import { type Problem, problem } from '../model-problem.ts'
import { retryWaitMs } from '../reliability/reliable-model.ts'
import type { EmbeddingWire } from './embedding-wire.ts'
import { geminiEmbeddings } from './gemini-embeddings.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'

export interface EmbedderOptions {
  readonly wire: 'openai' | 'gemini'
  /** Where the wire's path follows; a query is kept. */
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  /** Of the configuration; they go over the wire's own. */
  readonly headers: Readonly<Record<string, string>>
  readonly clock: Clock
  /** For the wait between tries. */
  readonly random: Random
  readonly limits: ModelLimits
}

export interface Embedder {
  /** @throws OxbowError with the codes of a model endpoint; `cancelled` when the signal says so. Nothing is given in part. */
  embed(model: string, texts: readonly string[], options: EmbedOptions, signal: AbortSignal): Promise<Embedded>
  close(): void
}

const wires: Readonly<Record<EmbedderOptions['wire'], EmbeddingWire>> = { openai: openaiEmbeddings, gemini: geminiEmbeddings }

interface Asked {
  readonly options: EmbedderOptions
  readonly endpoint: Endpoint
  readonly wire: EmbeddingWire
  /** The service does not know base64: learnt from its refusal. */
  plain: boolean
}

export function createEmbedder(options: EmbedderOptions): Embedder {
  const { baseUrl, key, headers, clock, limits } = options
  const wire = wires[options.wire]
  const own = { accept: 'application/json', ...wire.headers(key), ...headers }
  const endpoint = createEndpoint({ baseUrl, key, headers: own, clock, limits })
  const asked: Asked = { options, endpoint, wire, plain: false }
  return {
    embed: (model, texts, wanted, signal) => embedAll(asked, model, texts, wanted, signal),
    close: () => endpoint.close(),
  }
}

async function embedAll(
  asked: Asked,
  model: string,
  texts: readonly string[],
  wanted: EmbedOptions,
  signal: AbortSignal,
): Promise<Embedded> {
  const vectors: Float32Array[] = []
  let named = ''
  let usage: Usage = { inputTokens: 0, outputTokens: 0, estimated: false }
  for (const batch of batchesOf(texts)) {
    const got = await embedBatch(asked, model, batch, wanted, signal)
    const size = wanted.dimensions ?? vectors[0]?.length ?? got.vectors[0]?.length
    if (got.vectors.some((vector) => vector.length !== size))
      throw toError(garbled(asked, `sent vectors of another size than ${size}`).failure)
    vectors.push(...got.vectors)
    named ||= got.model
    usage = addUsage(usage, got.usage ?? estimate(batch))
  }
  return { vectors, model: named || model, dimensions: vectors[0]?.length ?? 0, usage }
}

/** In order; as many texts and characters in each as any service takes, and at least one text. */
export function* batchesOf(texts: readonly string[]): Generator<readonly string[]> {
  let from = 0
  let chars = 0
  for (const [place, text] of texts.entries()) {
    if (place > from && (place - from >= maxEmbeddingTexts || chars + text.length > maxEmbeddingChars)) {
      yield texts.slice(from, place)
      from = place
      chars = 0
    }
    chars += text.length
  }
  if (from < texts.length) yield texts.slice(from)
}

interface Batch {
  readonly vectors: readonly Float32Array[]
  readonly model: string
  readonly usage: Usage | null
}

async function embedBatch(
  asked: Asked,
  model: string,
  texts: readonly string[],
  wanted: EmbedOptions,
  signal: AbortSignal,
): Promise<Batch> {
  const { wire, endpoint, options } = asked
  for (let tries = 1; ; tries += 1) {
    const body = wire.write(model, texts, wanted, asked.plain)
    const answer = await postJson(endpoint, wire.path(model), body, maxEmbeddingAnswerChars, signal)
    if ('value' in answer) {
      const read = wire.read(answer.value as object, texts.length)
      if (typeof read !== 'string') return read
      throw toError(garbled(asked, read).failure)
    }
    const { failure, retry, waitMs } = answer.problem
    if (!asked.plain && failure.code === 'model_refused' && failure.message.includes('encoding_format')) {
      asked.plain = true
      continue
    }
    const wait = retryWaitMs(retry ? { waitMs } : undefined, tries, options.limits, options.random)
    if (wait === null) throw toError(answer.problem.failure)
    await pause(wait, signal)
  }
}

/** Ends early, without an error, when the signal says so: the next exchange sees it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}

function estimate(texts: readonly string[]): Usage {
  const chars = texts.reduce((sum, text) => sum + text.length, 0)
  return { inputTokens: Math.ceil(chars / charsPerToken), outputTokens: 0, estimated: true }
}

function addUsage(a: Usage, b: Usage): Usage {
  return { inputTokens: a.inputTokens + b.inputTokens, outputTokens: 0, estimated: a.estimated || b.estimated }
}

function garbled({ endpoint }: Asked, what: string): Problem {
  return problem('model_garbled', `${endpoint.origin} ${what}.`, 'Check the base URL, and that the model is one for embeddings.')
}
