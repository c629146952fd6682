/**
 * Whether a text tells what was forgotten in other words: "your pin was 9182" of "my pin is 9182". For what an agent says after it
 * was asked to forget, where the exact words are not to be expected. It errs towards less: what only may tell it goes too.
 */
import { sharesMost, wordsOf } from '../summary/forget-words.ts'
import { sentencesOf } from '../summary/sentences.ts'

export interface NearMatch {
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
