/** The lists of a question that asks several things. */
import type { Candidate } from './candidate.ts'
import { partShare } from './recall-limits.ts'

/**
 * @param lists of the whole question first, then of its parts. A passage has its best score: what answers one part well goes
 * before what has a little of all.
 */
export function mergeParts(lists: readonly (readonly Candidate[])[]): Candidate[] {
  const best = new Map<number, Candidate>()
  for (const [i, list] of lists.entries()) {
    for (const candidate of list) {
      const score = i === 0 ? candidate.score : candidate.score * partShare
      const known = best.get(candidate.passage.id)
      if (known === undefined) best.set(candidate.passage.id, { ...candidate, score })
      // Its ranks stay those of the whole question, where it has any.
      else if (score > known.score) best.set(candidate.passage.id, { ...known, score })
    }
  }
  return [...best.values()]
}
