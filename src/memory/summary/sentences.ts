/** Sentences: where they end, how much each weighs in a summary that no model writes, and whether two say the same in other words. */
import { foldPhrase } from '../../store/index.ts'
import { truncate } from '../../base/index.ts'
import { maxScannedChars, maxSentenceChars, minSentenceChars } from './summary-limits.ts'

const decided =
  /\b(decid|agree|chose|choos|prefer|always|never|must|deadline|important|remember|goal|plan|because|instead)\w*|결정|목표|항상|절대|중요|기억/iu

/** Of scripts that say in four letters what takes others twelve. */
const denseLetters = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Kana}]/gu

/**
 * Ends at `.`, `!`, `?` before a space, at their CJK forms, and at line ends. One space for each run of white space; what is too
 * short is left out, what is too long is cut.
 */
export function sentencesOf(text: string): readonly string[] {
  const found: string[] = []
  for (const line of text.slice(0, maxScannedChars).split(/\n+/)) {
    for (const piece of line.split(/(?<=[.!?…]["')\]]?)\s+|(?<=[。！？])/u)) {
      const sentence = piece
        .replace(/\s+/gu, ' ')
        .replace(/^[-*•#>\s]+/u, '')
        .trim()
      if (sentence.length >= minSentenceChars || (sentence.match(denseLetters)?.length ?? 0) >= 4)
        found.push(truncate(sentence, maxSentenceChars))
    }
  }
  return found
}

/** Numbers, names and words of decision weigh; questions and pleasantries do not. */
export function weightOf(sentence: string): number {
  const numbers = Math.min(2, (sentence.match(/\d+/gu) ?? []).length)
  const names = Math.min(3, (sentence.slice(1).match(/(?<![.!?]\s)\b\p{Lu}[\p{L}\d]+/gu) ?? []).length)
  const marks = /[`/_]|\p{L}\d|https?:/u.test(sentence) ? 1 : 0
  return 1 + numbers * 0.75 + names * 0.5 + marks * 0.75 + (decided.test(sentence) ? 1.5 : 0) - (sentence.endsWith('?') ? 0.75 : 0)
}

/** A sentence tells what was forgotten when most of its words are in the forgotten text, or most of that text's words in it. */
export function sharesMost(said: ReadonlySet<string>, forgotten: ReadonlySet<string>): boolean {
  const shared = [...said].filter((word) => forgotten.has(word)).length
  return shared > 0 && shared >= 0.6 * Math.min(said.size, forgotten.size)
}

/** Words of three letters or more, but for those that stand everywhere. */
export function wordsOf(text: string): ReadonlySet<string> {
  const folded = foldPhrase(text)
  const words = folded.match(/[\p{L}\d]{3,}/gu) ?? folded.match(/[\p{L}\d]+/gu) ?? []
  return new Set(words.filter((word) => !common.has(word)))
}

const common: ReadonlySet<string> = new Set(
  'the and for that this with you your are was were has have had not but will can our its his her they them from what when who which about into would there their been'.split(
    ' ',
  ),
)

interface NearMatch {
  tells(text: string): boolean
}

/** @param texts what was forgotten */
export function nearWords(texts: readonly string[]): NearMatch {
  const known = texts
    .flatMap((text) => [text, ...sentencesOf(text)])
    .map(wordsOf)
    .filter(isTelling)
  return {
    tells: (text) => {
      const said = [text, ...sentencesOf(text)].map(wordsOf)
      return known.some((words) => said.some((each) => sharesMost(each, words)))
    },
  }
}

/** One plain word ("address") stands in many sentences that tell nothing; one with a digit tells. */
function isTelling(words: ReadonlySet<string>): boolean {
  return words.size > 1 || [...words].some((word) => /\d/u.test(word))
}
