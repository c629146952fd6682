/**
 * Vectors for texts, from a service. Texts go out in batches that every known service accepts, and come back in their order;
 * vectors that differ in size, or are not numbers, are an error and never a result. Below are the two protocols: how each asks for
 * vectors and reads the answer, without a socket, a clock or a retry.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Content, EmbedContentConfig } from '@google/genai'
import type { EmbeddingCreateParams } from 'openai/resources/embeddings'
import { type Clock, type Failure, OxbowError, type Random } from '../../base/index.ts'
import type { Embedded, EmbedOptions, Usage } from '../../protocol/index.ts'
import { credibleUsage, isCount } from '../answer.ts'
import { createEndpoint, type Endpoint, postJson } from '../http/http-exchange.ts'
import { charsPerToken, maxDimensions, maxEmbeddingAnswerChars, maxEmbeddingChars, maxEmbeddingTexts, type ModelLimits } from '../limits.ts'
import { type Problem, problem } from '../model-problem.ts'
import { retryWaitMs } from '../reliability/reliable-model.ts'

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

interface Connection {
  readonly options: EmbedderOptions
  readonly endpoint: Endpoint
  readonly wire: EmbeddingWire
  /** The service does not know base64, as its refusal has shown. */
  plain: boolean
}

export function createEmbedder(options: EmbedderOptions): Embedder {
  const { baseUrl, key, headers, clock, limits } = options
  const wire = wires[options.wire]
  const own = { accept: 'application/json', ...wire.headers(key), ...headers }
  const endpoint = createEndpoint({ baseUrl, key, headers: own, clock, limits })
  const connection: Connection = { options, endpoint, wire, plain: false }
  return {
    embed: (model, texts, wanted, signal) => embedAll(connection, model, texts, wanted, signal),
    close: () => endpoint.close(),
  }
}

async function embedAll(
  connection: Connection,
  model: string,
  texts: readonly string[],
  wanted: EmbedOptions,
  signal: AbortSignal,
): Promise<Embedded> {
  const vectors: Float32Array[] = []
  let named = ''
  let usage: Usage = { inputTokens: 0, outputTokens: 0, estimated: false }
  for (const batch of batchesOf(texts)) {
    const got = await embedBatch(connection, model, batch, wanted, signal)
    const guess = estimate(batch)
    if ('failure' in got) throw failed(got.failure, got.isBilled ? addUsage(usage, guess) : usage)
    usage = addUsage(usage, got.usage === null ? guess : credibleUsage(got.usage, guess))
    const size = wanted.dimensions ?? vectors[0]?.length ?? got.vectors[0]?.length
    if (got.vectors.some((vector) => vector.length !== size))
      throw failed(garbled(connection, `sent vectors of another size than ${size}`).failure, usage)
    vectors.push(...got.vectors)
    named ||= got.model
  }
  return { vectors, model: named || model, dimensions: vectors[0]?.length ?? 0, usage }
}

/** What was sent costs, though nothing is given: the error says how much. */
function failed({ code, message, hint }: Failure, usage: Usage): OxbowError {
  return new OxbowError(code, message, { hint, data: { usage: { ...usage } } })
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
  connection: Connection,
  model: string,
  texts: readonly string[],
  wanted: EmbedOptions,
  signal: AbortSignal,
): Promise<Batch | { readonly failure: Failure; readonly isBilled: boolean }> {
  const { wire, endpoint, options } = connection
  for (let tries = 1; ; tries += 1) {
    const body = wire.write(model, texts, wanted, connection.plain)
    const answer = await postJson(endpoint, wire.path(model), body, maxEmbeddingAnswerChars, signal)
    if ('value' in answer) {
      const read = wire.read(answer.value as object, texts.length)
      if (typeof read !== 'string') return read
      return { failure: garbled(connection, read).failure, isBilled: true }
    }
    const { isBilled, problem: found } = answer
    const { failure, retry, waitMs } = found
    if (!connection.plain && failure.code === 'model_refused' && failure.message.includes('encoding_format')) {
      connection.plain = true
      continue
    }
    const wait = retryWaitMs(retry ? { waitMs } : undefined, tries, options.limits, options.random)
    if (wait === null) return { failure, isBilled }
    await pause(wait, signal)
  }
}

/** Ends early, without an error, when the signal says so: the next exchange sees it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {})
}

function estimate(texts: readonly string[]): Usage {
  const chars = texts.reduce((sum, text) => sum + text.length, 0)
  return { inputTokens: Math.ceil(chars / charsPerToken), outputTokens: 0, estimated: true }
}

function addUsage(a: Usage, b: Usage): Usage {
  return { inputTokens: a.inputTokens + b.inputTokens, outputTokens: 0, estimated: a.estimated || b.estimated }
}

function garbled({ endpoint }: Connection, what: string): Problem {
  return problem('model_garbled', `${endpoint.origin} ${what}.`, 'Check the base URL, and that the model is one for embeddings.')
}

/** The vectors of one request, in the order of its texts, or the end of a sentence about what is wrong with the answer. */
type ReadVectors = { readonly vectors: readonly Float32Array[]; readonly model: string; readonly usage: Usage | null } | string

