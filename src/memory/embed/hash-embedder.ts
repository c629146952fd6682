/** An embedder for tests: the same text has the same vector everywhere, and texts that share words are near each other. */
import { createHasher } from '../../store/index.ts'
import type { Embedder } from '../text-engine.ts'
import { termsOf } from '../text/terms.ts'
import { maxEmbeddedUnits, weakWeights } from './embed-limits.ts'
import { toUnit } from './unit-vector.ts'

const dims = 64

/** Each distinct term adds the 64 hexadecimal digits of its BLAKE3, -7.5 to 7.5. */
export async function openHashEmbedder(): Promise<Embedder> {
  const hash = await createHasher()
  const embedOne = (text: string): Float32Array<ArrayBuffer> => {
    const vector = new Float32Array(dims)
    for (const term of new Set(termsOf(text.slice(0, maxEmbeddedUnits)))) {
      const digits = hash(term)
      for (let place = 0; place < dims; place += 1) vector[place] = (vector[place] ?? 0) + Number.parseInt(digits[place] ?? '0', 16) - 7.5
    }
    return toUnit(vector)
  }
  // Of words it knows nothing, and nobody else is asked for them.
  return { id: 'hash-64-v1', dims, weights: weakWeights, embed: async (texts) => texts.map(embedOne), closeness: async () => null }
}
