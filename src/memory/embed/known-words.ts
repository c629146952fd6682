/** The words of a text, and where a table of word vectors has them: as they are, in another form, or in their parts. */
import { cleanText, stem } from '../text/terms.ts'
import { isStopWord, regular } from '../text/english-words.ts'
import type { WordTable } from './word-table.ts'

const words = /[\p{L}\p{N}]+(?:['-][\p{L}\p{N}]+)*/gu
/** Humps are parted before case is lost. */
const hump = /(?<=\p{Ll})(?=\p{Lu})/gu
/** Endings, and what the table may have instead. */
const endings: readonly (readonly [RegExp, string])[] = [
  [/'s?$/, ''],
  [/ies$/, 'y'],
  [/es$/, ''],
  [/s$/, ''],
  [/ing$/, ''],
  [/ing$/, 'e'],
  [/ed$/, ''],
  [/ed$/, 'e'],
  [/ly$/, ''],
]
/** A word with a capital that begins no sentence. */
const insideName = /(?<=[\p{L}\p{N},;:'"“”)] ?) \p{Lu}[\p{L}\p{M}]*(?:['-]\p{Lu}[\p{L}\p{M}]*)*/gu

/** Lower case, in order; of nothing but stop words these are what a text says. */
export function tellingWords(text: string): readonly string[] {
  const all = cleanText(text).replace(hump, ' ').toLowerCase().match(words) ?? []
  const telling = all.filter((word) => !isStopWord(word.replaceAll("'", '')))
  return telling.length > 0 ? telling : all
}

/**
 * Names of people and places in a question, lower case. Their vectors say that they are names, and little of whose: words find them
 * as they are written. None in a text that is written in capitals, or with one on every word.
 */
export function namesIn(question: string): ReadonlySet<string> {
  const names = question.match(insideName) ?? []
  const all = question.match(words) ?? []
  return new Set(names.length * 2 > all.length ? [] : names.map((name) => name.trim().toLowerCase()))
}

/** The word, or a form of it, or its parts; empty when nothing of it is known. */
export function placesOf(table: WordTable, word: string): readonly number[] {
  const place = findForm(table, word)
  if (place >= 0) return [place]
  const parts = word.split(/['-]|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/u)
  return parts.length < 2 ? [] : parts.map((part) => findForm(table, part)).filter((found) => found >= 0)
}

/** Endings that a term may have lost, in the order in which they are tried: `danc` is dance, and nothing that happens to be written so. */
const lostEndings: readonly (readonly [RegExp, string])[] = [
  [/$/, 'e'],
  [/i$/, 'y'],
  [/$/, ''],
  [/$/, 's'],
  [/$/, 'ing'],
  [/$/, 'ion'],
  [/$/, 'y'],
  [/$/, 'al'],
  [/$/, 'ed'],
  [/$/, 'er'],
  [/$/, 'ate'],
  [/$/, 'ity'],
  [/$/, 'ous'],
  [/$/, 'ment'],
]

/** A word whose term this is, or -1. */
export function placeOfTerm(table: WordTable, term: string): number {
  for (const [end, ending] of lostEndings) {
    if (!end.test(term)) continue
    const word = term.replace(end, ending)
    const place = table.find(word)
    if (place >= 0 && (word === term || stem(word) === term)) return place
  }
  return -1
}

/** -1 when there is none. */
function findForm(table: WordTable, word: string): number {
  const whole = table.find(word)
  if (whole >= 0) return whole
  const base = table.find(regular(word))
  if (base >= 0) return base
  for (const [ending, instead] of endings) {
    if (word.length < 4 || !ending.test(word)) continue
    const form = table.find(word.replace(ending, instead))
    if (form >= 0) return form
  }
  return -1
}

/**
 * English words that many questions have and few answers are found by: what people do with anything (make, get, decide), and what
 * questions are built of (kind, reason, currently). They are no stop words: `make` is all that tells `what did she make` apart.
 */

const list =
  'accord ask become begin bring call case choose come consider current currently decide describe different enjoy explain express feel find get give go good happen help include interested involve keep leave let like look make mean name need new now number own part place plan prefer present provide put reason receive recent regard result seem show specific start suggest take think time try turn type use various want way work'

const lightTerms: ReadonlySet<string> = new Set(list.split(' ').map((word) => stem(word)))

/** @param term as the index has it */
export function isLightTerm(term: string): boolean {
  return lightTerms.has(term)
}
