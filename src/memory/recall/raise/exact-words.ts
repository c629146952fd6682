/** What stands in a text as it was asked for. */
import { foldPhrase } from '../../../store/index.ts'
import type { Candidate } from '../candidate.ts'
import { exactBonus } from '../recall-limits.ts'

/**
 * Raises what holds the quoted phrases and identifiers of the question, each for its part of the bonus. Case, runs of white
 * space and what nobody sees do not count; a name must stand alone, so that `v1.2` is not found in `v1.20`.
 */
export function raiseExact(list: readonly Candidate[], exact: readonly string[]): Candidate[] {
  const wanted = exact.map((phrase) => ({ phrase, plain: foldPhrase(phrase) })).filter(({ plain }) => plain !== '')
  if (wanted.length === 0) return [...list]
  return list.map((candidate) => {
    const text = foldPhrase(candidate.passage.text)
    const stand = wanted.filter(({ plain }) => standsIn(text, plain)).map(({ phrase }) => phrase)
    return stand.length === 0
      ? candidate
      : { ...candidate, exact: stand, score: candidate.score + (exactBonus * stand.length) / wanted.length }
  })
}

const wordSign = /[\p{L}\p{M}\p{N}]/u
/** Scripts without spaces: a word stands alone anywhere. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Khmer}\p{Script=Lao}\p{Script=Hangul}]/u

/** Between parts of one name; a path or a place in a file (`main.ts:12`) is another thing that has the name in it. */
const joint = /[._@-]/u

function standsIn(text: string, phrase: string): boolean {
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
    const end = at + phrase.length
    const before = endsThere(text.charAt(at - 1), phrase.charAt(0), text.charAt(at - 2))
    if (before && endsThere(text.charAt(end), phrase.charAt(phrase.length - 1), text.charAt(end + 1))) return true
  }
  return false
}

/** @param beyond what stands on the other side of `outside` */
function endsThere(outside: string, inside: string, beyond: string): boolean {
  if (!wordSign.test(inside) || unspaced.test(outside) || unspaced.test(inside)) return true
  return !wordSign.test(outside) && !(joint.test(outside) && wordSign.test(beyond))
}
