/** Limits and weights of embedders, each with its reason. */
import type { FusionWeights } from '../text-engine.ts'

/** Words of a text that a table of words looks at: a passage has a hundred; more would only blur what it is about. */
export const maxEmbeddedUnits: number = 8 * 1024
/** A vector of more dimensions is no embedding of today, and its passages would take more than their text. */
export const maxDims = 4_096
/** Tables of words and sentence encoders without attention are weak beside words (LoCoMo: R@10 0.47 alone, words 0.69). */
export const weakWeights: FusionWeights = { vector: 0.3, text: 0.7 }
/** Of models that read whole sentences. Not measured here: no such model could be had. */
export const strongWeights: FusionWeights = { vector: 0.5, text: 0.5 }
