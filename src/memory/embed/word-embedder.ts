/**
 * The embedder that ships with Oxbow, over a table of word vectors: the vector of a text is the mean of its words, and closeness
 * compares a question with passages word by word.
 */
import { readFileSync } from 'node:fs'
import { createRecentMap, OxbowError } from '../../base/index.ts'
import { classTermsFor, isPlace, topicTermsFor } from '../text/classes.ts'
import { isStopWord } from '../text/english-words.ts'
import { stem } from '../text/terms.ts'
import { type AskedTerms, type Embedder, type EmbedPurpose, type PassageTerms, classPart, toUnit, wordPart } from '../text/text-engine.ts'
import {
  classCloseness,
  topicCloseness,
  contextCloseness,
  fewestCompared,
  leastKnownShare,
  lightWordShare,
  maxClosenessTerms,
  maxClosenessWords,
  maxEmbeddedUnits,
  maxHeldRows,
  maxHeldWords,
  secondNearest,
  spareWords,
  tableWeights,
} from './embed-limits.ts'
import {
  decodeShared,
  isLightTerm,
  namesIn,
  partsOfTerm,
  placeOfTerm,
  placesOf,
  readWordTable,
  type SharedParts,
  sharedPartsOf,
  tellingWords,
  withoutShared,
  type WordTable,
} from './word-table.ts'
import shared from './words-50k-shared.json' with { type: 'json' }

/** Changes with the table and with how texts are read: vectors of different ids are never compared. */
const builtInId = 'words-50k-v1'

/** Blocks for some milliseconds: for the thread. @throws OxbowError `bad_config` when the table is missing or damaged */
export function openBuiltInWords(): Embedder {
  const file = new URL('./words-50k.bin', import.meta.url)
  let bytes: Uint8Array<ArrayBuffer>
  try {
    bytes = readFileSync(file)
  } catch (cause) {
    const hint = 'Install Oxbow again, or set memory.embedder to none.'
    throw new OxbowError('bad_config', 'The table of word vectors is missing.', { hint, cause })
  }
  const table = readWordTable(bytes)
  return createWordEmbedder(table, builtInId, decodeShared(shared.words, table.dims))
}

/**
 * Vectors of texts from a table of word vectors: the mean of the words that say something. Weights by how rare a word is, and
 * taking out the direction that all texts share, were measured and are worse (evidence recall at 10 on generated dialogues: mean
 * without stop words 0.32, by rarity 0.26 to 0.31, with the first direction out 0.30; with stop words 0.17). Names in a question are
 * left out: all turns that call somebody by name are near it otherwise.
 */

/** @param parts of the table, where they are known */
export function createWordEmbedder(table: WordTable, id: string, parts?: SharedParts): Embedder {
  const closeness = createWordCloseness(table, parts)
  return {
    id,
    dims: table.dims,
    weights: tableWeights,
    embed: async (texts, purpose) => texts.map((text) => embedOne(table, text, purpose)),
    closeness: async (question, passages) => closeness(question, passages),
  }
}

