/**
 * Talk stays with a matter for some turns and goes to and fro: where a turn fits well, those two and four turns away are more likely to
 * be about the same than they show by themselves ("I was there with my sister"). The turn next to it is not raised: each is searched with
 * the one before it already, and what is between two turns of one person is the other's reaction.
 */
import type { Apart } from '../../../store/index.ts'
import type { Candidate } from '../candidate.ts'
import { fitsFrom, sameTalk } from '../recall-limits.ts'

/** Raises each turn by shares of how well turns near it fit. @param apart which passages of the list are near each other */
export function raiseSameTalk(list: readonly Candidate[], apart: readonly Apart[]): Candidate[] {
  const byPassage = new Map(list.map((candidate) => [candidate.passage.id, candidate]))
  /** By passage: what each turn that fits adds to it. Of a long turn in several passages the best counts. */
  const raises = new Map<number, Map<string, number>>()
  const raise = (from: number, to: number, share: number): void => {
    const [fitting, raised] = [byPassage.get(from), byPassage.get(to)]
    const by = share * ((fitting?.score ?? 0) - fitsFrom)
    if (by <= 0 || !isTurn(fitting) || !isTurn(raised)) return
    const known = raises.get(to) ?? new Map<string, number>()
    const turn = fitting.passage.entry.id
    raises.set(to, known.set(turn, Math.max(by, known.get(turn) ?? 0)))
  }
  for (const [earlier, later, entries] of apart) {
    const share = sameTalk.get(entries)
    if (share === undefined) continue
    raise(earlier, later, share)
    raise(later, earlier, share)
  }
  return list.map((candidate) => {
    const by = raises.get(candidate.passage.id)
    return by === undefined ? candidate : { ...candidate, score: [...by.values()].reduce((sum, each) => sum + each, candidate.score) }
  })
}

function isTurn(candidate: Candidate | undefined): candidate is Candidate {
  return candidate?.passage.entry.kind === 'message'
}
