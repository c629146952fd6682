/** How close candidates are word by word: asked once the lists are one, because it needs their terms. */
import type { AskedTerms, TextEngine } from '../../text-engine.ts'
import type { Candidate } from '../candidate.ts'
import { nearShare } from '../recall-limits.ts'

/** @param share what closeness counts, of the embedder. Scores stay 0 to 1. A list of which nothing can be said stays as it is. @throws as the text engine */
export async function addCloseness(
  list: readonly Candidate[],
  question: AskedTerms,
  engine: Pick<TextEngine, 'closeness'>,
  share: number,
): Promise<readonly Candidate[]> {
  if (list.length === 0) return list
  const closeness = await engine.closeness(
    question,
    list.map(({ passage: { terms, context } }) => ({ terms, context })),
  )
  if (closeness === null) return list
  return list.map((candidate, i) => ({
    ...candidate,
    score: (1 - share - nearShare) * candidate.score + share * (closeness[i] ?? 0) + nearShare * candidate.near,
    closeness: closeness[i] ?? 0,
  }))
}
