/**
 * The text engine: what the rest of memory asks of the thread that reads texts (passages, terms, vectors), so that nothing of it runs
 * on the event loop. Also the names of embedders, and the messages that the two sides exchange.
 */
import type { Passage, PassageVectors } from '../../store/index.ts'
import { OxbowError } from '../../base/index.ts'

/** How a text is cut into passages. */
export type TextFormat = 'text' | 'markdown' | 'code'

/** What is known of an embedder without asking it for a vector. */
export interface EmbedderFacts {
  /** Name and version of the model: vectors of two ids are never compared. */
  readonly id: string
  readonly dims: number
  /** How far its similarities can be trusted compared with words: weights of recall, chosen by the benchmark. */
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
  /** Weight of closeness word by word compared with both of them, 0 to 1: the better the vectors, the less there is left to say. */
  readonly closeness: number
}

/** `context`: terms of the headings above it, empty without headings. Whoever knows the turn before adds its terms. */
export type CutPassage = Passage

export interface UncutText {
  readonly text: string
  readonly format: TextFormat
  /** What stood before it; empty: nothing. */
  readonly before: string
}

export interface CutText {
  readonly passages: readonly CutPassage[]
  /** The terms of what stood before it. */
  readonly before: string
  /** Of its passages, where they cost no more than cutting: of few passages, by the table that ships with Oxbow. */
  readonly vectors?: PassageVectors
}

/** A question as both lists are asked. */
export interface ReadQuestion {
  readonly terms: readonly string[]
  /** Class terms of passages that have a noun of a class that the question names. */
  readonly classes: readonly string[]
  /** What must stand together, as it was written: quoted phrases and identifiers (paths, codes, names with digits). */
  readonly exact: readonly string[]
  /** The parts of a question that asks several things; one when it asks one. */
  readonly parts: readonly string[]
}

/** Begins class terms, which follow the words of a stored passage (see classes.ts). */
export const classMark = '^'

/** @param terms as stored: class terms are last @returns the terms of the text's own words */
export function wordPart(terms: string): string {
  return terms.slice(0, classStart(terms))
}

/** @param terms as stored @returns its class terms */
export function classPart(terms: string): string {
  return terms.slice(classStart(terms)).trimStart()
}

function classStart(terms: string): number {
  if (terms.startsWith(classMark)) return 0
  const at = terms.indexOf(` ${classMark}`)
  return at < 0 ? terms.length : at
}

export interface TextEngine {
  /** Null without an embedder (`memory.embedder = "none"`). Its facts; embedding itself is asked of `embed`. */
  embedder(): Promise<EmbedderFacts | null>
  /** Cuts at borders of sentences, headings and lines: about 640 UTF-16 units, 96 of overlap; code by lines. In order. */
  cut(texts: readonly UncutText[]): Promise<readonly CutText[]>
  /** Terms of a text as the index has them, separated by single spaces. */
  terms(text: string): Promise<string>
  /** The same with the class terms of its nouns: what a passage is stored with. */
  storedTerms(text: string): Promise<string>
  read(question: string): Promise<ReadQuestion>
  /** As `Embedder.embed`. @throws OxbowError `bad_config` without one; of a service as it fails: what was asked may be asked again later */
  embed(texts: readonly string[], purpose?: EmbedPurpose): Promise<readonly Float32Array<ArrayBuffer>[]>
  /** As `Embedder.closeness`, of the configured embedder or the built-in table; null where it says nothing, and without an embedder. */
  closeness(question: AskedTerms, passages: readonly PassageTerms[]): Promise<readonly number[] | null>
  /** Makes more of kept vectors, whatever is configured, where what ships with Oxbow makes them; else null. */
  embedderOf(model: string): Promise<Embedder | null>
  close(): Promise<void>
}

export type EmbedderName =
  | { readonly kind: 'none' | 'hash' | 'words' }
  | { readonly kind: 'folder' | 'onnx'; readonly path: string }
  | { readonly kind: 'service'; readonly model: string }

/** The table that ships with Oxbow. */
export const builtInEmbedder = 'words-50k'

/** @throws OxbowError `bad_config` for what is no name of an embedder */
export function readEmbedderName(name: string): EmbedderName {
  if (name === 'none' || name === '') return { kind: 'none' }
  if (name === 'hash') return { kind: 'hash' }
  if (name === builtInEmbedder) return { kind: 'words' }
  const local = /^(folder|onnx):(.+)$/s.exec(name)
  if (local !== null) return { kind: local[1] as 'folder' | 'onnx', path: local[2] as string }
  if (/^[^/\s:]+\/\S+$/.test(name)) return { kind: 'service', model: name }
  throw new OxbowError('bad_config', `There is no embedder ${JSON.stringify(name)}.`, {
    hint: `Set memory.embedder to ${builtInEmbedder}, none, folder:PATH, onnx:PATH or provider/model.`,
  })
}

/** Is it asked over the network, from the main side? */
export function isServiceName(name: string): boolean {
  return /^[^/\s:]+\/\S+$/.test(name)
}

/** Ids of the vectors that are made by what ships with Oxbow, and the names that make them. */
const builtIn: Readonly<Record<string, string>> = { 'words-50k-v1': 'words-50k', 'hash-64-v2': 'hash' }

/** @param model id of kept vectors @returns the name by which more of them can be made wherever Oxbow is; null for all others */
export function builtInNameOf(model: string): string | null {
  return Object.hasOwn(builtIn, model) ? (builtIn[model] ?? null) : null
}

/** Brings a vector to length 1, in place. One of zeros, or with what is no number, becomes zeros: it finds nothing. */
export function toUnit(vector: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  let sum = 0
  for (const value of vector) sum += value * value
  const length = Math.sqrt(sum)
  if (!Number.isFinite(length) || length < 1e-12) return vector.fill(0)
  for (let place = 0; place < vector.length; place += 1) vector[place] = (vector[place] ?? 0) / length
  return vector
}

/** Each question with what answers it. */
export interface TextQuestions {
  cut: { readonly ask: { readonly texts: readonly UncutText[] }; readonly answer: readonly CutText[] }
  terms: { readonly ask: { readonly text: string }; readonly answer: string }
  storedTerms: { readonly ask: { readonly text: string }; readonly answer: string }
  read: { readonly ask: { readonly question: string }; readonly answer: ReadQuestion }
  /** `embedder`: in place of the configured one. */
  embedder: { readonly ask: { readonly embedder?: string }; readonly answer: EmbedderFacts | null }
  embed: {
    readonly ask: { readonly texts: readonly string[]; readonly embedder?: string; readonly purpose?: EmbedPurpose }
    readonly answer: readonly Float32Array<ArrayBuffer>[]
  }
  closeness: {
    readonly ask: AskedTerms & { readonly passages: readonly PassageTerms[]; readonly embedder?: string }
    readonly answer: readonly number[] | null
  }
}

/** What the thread is started with. */
export interface TextThreadRole {
  /** A name of `memory.embedder` that a thread can serve. */
  readonly embedder: string
}
