/** Sentences of what was said, and how much each weighs for a summary that no model writes. */
import { truncate } from '../../types/index.ts'
import { maxScannedChars, maxSentenceChars, minSentenceChars } from './summary-limits.ts'

export interface Sentence {
  /** Of the journal record that it was said in; 0 when that is not known any more. */
  readonly seq: number
  readonly text: string
  readonly weight: number
}

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
