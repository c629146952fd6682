/**
 * Classes of nouns: "Which instrument does she play?" finds "a theremin, I got it last week". A stored passage has, besides its own terms, a
 * class term (`^instrument`) for each word of the classes of its nouns, from WordNet; a question is also searched by the class terms of its
 * words. Kinds (`^@place`) are whole branches of WordNet, which questions name in many ways: "where", "destination", "vacation". Topics
 * (`^#child`) are lists of our own, for words of any kind: see topics.ts.
 *
 * Class terms are on the passage's side because a class has thousands of nouns and a noun few classes. No text contains one: terms never
 * begin with the mark.
 */
import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import { type ClassTable, readClassTable } from './class-table.ts'
import { stem, termsOf } from './terms.ts'
import { classMark } from './text-engine.ts'
import { maxClassTerms } from './text-limits.ts'
import { topicsOfTerm } from './topics.ts'

/** Begins the name of a kind, in the table and in class terms. */
export const kindMark = '@'
/** The same for a topic: see topics.ts. */
const topicMark = '#'

/** English words by which a question asks for a kind. The branches of each kind are in scripts/make-class-table.ts. */
const askedBy: Readonly<Record<string, string>> = {
  place: 'where place city town country destination location travel trip vacation holiday visit tour',
  worker: 'job occupation profession career employ position role',
  animal: 'pet animal',
  food: 'food eat cook meal dish bake cuisine snack recipe',
  plant: 'plant flower garden grow cultivate',
  vehicle: 'transport vehicle drive',
  injury: 'hurt injury ill sick accident disease health',
  sport: 'sport exercise workout fitness game',
  music: 'instrument musical music',
}

const kindOf: ReadonlyMap<string, string> = new Map(
  Object.entries(askedBy).flatMap(([kind, words]) => words.split(' ').map((word) => [stem(word), classMark + kindMark + kind] as const)),
)

/** Immutable data, read once by each thread that needs it. */
function openOnce(): () => ClassTable {
  let opened: ClassTable | null = null
  return () => (opened ??= readClassTable(brotliDecompressSync(readFileSync(new URL('./classes.bin.br', import.meta.url)))))
}

const table = openOnce()

/**
 * Reads the table on first use, which blocks for some milliseconds: for the text thread.
 * @param terms of a stored text, in order @returns distinct class terms of its nouns, `maxClassTerms` at most
 * @throws OxbowError `bad_config` for a damaged table
 */
export function classTermsOf(terms: readonly string[]): readonly string[] {
  const own = new Set(terms)
  const found = new Set<string>()
  for (const [i, term] of terms.entries()) {
    if (found.size >= maxClassTerms) break
    for (const topic of topicsOfTerm(term)) found.add(topicTerm(topic))
    // Names of two words, such as places and sports.
    for (const noun of [term, `${term} ${terms[i + 1] ?? ''}`]) {
      for (const each of table().classesOf(noun)) if (each.startsWith(kindMark) || !own.has(each)) found.add(classMark + each)
    }
  }
  return [...found].slice(0, maxClassTerms)
}

/** @returns the terms of a text that is stored, and the class terms of its nouns, separated by spaces. @throws as `classTermsOf` */
export function storedTermsOf(text: string): string {
  const terms = termsOf(text)
  return [...terms, ...classTermsOf(terms)].join(' ')
}

/** @param terms of the question @returns class terms to search by. "where" is a stop word, so the question itself is read too. */
export function classTermsAsked(question: string, terms: readonly string[]): readonly string[] {
  const kinds = [...terms, ...(/\bwhere\b/i.test(question) ? [stem('where')] : [])].flatMap((term) => kindOf.get(term) ?? [])
  return [...new Set([...terms.map((term) => classMark + term), ...kinds, ...terms.flatMap(topicTermsFor)])]
}

/** @returns the class terms that match a term of a question: of the class that it names, and of a kind that it asks for */
export function classTermsFor(term: string): readonly string[] {
  const kind = kindOf.get(term)
  return kind === undefined ? [classMark + term] : [classMark + term, kind]
}

/** @returns the class terms of the topics of a term */
export function topicTermsFor(term: string): readonly string[] {
  return topicsOfTerm(term).map(topicTerm)
}

/** @returns whether a term is the name of a town, a country or the like. Reads the table on first use. @throws as `classTermsOf` */
export function isPlace(term: string): boolean {
  return table().classesOf(term).includes(`${kindMark}place`)
}

function topicTerm(topic: string): string {
  return `${classMark}${topicMark}${topic}`
}
