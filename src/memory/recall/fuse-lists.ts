/** Candidates of a search, and the fusion of the two lists that they come from. */
import type { FoundPassage, Hit, MemoryFound } from '../../store/index.ts'
import type { FusionWeights } from '../text/text-engine.ts'
import { leastCertainty, partShare, rankOffset } from './recall-limits.ts'

/** A passage that one of two searches has found. */
export interface Candidate {
  readonly passage: FoundPassage
  /** Ranks from 1 and scores in the two lists; null when it is not in that list. */
  readonly textRank: number | null
  readonly textScore: number | null
  readonly vectorRank: number | null
  readonly vectorScore: number | null
  /** Cosine as scaled for fusion: 1 is the best, 0 the last of a full list. */
  readonly near: number
  /** Word by word, 0 to 1; null if not compared. */
  readonly closeness: number | null
  /** Fused score with all additions. */
  readonly score: number
  readonly exact: readonly string[]
  readonly prior: number
  readonly holds: boolean
  readonly standsFor: readonly string[]
}

/** Best first; valid before ended entries; ties by newer entry, then id, so that the order is deterministic. */
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
 * Fuses two lists.
 *
 * By weights: each list is scaled to 0 … 1 and the two are added with the weights of the embedder. Word scores start at 0 and are divided by
 * the best. Cosines have no natural zero: the last of a full list is 0. The word list is also scaled by `textCertainty`, so that the best of
 * a bad list counts less than the best of a good one.
 *
 * By reciprocal rank: only ranks count.
 */

interface FusionOptions {
  readonly fusion: 'weights' | 'reciprocal_rank'
  readonly weights: Pick<FusionWeights, 'text' | 'vector'>
  /** Distinct terms of the query. */
  readonly terms: readonly string[]
  /** Maximum length of a list: a shorter one is complete. */
  readonly full: number
}

/** @returns every hit of both lists once, unordered, with scores from 0 to 1. */
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

/** A list that is not full is complete: its last hit is still better than none. */
function floorOf(hits: readonly Hit[], full: number): number {
  return hits.length >= full ? (hits.at(-1)?.score ?? 0) : 0
}

function scaled(hits: readonly Hit[], floor: number, certainty: number): ReadonlyMap<number, number> {
  const best = hits[0]?.score ?? 0
  // Equal scores do not discriminate.
  const span = best - floor
  return new Map(hits.map(({ passage, score }) => [passage, span <= 0 ? certainty / 2 : (Math.max(0, score - floor) / span) * certainty]))
}

/** Grows with the share of the terms that the best hit has. */
function textCertainty(found: MemoryFound, terms: readonly string[]): number {
  const best = found.passages.find(({ id }) => id === found.text[0]?.passage)
  if (best === undefined || terms.length === 0) return leastCertainty
  const has = new Set(`${best.terms} ${best.context}`.split(' '))
  const share = terms.filter((term) => has.has(term)).length / terms.length
  return leastCertainty + (1 - leastCertainty) * share
}

/**
 * @param lists of the whole question first, then of its parts. A passage keeps its best score, so that a good answer to one part ranks
 * before a weak match of all.
 */
export function mergeParts(lists: readonly (readonly Candidate[])[]): Candidate[] {
  const best = new Map<number, Candidate>()
  for (const [i, list] of lists.entries()) {
    for (const candidate of list) {
      const score = i === 0 ? candidate.score : candidate.score * partShare
      const earlier = best.get(candidate.passage.id)
      if (earlier === undefined) best.set(candidate.passage.id, { ...candidate, score })
      // Ranks of the whole question take precedence.
      else if (score > earlier.score) best.set(candidate.passage.id, { ...earlier, score })
    }
  }
  return [...best.values()]
}
