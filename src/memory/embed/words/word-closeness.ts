/**
 * How close passages are to a question, word by word: for each word of the question the nearest word of the passage counts, by
 * cosine, and rare words of the question more than common ones. It sees what the mean of all words of a turn blurs, and is therefore
 * the stronger of the two; but it needs the words, so it ranks what was found and finds nothing. What stood before a passage counts,
 * too, less than the passage itself: an answer often leaves the matter to the question.
 *
 * Words are read as terms of the index, which are made already; what is in no table, and every name, is near nothing but itself.
 */
import type { AskedTerms, PassageTerms } from '../../text-engine.ts'
import { isStopWord } from '../../text/stop-words.ts'
import { stem } from '../../text/word-terms.ts'
import { contextCloseness, fewestCompared, leastKnownShare, maxClosenessTerms, maxClosenessWords, maxHeldWords } from '../embed-limits.ts'
import type { WordTable } from '../word-table.ts'
import { withoutShared } from './shared-directions.ts'
import { namesIn, placeOfTerm } from './known-words.ts'

/** @returns 0 to 1 for each passage, in order; null for a question of whose words too few are known, as in another language. Never throws. */
export type WordCloseness = (question: AskedTerms, passages: readonly PassageTerms[]) => readonly number[] | null

type Vector = Float32Array | null

export function createWordCloseness(table: WordTable): WordCloseness {
  let clean: ((place: number) => Float32Array) | null = null
  const held = new Map<string, Vector>()
  const vectorOf = (term: string): Vector => {
    const known = held.get(term)
    if (known !== undefined) return known
    if (held.size >= maxHeldWords) held.clear()
    clean ??= withoutShared(table)
    const place = placeOfTerm(table, term)
    // Small words are near everything that is small.
    const vector = place < 0 || isStopWord(table.wordAt(place)) ? null : clean(place)
    held.set(term, vector)
    return vector
  }
  return ({ question, terms }, passages) => {
    const names = new Set([...namesIn(question)].flatMap((name) => name.split(/['-]/)).map((name) => stem(name)))
    const common = terms.filter((term) => !names.has(term) && !/\d/.test(term))
    if (common.filter((term) => vectorOf(term) !== null).length < leastKnownShare * Math.max(1, common.length)) return null
    const numbers = numberTerms()
    const own = passages.map((passage) => numbers.of(passage.terms))
    const before = passages.map(({ context }) => numbers.of(context))
    const asked = terms
      .map((term) => ({ term, weight: rarity(own, numbers.number(term)) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, maxClosenessWords)
    const all = asked.reduce((sum, { weight }) => sum + weight, 0)
    const sums = passages.map(() => 0)
    for (const { term, weight } of asked) {
      const near = nearTo(term, names.has(term) ? null : vectorOf(term), numbers.terms(), vectorOf)
      for (const [i, each] of own.entries()) {
        const nearest = most(each, near)
        const wider = Math.max(nearest, most(before[i] ?? [], near))
        sums[i] = (sums[i] ?? 0) + weight * ((1 - contextCloseness) * nearest + contextCloseness * wider)
      }
    }
    return sums.map((sum) => (all === 0 ? 0 : Math.min(1, sum / all)))
  }
}

/** Gives each term of a question and its passages a number, so that each is compared once. */
function numberTerms(): {
  of(terms: string): readonly number[]
  number(term: string): number
  terms(): readonly string[]
} {
  const known = new Map<string, number>()
  const number = (term: string): number => {
    const there = known.get(term)
    if (there !== undefined) return there
    known.set(term, known.size)
    return known.size - 1
  }
  return {
    number,
    of: (terms) => {
      const distinct = new Set<number>()
      for (const term of terms.split(' ', maxClosenessTerms)) if (term !== '' && !isStopWord(term)) distinct.add(number(term))
      return [...distinct]
    },
    terms: () => [...known.keys()],
  }
}

/**
 * Among these passages: those of a search are the ones that a common word does not tell apart. Of few it is assumed that they are
 * among more, so that a word that a small memory does not have is not all that counts.
 */
function rarity(passages: readonly (readonly number[])[], asked: number): number {
  const having = passages.filter((terms) => terms.includes(asked)).length
  return Math.log(1 + (Math.max(passages.length, fewestCompared) - having + 0.5) / (having + 0.5))
}

/** By number of the term: 1 for the same, never below 0. */
function nearTo(term: string, vector: Vector, terms: readonly string[], vectorOf: (term: string) => Vector): Float32Array {
  return Float32Array.from(terms, (each) => {
    if (each === term) return 1
    const other = vector === null ? null : vectorOf(each)
    return vector === null || other === null ? 0 : Math.max(0, dot(vector, other))
  })
}

function most(terms: readonly number[], near: Float32Array): number {
  let best = 0
  for (const term of terms) best = Math.max(best, near[term] ?? 0)
  return best
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
