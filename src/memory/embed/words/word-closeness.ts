/**
 * How close texts are to a question, word by word: for each word of the question the nearest word of the text counts, by cosine, and
 * rare words of the question more than common ones. It sees what the mean of all words of a turn blurs, and is therefore the stronger
 * of the two; but it needs the texts, so it ranks what was found and finds nothing. What stood before a text counts, too, less than
 * the text itself: an answer often leaves the matter to the question.
 */
import { stem } from '../../text/word-terms.ts'
import { isStopWord } from '../../text/stop-words.ts'
import type { TextInContext } from '../../text-engine.ts'
import { contextCloseness, maxClosenessUnits, maxClosenessWords, maxHeldWords } from '../embed-limits.ts'
import type { WordTable } from '../word-table.ts'
import { withoutCommon } from './common-directions.ts'
import { findForm, namesIn, tellingWords } from './known-words.ts'

/** @returns 0 to 1 for each text, in order. Never throws. */
export type WordCloseness = (question: string, texts: readonly TextInContext[]) => readonly number[]

interface Known {
  readonly stem: string
  /** Null for what is in no table: it is near nothing but itself. */
  readonly vector: Float32Array | null
}

export function createWordCloseness(table: WordTable): WordCloseness {
  let vectorAt: ((place: number) => Float32Array) | null = null
  const known = new Map<string, Known>()
  const know = (word: string): Known => {
    const there = known.get(word)
    if (there !== undefined) return there
    if (known.size >= maxHeldWords) known.clear()
    vectorAt ??= withoutCommon(table)
    const place = findForm(table, word)
    const fresh = { stem: stem(word), vector: place < 0 ? null : vectorAt(place) }
    known.set(word, fresh)
    return fresh
  }
  /** Distinct by their stems. */
  const wordsIn = (text: string): ReadonlyMap<string, Known> => {
    const distinct = new Map<string, Known>()
    for (const word of tellingWords(text.slice(0, maxClosenessUnits))) {
      for (const part of word.replace(/'s$/, '').split(/['-]/)) {
        if (part === '' || isStopWord(part)) continue
        const each = know(part)
        if (!distinct.has(each.stem)) distinct.set(each.stem, each)
      }
    }
    return distinct
  }
  return (question, texts) => {
    const names = new Set([...namesIn(question)].flatMap((name) => name.replace(/'s$/, '').split(/['-]/)).map((name) => stem(name)))
    const held = texts.map(({ text }) => wordsIn(text))
    const before = texts.map(({ context }) => wordsIn(context))
    const asked = [...wordsIn(question).values()]
      .map((word) => ({ word: names.has(word.stem) ? { ...word, vector: null } : word, weight: rarity(held, word.stem) }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, maxClosenessWords)
    const all = asked.reduce((sum, { weight }) => sum + weight, 0)
    const sums = texts.map(() => 0)
    for (const { word, weight } of asked) {
      const near = new Map<string, number>()
      for (const [i, words] of held.entries()) {
        const own = nearest(word, words, near)
        const wider = own === 1 ? 1 : Math.max(own, nearest(word, before[i] ?? nothing, near))
        sums[i] = (sums[i] ?? 0) + weight * ((1 - contextCloseness) * own + contextCloseness * wider)
      }
    }
    return sums.map((sum) => (all === 0 ? 0 : Math.min(1, sum / all)))
  }
}

const nothing: ReadonlyMap<string, Known> = new Map()

/** Among these texts: those of a search are the ones that a common word does not tell apart. */
function rarity(texts: readonly ReadonlyMap<string, Known>[], stemmed: string): number {
  const having = texts.filter((words) => words.has(stemmed)).length
  return Math.log(1 + (texts.length - having + 0.5) / (having + 0.5))
}

/** @param near what was compared before, by stem */
function nearest(asked: Known, words: ReadonlyMap<string, Known>, near: Map<string, number>): number {
  if (words.has(asked.stem)) return 1
  let best = 0
  for (const [stemmed, { vector }] of words) {
    let cosine = near.get(stemmed)
    if (cosine === undefined) {
      cosine = asked.vector === null || vector === null ? 0 : dot(asked.vector, vector)
      near.set(stemmed, cosine)
    }
    if (cosine > best) best = cosine
  }
  return best
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}
