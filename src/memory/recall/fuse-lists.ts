/**
 * Makes one list of two.
 *
 * By weights: each list is brought to 0 … 1 and the two are added with the weights of the embedder. Scores of words begin at 0,
 * where nothing was found, so they are divided by the best. Cosines begin nowhere: the last of a full list is the floor. A list
 * is then scaled by how sure its best is (`certainty`), so that the best of a bad list is not as good as the best of a good one.
 *
 * By reciprocal rank: only ranks count.
 */
import type { Hit, MemoryFound } from '../../store/index.ts'
import type { FusionWeights } from '../text-engine.ts'
import type { Candidate } from './candidate.ts'
import { leastCertainty, rankOffset } from './recall-limits.ts'

export interface FusionOptions {
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
