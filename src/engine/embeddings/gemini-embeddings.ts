/** `:batchEmbedContents` of the Gemini API. */
import type { Content, EmbedContentConfig } from '@google/genai'
import type { EmbedOptions } from '../../types/index.ts'
import { isCount } from '../answer.ts'
import { maxDimensions } from '../limits.ts'
import { type EmbeddingWire, type ReadVectors, readVector } from './embedding-wire.ts'

/** One of the requests of a batch, as the API has it; the official package builds it from these types. */
type EmbedRequest = Pick<EmbedContentConfig, 'taskType' | 'outputDimensionality'> & { readonly model: string; readonly content: Content }

export const geminiEmbeddings: EmbeddingWire = {
  path: (model) => `/${resourceOf(model)}:batchEmbedContents`,
  headers: (key) => (key === '' ? {} : { 'x-goog-api-key': key }),
  write: (model, texts, options) => JSON.stringify({ requests: texts.map((text) => requestOf(model, text, options)) }),
  read: readAnswer,
}

function resourceOf(model: string): string {
  const name = model.replace(/^models\//, '')
  return `models/${encodeURIComponent(name)}`
}

function requestOf(model: string, text: string, { purpose, dimensions }: EmbedOptions): EmbedRequest {
  return {
    model: resourceOf(model),
    content: { parts: [{ text: text === '' ? ' ' : text }] },
    ...(purpose === undefined ? {} : { taskType: purpose === 'query' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT' }),
    ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
  }
}

function readAnswer(answer: { embeddings?: unknown; usageMetadata?: unknown }, count: number): ReadVectors {
  const { embeddings, usageMetadata } = answer
  if (!Array.isArray(embeddings) || embeddings.length !== count) return `sent another number of vectors than the ${count} it was asked for`
  const vectors: Float32Array[] = []
  for (const item of embeddings as unknown[]) {
    const vector = readVector((item as { values?: unknown } | null)?.values, maxDimensions)
    if (vector === null) return 'sent a vector that is none'
    vectors.push(vector)
  }
  const { promptTokenCount: inputTokens } = (usageMetadata ?? {}) as { promptTokenCount?: unknown }
  return { vectors, model: '', usage: isCount(inputTokens) ? { inputTokens, outputTokens: 0, estimated: false } : null }
}
