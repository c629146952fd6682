/**
 * The text engine as recall asks it: while vectors of another model are being made, questions become vectors of the one that is
 * complete, where that can still be had.
 */
import type { Embedder, TextEngine } from '../text-engine.ts'

/** @param meanwhile id of the model that is complete while another is being made; null when the configured one is */
export function askedMeanwhile(text: TextEngine, meanwhile: () => string | null): TextEngine {
  const complete = async (): Promise<Embedder | null> => {
    const model = meanwhile()
    return model === null ? null : text.embedderOf(model)
  }
  return {
    ...text,
    async embedder() {
      const other = await complete()
      if (other === null) return text.embedder()
      const { id, dims, weights } = other
      return { id, dims, weights }
    },
    async embed(texts, purpose) {
      const other = await complete()
      return other === null ? text.embed(texts, purpose) : other.embed(texts, purpose)
    },
  }
}
