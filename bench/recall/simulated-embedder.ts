/**
 * Simulates a strong embedder for testing the weights of fusion, because no sentence encoder is available here. Half of a vector is the mean of
 * word vectors, so that texts with similar words stay near, as with real embedders; half is a direction of the turn's own. A question
 * points to its evidence's directions, with enough noise that vectors alone reach the published results of the best embedders on LoCoMo
 * (R@10 0.75).
 */
import { createLocalTextEngine, type TextEngineOptions } from '../../src/memory/index.ts'
import type { Dialogue } from './dialogue.ts'
import { type Chance, seededChance } from './generated/seeded-chance.ts'
import { spokenText } from './indexed-dialogue.ts'

export const simulatedName = 'simulated/strong'

/** Dimensions in addition to the table's. */
const ownDims = 64
/** Share of the word vector in the length. */
const wordShare = 0.7
const ownShare = Math.sqrt(1 - wordShare ** 2)

type Vector = readonly number[]

/** @param noise relative to a signal of 1 @returns an embedder for these dialogues; other texts get word vectors only */
export function simulateEmbedder(dialogues: readonly Dialogue[], seed: number, noise: number): NonNullable<TextEngineOptions['service']> {
  const chance = seededChance(seed)
  const own = new Map<string, Vector>()
  for (const { turns, questions } of dialogues) {
    const ofTurn = new Map(turns.map((turn) => [turn.id, direction(chance)]))
    for (const turn of turns) own.set(spokenText(turn), ofTurn.get(turn.id) ?? [])
    for (const { text, evidence } of questions) {
      const wanted = unit(sum(evidence.map((id) => ofTurn.get(id) ?? [])))
      own.set(text, unit(sum([wanted, direction(chance).map((value) => value * noise)])))
    }
  }
  const words = createLocalTextEngine({ embedder: 'words-50k' })
  return {
    async embed(model, texts, { purpose }) {
      const ofWords = await words.embed(texts, purpose)
      const vectors = texts.map((text, i) =>
        Float32Array.from([
          ...Array.from(ofWords[i] ?? [], (value) => value * wordShare),
          ...(own.get(text) ?? Array<number>(ownDims).fill(0)).map((value) => value * ownShare),
        ]),
      )
      const usage = { inputTokens: texts.length, outputTokens: 0, estimated: true }
      return { vectors, model, dimensions: vectors[0]?.length ?? 0, usage }
    },
  }
}

function direction(chance: Chance): Vector {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - chance.next())) * Math.cos(2 * Math.PI * chance.next())
  return unit(Array.from({ length: ownDims }, normal))
}

function sum(vectors: readonly Vector[]): Vector {
  return Array.from({ length: ownDims }, (_, i) => vectors.reduce((all, vector) => all + (vector[i] ?? 0), 0))
}

function unit(vector: Vector): Vector {
  const length = Math.hypot(...vector)
  return length === 0 ? vector : vector.map((value) => value / length)
}
