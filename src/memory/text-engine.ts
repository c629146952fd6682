/** What the rest of the memory room asks of the thread that reads texts: cutting, terms and vectors. Nothing of it runs on the event loop. */
import type { Passage } from '../store/index.ts'

export type TextFormat = 'text' | 'markdown' | 'code'

/** What is known of an embedder without asking it for a vector. */
export interface EmbedderFacts {
  /** Name and version of the model: vectors of two ids are never compared. */
  readonly id: string
  readonly dims: number
  /** How far its similarities can be trusted beside words: weights of recall, chosen by the benchmark. */
  readonly weights: FusionWeights
}

export interface Embedder extends EmbedderFacts {
  /** Unit vectors, one for each text, in order. A text without any known word gives a vector of zeros, which finds nothing. */
  embed(texts: readonly string[], purpose?: EmbedPurpose): Promise<readonly Float32Array<ArrayBuffer>[]>
  /**
   * How close each passage is to a question word by word, 0 to 1, in order; null where it cannot read the question. Absent: it knows no
   * single words, and the built-in table is asked.
   */
  closeness?(question: AskedTerms, passages: readonly PassageTerms[]): Promise<readonly number[] | null>
}

/** A question, and the terms that it is looked up by. */
export interface AskedTerms {
  readonly question: string
  readonly terms: readonly string[]
}

/** The terms of a passage, and of what stood before it. */
export type PassageTerms = Pick<Passage, 'terms' | 'context'>

/** What the vectors are for: some models tell a question from what is kept. Absent: what is kept. */
export type EmbedPurpose = 'document' | 'query'

/** Weights of the two lists after each was brought to 0 … 1; they add up to 1. */
export interface FusionWeights {
  readonly vector: number
  readonly text: number
  /** What closeness word by word counts beside both of them, 0 to 1: the better the vectors, the less there is left to say. */
  readonly closeness: number
}

/** `context`: terms of the headings above it, empty where there are none. Whoever knows the turn before adds its terms. */
export type CutPassage = Passage

/** A question as both lists are asked. */
export interface ReadQuestion {
  readonly terms: readonly string[]
  /** What must stand together, as it was written: quoted phrases and identifiers (paths, codes, names with digits). */
  readonly exact: readonly string[]
  /** The parts of a question that asks several things; one when it asks one. */
  readonly parts: readonly string[]
}

export interface TextEngine {
  /** Null when there is none (`memory.embedder = "none"`). Its facts; embedding itself is asked of `embed`. */
  embedder(): Promise<EmbedderFacts | null>
  /** Cuts at borders of sentences, headings and lines: about 640 UTF-16 units, 96 of overlap; code by lines. In order. */
  cut(text: string, format: TextFormat): Promise<readonly CutPassage[]>
  /** Terms of a text as the index has them, separated by single spaces. */
  terms(text: string): Promise<string>
  read(question: string): Promise<ReadQuestion>
  /** As `Embedder.embed`. @throws OxbowError `bad_config` without one; of a service as it fails: what was asked may be asked again later */
  embed(texts: readonly string[], purpose?: EmbedPurpose): Promise<readonly Float32Array<ArrayBuffer>[]>
  /** As `Embedder.closeness`, of the configured embedder or the built-in table; null where it says nothing, and without an embedder. */
  closeness(question: AskedTerms, passages: readonly PassageTerms[]): Promise<readonly number[] | null>
  /** Makes more of kept vectors, whatever is configured, where what ships with Oxbow makes them; else null. */
  embedderOf(model: string): Promise<Embedder | null>
  close(): Promise<void>
}