interface EmbeddingWire {
  path(model: string): string
  headers(key: string): Readonly<Record<string, string>>
  /** @param plain numbers in place of base64, for a service that does not know it. @returns the body as JSON text */
  write(model: string, texts: readonly string[], options: EmbedOptions, plain: boolean): string
  /** @param count texts that were sent. Nothing about the answer is trusted. */
  read(answer: object, count: number): ReadVectors
}

/** Reads a list of numbers or their base64 (float32, little end first). @returns null when it is neither, or holds no numbers */
export function readVector(value: unknown, maxLength: number = maxDimensions): Float32Array | null {
  const vector = typeof value === 'string' ? fromBase64(value, maxLength) : fromNumbers(value, maxLength)
  return vector !== null && vector.length > 0 && vector.every(Number.isFinite) ? vector : null
}

function fromBase64(text: string, maxLength: number): Float32Array | null {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length % 4 !== 0 || bytes.length > maxLength * 4) return null
  return Float32Array.from({ length: bytes.length / 4 }, (_, place) => bytes.readFloatLE(place * 4))
}

function fromNumbers(value: unknown, maxLength: number): Float32Array | null {
  if (!Array.isArray(value) || value.length > maxLength) return null
  // A text or null among them would become a number: it becomes none.
  return Float32Array.from(value, (each: unknown) => (typeof each === 'number' ? each : Number.NaN))
}

/** `/embeddings` of OpenAI and of compatible services. */
const openaiEmbeddings: EmbeddingWire = {
  path: () => '/embeddings',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  write: (model, texts, { dimensions }, plain) => {
    const params: EmbeddingCreateParams = {
      model,
      // The service refuses an empty text, and with it the whole batch.
      input: texts.map((text) => (text === '' ? ' ' : text)),
      // A quarter of the bytes of numbers, and nothing to parse.
      encoding_format: plain ? 'float' : 'base64',
      ...(dimensions === undefined ? {} : { dimensions }),
    }
    return JSON.stringify(params)
  },
  read: readOpenaiAnswer,
}

function readOpenaiAnswer(answer: { data?: unknown; model?: unknown; usage?: unknown }, count: number): ReadVectors {
  const { data, model, usage } = answer
  if (!Array.isArray(data) || data.length !== count) return `sent another number of vectors than the ${count} it was asked for`
  const vectors: Float32Array[] = []
  for (const [place, item] of data.entries()) {
    const { index = place, embedding } = (item ?? {}) as { index?: unknown; embedding?: unknown }
    const vector = readVector(embedding)
    if (vector === null) return 'sent an invalid vector'
    if (!isCount(index) || index >= count || vectors[index] !== undefined) return 'sent vectors in no order'
    vectors[index] = vector
  }
  const { prompt_tokens: inputTokens } = (usage ?? {}) as { prompt_tokens?: unknown }
  return {
    vectors,
    model: typeof model === 'string' ? model : '',
    usage: isCount(inputTokens) ? { inputTokens, outputTokens: 0, estimated: false } : null,
  }
}

/** One of the requests of a batch, as the API has it; the official package builds it from these types. */
type EmbedRequest = Pick<EmbedContentConfig, 'taskType' | 'outputDimensionality'> & { readonly model: string; readonly content: Content }

/** `:batchEmbedContents` of the Gemini API. */
const geminiEmbeddings: EmbeddingWire = {
  path: (model) => `/${resourceOf(model)}:batchEmbedContents`,
  headers: (key) => (key === '' ? {} : { 'x-goog-api-key': key }),
  write: (model, texts, options) => JSON.stringify({ requests: texts.map((text) => geminiRequest(model, text, options)) }),
  read: readGeminiAnswer,
}

function resourceOf(model: string): string {
  const name = model.replace(/^models\//, '')
  return `models/${encodeURIComponent(name)}`
}

function geminiRequest(model: string, text: string, { purpose, dimensions }: EmbedOptions): EmbedRequest {
  return {
    model: resourceOf(model),
    content: { parts: [{ text: text === '' ? ' ' : text }] },
    ...(purpose === undefined ? {} : { taskType: purpose === 'query' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT' }),
    ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
  }
}

function readGeminiAnswer(answer: { embeddings?: unknown; usageMetadata?: unknown }, count: number): ReadVectors {
  const { embeddings, usageMetadata } = answer
  if (!Array.isArray(embeddings) || embeddings.length !== count) return `sent another number of vectors than the ${count} it was asked for`
  const vectors: Float32Array[] = []
  for (const item of embeddings as unknown[]) {
    const vector = readVector((item as { values?: unknown } | null)?.values)
    if (vector === null) return 'sent an invalid vector'
    vectors.push(vector)
  }
  const { promptTokenCount: inputTokens } = (usageMetadata ?? {}) as { promptTokenCount?: unknown }
  return { vectors, model: '', usage: isCount(inputTokens) ? { inputTokens, outputTokens: 0, estimated: false } : null }
}

const wires: Readonly<Record<EmbedderOptions['wire'], EmbeddingWire>> = { openai: openaiEmbeddings, gemini: geminiEmbeddings }
