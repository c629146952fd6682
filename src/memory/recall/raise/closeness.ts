/** How close candidates are word by word: asked once the lists are one, because it needs their terms. */
import type { AskedTerms, TextEngine } from '../../text-engine.ts'
import type { Candidate } from '../candidate.ts'
import { closenessShare, nearShare } from '../recall-limits.ts'

/** Scores stay 0 to 1. Without a table of words the list stays as it is. @throws as the text engine */
export async function addCloseness(
  list: readonly Candidate[],
  question: AskedTerms,
  engine: Pick<TextEngine, 'closeness'>,
): Promise<readonly Candidate[]> {
  if (list.length === 0) return list
  const closeness = await engine.closeness(
    question,
    list.map(({ passage: { terms, context } }) => ({ terms, context })),
  )
  if (closeness === null) return list
  return list.map((candidate, i) => ({
    ...candidate,
    score: (1 - closenessShare - nearShare) * candidate.score + closenessShare * (closeness[i] ?? 0) + nearShare * candidate.near,
    closeness: closeness[i] ?? 0,
  }))
}