function embedOne(table: WordTable, whole: string, purpose: EmbedPurpose = 'document'): Float32Array<ArrayBuffer> {
  const text = whole.slice(0, maxEmbeddedUnits)
  const all = tellingWords(text)
  const names = purpose === 'query' ? namesIn(text) : null
  const others = names === null ? all : all.filter((word) => !names.has(word.replace(/'s$/, '')))
  const vector = new Float32Array(table.dims)
  // A question of names only is about these names.
  for (const word of others.length > 0 ? others : all) for (const place of placesOf(table, word)) table.addTo(vector, place, 1)
  return toUnit(vector)
}

/**
 * How close passages are to a question, word by word: for each word of the question the nearest word of the passage counts, by
 * cosine, and rare words of the question more than common ones. It is more precise than mean vectors but needs the words of each passage,
 * so it only ranks candidates. The turn before a passage counts too, with less weight: an answer often leaves the topic to the question.
 *
 * A question word that has a near word in every passage does not discriminate: its weight is the mean of its own rarity and of the rarity
 * of words near it.
 *
 * A noun of a class that a question word names is near that word, whatever their vectors say, and a word of its topic even more.
 * Words are compared as terms of the index. A word that the table does not know is compared by its two parts ("seasick"). Names
 * match only themselves, but place names are near what lies there.
 */

/** @returns 0 to 1 for each passage, in order; null if too few words of the question are known, as in another language. Never throws. */
export type WordCloseness = (question: AskedTerms, passages: readonly PassageTerms[]) => readonly number[] | null

type Vector = Float32Array | null

/** The words of a passage by their numbers. */
interface ReadPassage {
  readonly own: Int32Array
  readonly classes: ReadonlySet<string>
  readonly before: Int32Array
}

export function createWordCloseness(table: WordTable, known?: SharedParts): WordCloseness {
  let held: HeldWords | null = null
  let parts = known
  return ({ question, terms }, passages) => {
    // Made anew when it is full: the words that are in use come back soon.
    if (held === null || held.count() > maxHeldWords) held = createHeldWords(table, (parts ??= sharedPartsOf(table)))
    const words = held
    const names = new Set([...namesIn(question)].flatMap((name) => name.split(/['-]/)).map((name) => stem(name)))
    const common = terms.filter((term) => !names.has(term) && !/\d/.test(term))
    // A word of another language may happen to have two English parts.
    if (
      common.filter((term) => placeOfTerm(table, term) >= 0 && words.vectorOf(words.number(term)) !== null).length <
      leastKnownShare * Math.max(1, common.length)
    )
      return null
    const read = passages.map(words.read)
    const others = words.distinct(read)
    const asked = terms
      .map((term) => ({ term, having: read.filter(({ own }) => own.includes(words.number(term))).length }))
      .sort((a, b) => a.having - b.having)
      .slice(0, maxClosenessWords)
    const sums = new Float64Array(passages.length)
    let weights = 0
    for (const { term, having } of asked) {
      const isName = names.has(term)
      const near = words.nearTo(words.number(term), isName && !isPlace(term), others)
      const wanted = isName || isLightTerm(term) ? [] : classTermsFor(term)
      const topics = isName ? [] : topicTermsFor(term)
      const nearest = read.map(({ own, classes }) => {
        const byVector = nearestTwo(own, near)
        const byTopic = topics.some((name) => classes.has(name)) ? topicCloseness + (1 - topicCloseness) * byVector : byVector
        return wanted.some((name) => classes.has(name)) ? Math.max(byTopic, classCloseness) : byTopic
      })
      const softly = nearest.reduce((sum, each) => sum + each * each, 0)
      const weight = ((rarity(read.length, having) + rarity(read.length, softly)) / 2) * (isLightTerm(term) ? lightWordShare : 1)
      weights += weight
      for (const [i, { before }] of read.entries()) {
        const itself = nearest[i] as number
        const wider = Math.max(itself, most(before, near))
        sums[i] = (sums[i] as number) + weight * ((1 - contextCloseness) * itself + contextCloseness * wider)
      }
    }
    return Array.from(sums, (sum) => (weights === 0 ? 0 : Math.min(1, sum / weights)))
  }
}

/** Similarity to one word by a word's number: 1 for the same, never below 0, and below 0 where it was not compared. */
type Near = Float32Array

interface HeldWords {
  count(): number
  number(term: string): number
  /** Null for a word that the table does not know, and for stop words. */
  vectorOf(number: number): Vector
  /** @param isAlone it is near no other word @param others with which it is compared */
  nearTo(number: number, isAlone: boolean, others: readonly number[]): Near
  /** Numbers of all words of these passages. */
  distinct(passages: readonly ReadPassage[]): readonly number[]
  /** The same passage is read once. */
  read(passage: PassageTerms): ReadPassage
}

/** Words of questions and passages by numbers, with what was found out about them: most of them come again. */
function createHeldWords(table: WordTable, parts: SharedParts): HeldWords {
  const clean = withoutShared(table, parts)
  const known = new Map<string, number>()
  const terms: string[] = []
  const vectors: Vector[] = []
  const readBefore = new WeakMap<PassageTerms, ReadPassage>()
  const rows = createRecentMap<number, Float32Array>(maxHeldRows)
  const collect = createDistinct()
  /** By number: the last reading that had it; Infinity for stop words. */
  const readIn: number[] = []
  let readings = 0
  const numberOf = (term: string): number => {
    const there = known.get(term)
    if (there !== undefined) return there
    known.set(term, terms.length)
    readIn.push(term === '' || isStopWord(term) ? Infinity : 0)
    return terms.push(term) - 1
  }
  const vectorOf = (of: number): Vector => {
    const held = vectors[of]
    if (held !== undefined) return held
    const places = partsOfTerm(table, terms[of] as string)
    // Vectors of stop words are near each other.
    const isVoid = places.length === 0 || places.some((place) => isStopWord(table.wordAt(place)))
    return (vectors[of] = isVoid ? null : meanOf(places.map(clean)))
  }
  const numbersOf = (words: string): Int32Array => {
    readings++
    const isNew = (number: number): boolean => (readIn[number] as number) < readings && (readIn[number] = readings) > 0
    return Int32Array.from(wordPart(words).split(' ', maxClosenessTerms).map(numberOf).filter(isNew))
  }
  /** By number; below 0 where it was not compared yet. */
  const rowOf = (of: number): Float32Array => {
    const before = rows.get(of)
    if (before !== undefined && before.length >= terms.length) return before
    const row = new Float32Array(terms.length + spareWords).fill(-1)
    if (before !== undefined) row.set(before)
    rows.put(of, row)
    return row
  }
  return {
    count: () => terms.length,
    number: numberOf,
    vectorOf,
    nearTo(of, isAlone, others) {
      const vector = isAlone ? null : vectorOf(of)
      const row = vector === null ? new Float32Array(terms.length) : rowOf(of)
      row[of] = 1
      if (vector === null) return row
      for (const each of others) {
        if ((row[each] as number) >= 0) continue
        const other = vectorOf(each)
        row[each] = other === null ? 0 : Math.max(0, dot(vector, other))
      }
      return row
    },
    distinct: (passages) => collect(passages, terms.length),
    read(passage) {
      const held = readBefore.get(passage)
      if (held !== undefined) return held
      const { terms: own, context } = passage
      const read = { own: numbersOf(own), classes: new Set(classPart(own).split(' ')), before: numbersOf(context) }
      readBefore.set(passage, read)
      return read
    },
  }
}

/** @returns what collects the numbers of all words of passages, each once; numbers are below `end` */
function createDistinct(): (passages: readonly ReadPassage[], end: number) => readonly number[] {
  /** By number: the last collection that had it. */
  let marks = new Int32Array(1_024)
  let collections = 0
  return (passages, end) => {
    if (marks.length < end) marks = new Int32Array(end * 2)
    const found: number[] = []
    collections++
    const add = (numbers: Int32Array): void => {
      for (const number of numbers) {
        if (marks[number] === collections) continue
        marks[number] = collections
        found.push(number)
      }
    }
    for (const { own, before } of passages) {
      add(own)
      add(before)
    }
    return found
  }
}

/** Of vectors with length 1, and with that length too. */
function meanOf(vectors: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  const [first, second] = vectors
  if (first === undefined || second === undefined) return first ?? new Float32Array(0)
  return toUnit(first.map((value, i) => value + (second[i] as number)))
}

/**
 * Inverse document frequency among the candidates. At least `fewestCompared` passages are assumed, so that in a small memory a word that
 * occurs nowhere does not dominate.
 * @param having how many passages have the term; a near word may count for a fraction
 */
function rarity(passages: number, having: number): number {
  return Math.log(1 + (Math.max(passages, fewestCompared) - having + 0.5) / (having + 0.5))
}

/** 1 if the word itself occurs; otherwise the two nearest words count. */
function nearestTwo(terms: Int32Array, near: Near): number {
  let best = 0
  let second = 0
  for (const term of terms) {
    const each = near[term] as number
    if (each > best) {
      second = best
      best = each
    } else if (each > second) second = each
  }
  return best >= 1 ? 1 : (1 - secondNearest) * best + secondNearest * second
}

/** In the turn before, one near word is enough to name the topic. */
function most(terms: Int32Array, near: Near): number {
  let best = 0
  for (const term of terms) best = Math.max(best, near[term] as number)
  return best
}

/** Four sums, since a processor adds them at once: some thousand products a question. */
function dot(a: Float32Array, b: Float32Array): number {
  let [first, second, third, fourth] = [0, 0, 0, 0]
  let i = 0
  for (; i + 3 < a.length; i += 4) {
    first += (a[i] as number) * (b[i] as number)
    second += (a[i + 1] as number) * (b[i + 1] as number)
    third += (a[i + 2] as number) * (b[i + 2] as number)
    fourth += (a[i + 3] as number) * (b[i + 3] as number)
  }
  for (; i < a.length; i++) first += (a[i] as number) * (b[i] as number)
  return first + second + (third + fourth)
}
