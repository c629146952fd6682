/**
 * English words that many questions have and few answers are found by: what people do with anything (make, get, decide), and what
 * questions are built of (kind, reason, currently). They are no stop words: `make` is all that tells `what did she make` apart.
 */
import { stem } from '../../text/word-terms.ts'

const list =
  'accord ask become begin bring call case choose come consider current currently decide describe different enjoy explain express feel find get give go good happen help include interested involve keep leave let like look make mean name need new now number own part place plan prefer present provide put reason receive recent regard result seem show specific start suggest take think time try turn type use various want way work'

const lightTerms: ReadonlySet<string> = new Set(list.split(' ').map((word) => stem(word)))

/** @param term as the index has it */
export function isLightTerm(term: string): boolean {
  return lightTerms.has(term)
}
