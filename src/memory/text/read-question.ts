/** Reads a question for recall: the words that matter, what must stand as it is written, and its parts. */
import type { ReadQuestion } from './text-engine.ts'
import { classTermsAsked } from './classes.ts'
import { cleanText, isName, termsOf } from './terms.ts'
import { isStopWord } from './english-words.ts'
import { maxExact, maxQuestionParts, maxQuestionTerms, maxQuestionUnits } from './text-limits.ts'

/** Each kind of quotes by itself, with a bound, so that one that is never closed costs nothing. */
const quoted =
  /"([^"\n]{2,200})"|“([^”\n]{2,200})”|«([^»\n]{2,200})»|„([^“”\n]{2,200})[“”]|「([^」\n]{1,200})」|『([^』\n]{1,200})』|`([^`\n]{2,200})`/gu
const named = /[^\s"“”«»„「」『』`<>(){}[\],;!]{2,200}/gu
/** A new question begins behind these, or at `and` before a word that asks. */
const border =
  /[?？؟;；]+\s*|[.!。！]\s+(?=\S)|,?\s+(?:and|or|und|et|y)\s+(?=(?:who|whom|whose|what|when|where|which|why|how|did|does|do|is|are|was|were|has|have|can|wer|wen|was|wann|wo|warum|wie|qui|quand|où|comment|pourquoi|quién|qué|cuándo|dónde|cómo)\b)/giu
const plainWord = /[\p{L}\p{M}\p{N}']+/gu

/** Never throws; a question without words has no terms and finds nothing. Only its first 8 Ki units are read. */
export function readQuestion(question: string): ReadQuestion {
  const text = question.length > maxQuestionUnits ? question.slice(0, maxQuestionUnits) : question
  const terms = questionTerms(text)
  return { terms, classes: classTermsAsked(text, terms), exact: exactOf(text), parts: partsOf(text) }
}

/** Distinct, in order; the last of too many go. Of nothing but stop words all are taken: they may be a name. */
function questionTerms(text: string): readonly string[] {
  const bare = cleanText(text).replace(plainWord, (word) => (isStopWord(word.replaceAll("'", '').toLowerCase()) ? ' ' : word))
  // Emoji were joined by what the cleaning took away: they are read from the text itself.
  const kept = new Set([...termsOf(bare, 'asked'), ...termsOf(text, 'asked').filter((term) => /\p{Extended_Pictographic}/u.test(term))])
  const terms = kept.size > 0 ? kept : new Set(termsOf(text, 'asked'))
  return [...terms].slice(0, maxQuestionTerms)
}

function exactOf(text: string): readonly string[] {
  const found = new Set<string>()
  const rest = text.replace(quoted, (whole: string, ...groups: unknown[]) => {
    const phrase = groups.find((group) => typeof group === 'string' && group !== whole) as string | undefined
    if (phrase !== undefined && phrase.trim() !== '') found.add(phrase.trim())
    return ' '
  })
  for (const [chunk] of rest.matchAll(named)) {
    const name = chunk.replace(/^[.:'*_-]+|[.:?'*]+$/g, '')
    if (isExactName(name)) found.add(name)
  }
  return [...found].slice(0, maxExact)
}

/** Stricter than what the index keeps whole: `and/or` is no name that somebody looks for, `src/main.ts` and `E1234` are. */
function isExactName(name: string): boolean {
  if (name.length < 2) return false
  const hasDigit = /\p{N}/u.test(name)
  const hasLetter = /\p{L}/u.test(name)
  if (hasDigit && hasLetter) return true
  if (hasDigit) return /\p{N}[^\p{N}\s]+\p{N}/u.test(name) || /^\p{N}{4,}$/u.test(name)
  if (/\p{Ll}\p{Lu}\p{Ll}/u.test(name) || /\p{L}_+\p{L}/u.test(name)) return true
  const cleaned = cleanText(name)
  return isName(cleaned) && (/^[~./\\]|[/\\].*[/\\.]|@.|::|\w\.\w/u.test(name) || /[=&#%$]/u.test(name))
}

/** The whole when it asks one thing. Parts without a word that matters go. */
function partsOf(text: string): readonly string[] {
  const parts = text
    .split(border)
    .map((part) => part.trim())
    .filter((part) => [...part.matchAll(plainWord)].some(([word]) => !isStopWord(word.replaceAll("'", '').toLowerCase())))
  if (parts.length < 2) return [text.trim()]
  return parts.slice(0, maxQuestionParts)
}
