/**
 * Vectors of a model service, asked from the main side by a call of the kernel's: it is on record, and under the user's budget. Texts
 * leave the machine: nothing comes here unless the configuration names a service. A failure goes to the caller, who asks again later;
 * nothing is remembered of it.
 */
import type { Embedded, Engine } from '../../types/index.ts'
import { OxbowError } from '../../types/index.ts'
import { type Embedder, type EmbedderFacts, toUnit } from '../text/text-engine.ts'
import { maxDims, maxServiceTexts, strongWeights } from './embed-limits.ts'

/** What makes vectors. */
export type EmbeddingService = Pick<Engine, 'embed'>

export interface ServiceEmbedder {
  /** Asks for one vector the first time, to learn its size. @throws OxbowError of the service */
  facts(): Promise<EmbedderFacts>
  readonly embed: Embedder['embed']
  /** What is under way fails with `cancelled`. */
  close(): void
}

/** @param model `provider/model` @throws OxbowError `bad_config` on use, without a service */
export function openServiceEmbedder(model: string, service: EmbeddingService | undefined): ServiceEmbedder {
  const closing = new AbortController()
  let known: EmbedderFacts | undefined
  const ask = async (texts: readonly string[], purpose: 'document' | 'query'): Promise<Embedded> => {
    if (service === undefined) {
      throw new OxbowError('bad_config', `The embedder ${model} is a service, and none can be asked here.`, {
        hint: 'Set memory.embedder to words-50k, or ask a running guest.',
      })
    }
    const embedded = await service.embed(model, texts, { purpose }, closing.signal)
    if (embedded.dimensions > maxDims) {
      throw new OxbowError('bad_config', `${model} makes vectors of ${embedded.dimensions} numbers; at most ${maxDims} can be kept.`, {
        hint: 'Choose another embedding model.',
      })
    }
    if (known === undefined && embedded.dimensions > 0) {
      known = { id: `${model}@${embedded.dimensions}`, dims: embedded.dimensions, weights: strongWeights }
    }
    if (known !== undefined && embedded.vectors.some(({ length }) => length !== known?.dims)) {
      throw new OxbowError('model_garbled', `${model} made vectors of another size than before.`, { hint: 'Run oxbow memory reindex.' })
    }
    return embedded
  }
  return {
    async facts() {
      if (known === undefined) await ask(['ox'], 'document')
      if (known === undefined)
        throw new OxbowError('model_garbled', `${model} made no vector.`, { hint: 'Choose another embedding model.' })
      return known
    },
    async embed(texts, purpose = 'document') {
      if (texts.length === 0) return []
      // Services refuse a text without a character.
      const filled = texts.map((text) => (text.trim() === '' ? '-' : text))
      const vectors: Float32Array<ArrayBuffer>[] = []
      for (let at = 0; at < filled.length; at += maxServiceTexts) {
        const made = await ask(filled.slice(at, at + maxServiceTexts), purpose)
        vectors.push(...made.vectors.map((vector) => toUnit(Float32Array.from(vector))))
      }
      return vectors
    },
    close: () => closing.abort(),
  }
}
