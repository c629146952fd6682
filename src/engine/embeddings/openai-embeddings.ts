/** `/embeddings` of OpenAI and of the services that are compatible with it. */
import type { EmbeddingCreateParams } from 'openai/resources/embeddings'
import { isCount } from '../answer.ts'
import { maxDimensions } from '../limits.ts'
import { type EmbeddingWire, type ReadVectors, readVector } from './embedding-wire.ts'

export const openaiEmbeddings: EmbeddingWire = {
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
  read: readAnswer,
}

function readAnswer(answer: { data?: unknown; model?: unknown; usage?: unknown }, count: number): ReadVectors {
  const { data, model, usage } = answer
  if (!Array.isArray(data) || data.length !== count) return `sent another number of vectors than the ${count} it was asked for`
  const vectors: Float32Array[] = []
  for (const [place, item] of data.entries()) {
    const { index = place, embedding } = (item ?? {}) as { index?: unknown; embedding?: unknown }
    const vector = readVector(embedding, maxDimensions)
    if (vector === null) return 'sent a vector that is none'
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
