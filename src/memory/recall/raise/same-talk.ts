/**
 * Talk stays with a matter for some turns and goes to and fro: where a turn fits well, those two and four turns away are more likely to
 * be about the same than they show by themselves ("I was there with my sister"). The turn next to it is not raised: each is searched with
 * the one before it already, and what is between two turns of one person is the other's reaction.
 */
import type { Apart } from '../../../store/index.ts'
import type { Candidate } from '../candidate.ts'
import { fitsFrom, sameTalk } from '../recall-limits.ts'

/** Raises each turn by shares of how well turns near it fit. @param apart which entries of the list are near each other */
export function raiseSameTalk(list: readonly Candidate[], apart: readonly Apart[]): Candidate[] {
  const turns = list.filter(({ passage }) => passage.entry.kind === 'message')
  const turnOf = new Map(turns.map(({ passage }) => [passage.id, passage.entry.id]))
  // Of a long turn in several passages the best counts.
  const fits = new Map<string, number>()
  for (const { passage, score } of turns) fits.set(passage.entry.id, Math.max(score - fitsFrom, fits.get(passage.entry.id) ?? 0))
  const raises = new Map<string, number>()
  for (const [earlier, later, entries] of apart) {
    const [one, other, share] = [turnOf.get(earlier), turnOf.get(later), sameTalk.get(entries)]
    if (one === undefined || other === undefined || share === undefined) continue
    raises.set(one, (raises.get(one) ?? 0) + share * (fits.get(other) ?? 0))
    raises.set(other, (raises.get(other) ?? 0) + share * (fits.get(one) ?? 0))
  }
  return list.map((candidate) => {
    const raise = raises.get(candidate.passage.entry.id) ?? 0
    return raise === 0 ? candidate : { ...candidate, score: candidate.score + raise }
  })
}
