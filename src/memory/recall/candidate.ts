/** A passage on its way to being a result. Each step of ranking makes new ones; none changes what it is given. */
import type { FoundPassage } from '../../store/index.ts'

export interface Candidate {
  readonly passage: FoundPassage
  /** Ranks from 1 and scores in the two lists; null when it is not in that list. */
  readonly textRank: number | null
  readonly textScore: number | null
  readonly vectorRank: number | null
  readonly vectorScore: number | null
  /** Its cosine as fusion has it: 0, or the last of a full list, to 1, the best. */
  readonly near: number
  /** Word by word, 0 to 1; null when it was not asked for. */
  readonly closeness: number | null
  /** Fused, with all that was added to it. */
  readonly score: number
  readonly exact: readonly string[]
  readonly prior: number
  readonly holds: boolean
  readonly standsFor: readonly string[]
}

/** Best first; what holds before what does not; equal scores by the newer entry, then by id, so that the order is always the same. */
export function inOrder(list: readonly Candidate[]): Candidate[] {
  return [...list].sort(
    (a, b) =>
      Number(b.holds) - Number(a.holds) ||
      b.score - a.score ||
      b.passage.entry.createdAt - a.passage.entry.createdAt ||
      b.passage.id - a.passage.id,
  )
}
