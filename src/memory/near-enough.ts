/**
 * What of a search is about the matter that was asked for: something is always nearest, and needs not be near. Chosen by false
 * reminders against missed ones, see docs/memory.md, "What a turn is reminded of".
 */
import type { Recalled } from './recalled.ts'

/** The nearest memory must be this close to what was asked, word by word, or nothing is near; then what is not far behind the best is, too. */
const leastCloseness = 0.35
const leastScore = 0.5
/** The same where words were not compared one by one: without a table of words, and in languages that it does not know. */
const leastScoreAlone = 0.35
/** Cosine of sentences about one matter in different words. With averaged word vectors any two sentences have about 0.4. */
const leastNearness = 0.7

/** @returns those of one answer that are near enough, in their order; none of them when even the best is not */
export function nearEnough(found: readonly Recalled[]): readonly Recalled[] {
  const best = Math.max(0, ...found.map(({ score }) => score))
  const behind = (share: number): readonly Recalled[] => found.filter(({ score }) => score >= best * share)
  if (found.every(({ why }) => why.closeness === null)) return behind(leastScoreAlone).filter(isAbout)
  return found.some(({ why }) => (why.closeness ?? 0) >= leastCloseness || why.exact.length > 0) ? behind(leastScore) : []
}

/** What shares no word with what was asked must be near by itself. */
function isAbout({ why: { textRank, vectorScore } }: Recalled): boolean {
  return textRank !== null || (vectorScore !== null && vectorScore >= leastNearness)
}
