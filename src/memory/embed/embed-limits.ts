/** Limits and weights of embedders, each with its reason. */
import type { FusionWeights } from '../text/text-engine.ts'

/** Words of a text that a table of words looks at: a passage has a hundred; more would only blur what it is about. */
export const maxEmbeddedUnits: number = 8 * 1024
/** Terms of a passage that are compared with a question's: more than any passage has that was cut. */
export const maxClosenessTerms = 400
/** Weight of a text together with what stood before it, compared with the text alone. */
export const contextCloseness = 0.4
/** Weight of a text's second nearest word compared with the nearest: two near words say more than one. */
export const secondNearest = 0.2
/** Weight of a light word of a question compared with its others. */
export const lightWordShare = 0.5
/** Passages among which a word is taken to be rare, at least: as many as a search brings. */
export const fewestCompared = 40
/** Of the words of a question, names left out: with fewer that a table knows, it is a question that the table cannot read. */
export const leastKnownShare = 0.5
/** Words of a question that are compared, the rarest: each is held against all words of all texts. */
export const maxClosenessWords = 24
/** Closeness of a noun to a word that names its class: 0.35 to 0.6 find the same, more takes exact words for less. */
export const classCloseness = 0.45
/** The least closeness of words of one topic; their vectors count on top of it: 0.5 finds fewer answers in other words, 0.7 no more. */
export const topicCloseness = 0.6
/** Words whose vectors are held: so many take six megabytes, and are more than a person uses. */
export const maxHeldWords = 16_000
/** Words of questions for which is held how near each other word is: four megabytes, with room for so many new words in each. */
export const maxHeldRows = 64
export const spareWords = 256
/** A vector of more dimensions is no embedding of today, and its passages would take more than their text. */
export const maxDims = 4_096
/** Of the built-in table: from 0.3 on both lists together find less at the very first place than words alone, on one set of two. */
export const tableWeights: FusionWeights = { vector: 0.2, text: 0.8, closeness: 0.82 }
/** Tables of words and sentence encoders without attention are weak compared with words (LoCoMo: R@10 0.47 alone, words 0.69). */
export const weakWeights: FusionWeights = { vector: 0.3, text: 0.7, closeness: 0.6 }
/** Of models that read whole sentences. No such model could be had here: chosen with a simulated one, that finds alone what they are said to (R@10 0.75). */
export const strongWeights: FusionWeights = { vector: 0.5, text: 0.5, closeness: 0.3 }
/** Passages of one batch of vectors: at least so many, because a service is asked for each batch; at most as many as one write bears. */
export const minVectorBatch = 16
export const maxVectorBatch = 256
/** A batch aims at this long. */
export const vectorBatchMs = 50
/** Texts whose vectors are made before a waiting question is looked for: some two milliseconds. */
export const embeddedAtOnce = 8
/** Passages that get their vectors with their terms, in one transaction: what is said in a turn or two. More would hold up questions for milliseconds. */
export const embeddedWhenCut = 32
/** What is put together gets its vectors together. Far below the two seconds in which meaning must find it. */
export const vectorLingerMs = 100
/**
 * A guest that ends has this long for vectors of what was put just now: one that is started for `oxbow memory add` alone is over
 * before its linger, and so would the next one be, and the one after it.
 */
export const lastVectorsMs = 1_000
/** After a failure: a service that is busy, or a thread that dies on one text, is not asked in a circle. */
export const vectorRestMs = 30_000
/** A question waits this long for its vector, then it goes by its words: half of what recall before a turn may take. */
export const questionPatienceMs = 750
/** Texts that a service is asked for at once: what every known service takes in one request, so that what it costs is settled for each. */
export const maxServiceTexts = 100
