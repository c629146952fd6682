/** Candidates of a search, and how the lists that bring them become one list. */
import type { FoundPassage, Hit, MemoryFound } from '../../store/index.ts'
import type { FusionWeights } from '../text/text-engine.ts'
import { leastCertainty, partShare, rankOffset } from './recall-limits.ts'

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

/**
 * Makes one list of two.
 *
 * By weights: each list is brought to 0 … 1 and the two are added with the weights of the embedder. Scores of words begin at 0,
 * where nothing was found, so they are divided by the best. Cosines begin nowhere: the last of a full list is the floor. A list
 * is then scaled by how sure its best is (`certainty`), so that the best of a bad list is not as good as the best of a good one.
 *
 * By reciprocal rank: only ranks count.
 */

interface FusionOptions {
  readonly fusion: 'weights' | 'reciprocal_rank'
  readonly weights: Pick<FusionWeights, 'text' | 'vector'>
  /** Distinct terms that were asked for. */
  readonly terms: readonly string[]
  /** Most hits that a list can have: a shorter one has all there are. */
  readonly full: number
}

/** Every hit of both lists, once, in no order. Scores are 0 to 1. */
export function fuseLists(found: MemoryFound, options: FusionOptions): Candidate[] {
  const text = ranked(found.text)
  const vector = ranked(found.vector)
  const near = scaled(found.vector, floorOf(found.vector, options.full), 1)
  const score = options.fusion === 'weights' ? byWeights(found, near, options) : byRanks(text, vector)
  return found.passages.map((passage) => {
    const inText = text.get(passage.id)
    const inVector = vector.get(passage.id)
    return {
      passage,
      textRank: inText?.rank ?? null,
      textScore: inText?.score ?? null,
      vectorRank: inVector?.rank ?? null,
      vectorScore: inVector?.score ?? null,
      near: near.get(passage.id) ?? 0,
      closeness: null,
      score: score(passage.id),
      exact: [],
      prior: 0,
      holds: true,
      standsFor: [],
    }
  })
}

interface Ranked {
  readonly rank: number
  readonly score: number
}

function ranked(hits: readonly Hit[]): ReadonlyMap<number, Ranked> {
  return new Map(hits.map(({ passage, score }, i) => [passage, { rank: i + 1, score }]))
}

type Score = (passage: number) => number

function byRanks(text: ReadonlyMap<number, Ranked>, vector: ReadonlyMap<number, Ranked>): Score {
  const part = (list: ReadonlyMap<number, Ranked>, passage: number): number => {
    const rank = list.get(passage)?.rank
    return rank === undefined ? 0 : (rankOffset + 1) / (rankOffset + rank) / 2
  }
  return (passage) => part(text, passage) + part(vector, passage)
}

function byWeights(found: MemoryFound, near: ReadonlyMap<number, number>, { weights, terms }: FusionOptions): Score {
  const text = scaled(found.text, 0, textCertainty(found, terms))
  return (passage) => weights.text * (text.get(passage) ?? 0) + weights.vector * (near.get(passage) ?? 0)
}

/** A shorter list has all there is: nothing of it is as good as not found. */
function floorOf(hits: readonly Hit[], full: number): number {
  return hits.length >= full ? (hits.at(-1)?.score ?? 0) : 0
}

function scaled(hits: readonly Hit[], floor: number, certainty: number): ReadonlyMap<number, number> {
  const best = hits[0]?.score ?? 0
  // A list of equals says nothing about which is better, and nothing against them.
  const span = best - floor
  return new Map(hits.map(({ passage, score }) => [passage, span <= 0 ? certainty / 2 : (Math.max(0, score - floor) / span) * certainty]))
}

/** How many of the terms the best hit has. */
function textCertainty(found: MemoryFound, terms: readonly string[]): number {
  const best = found.passages.find(({ id }) => id === found.text[0]?.passage)
  if (best === undefined || terms.length === 0) return leastCertainty
  const has = new Set(`${best.terms} ${best.context}`.split(' '))
  const share = terms.filter((term) => has.has(term)).length / terms.length
  return leastCertainty + (1 - leastCertainty) * share
}

/**
 * @param lists of the whole question first, then of its parts. A passage has its best score: what answers one part well goes
 * before what has a little of all.
 */
export function mergeParts(lists: readonly (readonly Candidate[])[]): Candidate[] {
  const best = new Map<number, Candidate>()
  for (const [i, list] of lists.entries()) {
    for (const candidate of list) {
      const score = i === 0 ? candidate.score : candidate.score * partShare
      const earlier = best.get(candidate.passage.id)
      if (earlier === undefined) best.set(candidate.passage.id, { ...candidate, score })
      // Its ranks stay those of the whole question, where it has any.
      else if (score > earlier.score) best.set(candidate.passage.id, { ...earlier, score })
    }
  }
  return [...best.values()]
}
