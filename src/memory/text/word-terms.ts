/** One word to the terms it is found by: without case, without its ending, and with its parts where it is made of some. */
import { stemmer as arabic } from '@orama/stemmers/arabic'
import { stemmer as english } from '@orama/stemmers/english'
import { stemmer as greek } from '@orama/stemmers/greek'
import { stemmer as russian } from '@orama/stemmers/russian'
import { regular } from './irregular.ts'
import { addScriptTerms, isUnspaced, type Side } from './script-words.ts'
import { maxTermLength } from './text-limits.ts'

/** Humps of camelCase, runs of capitals before one, digits, and what is left. Each step takes a character, so it ends. */
const humps = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{Lt}\p{M}]+|\p{Lu}|\p{N}+|\p{M}+/gu
const latinWord = /^[a-z]{3,}$/
const cyrillicWord = /^[а-я]{4,}$/
const greekWord = /^[α-ω]{4,}$/
const arabicWord = /^[\u0621-\u064a]{4,}$/

/** By script alone, so that one word is one term whatever stands around it, in a text of years and in a question of two words. */
export function stem(word: string): string {
  if (latinWord.test(word)) return english(regular(word))
  if (cyrillicWord.test(word)) return russian(word) || word
  if (greekWord.test(word)) return greek(word) || word
  // The stemmer leaves the ه that ة has become behind an article, and takes it where there is none.
  if (arabicWord.test(word)) return (arabic(word) || word).replace(/(?<=...)ه$/u, '')
  return word
}

/** At most `maxTermLength` units, never half a pair. */
export function cutTerm(term: string): string {
  if (term.length <= maxTermLength) return term
  const cut = term.slice(0, maxTermLength)
  return cut.isWellFormed() ? cut : cut.slice(0, -1)
}

/**
 * @param word letters, marks and digits of a cleaned text
 * @param into terms are added here, those of the parts of a word in pieces (camelCase, sha256) too
 */
export function addWordTerms(word: string, side: Side, into: string[]): void {
  if (isUnspaced(word)) {
    addScriptTerms(word, side, into, (rest) => addWordTerms(rest, side, into))
    return
  }
  const lower = word.toLowerCase()
  // Longer than any word: data, of which only the beginning is kept, and no parts.
  if (word.length > maxTermLength) {
    into.push(cutTerm(lower))
    return
  }
  into.push(stem(lower))
  if (lower === word && !/\p{N}/u.test(word)) return
  const parts = word.match(humps) ?? []
  if (parts.length < 2) return
  for (const part of parts) if (part.length > 1 || /\p{N}/u.test(part)) into.push(stem(part.toLowerCase()))
}
