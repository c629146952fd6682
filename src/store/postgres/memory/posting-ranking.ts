/** Ranking by words in Postgres: BM25 as FTS5 has it, over the rows of the words that are asked for. */
import type { UserId } from '../../../types/index.ts'
import { ask } from '../../search/asking.ts'
import { roundScore, type TextRanking } from '../../search/memory-search.ts'
import type { SlotTable } from '../../search/slot-table.ts'
import { createTop } from '../../search/top-slots.ts'
import { toStored } from '../postgres-session.ts'
import { openPostings } from './posting.ts'

interface PostingRow {
  readonly term: string
  readonly bucket: number
  readonly postings: Uint8Array
}

const text = `select term, bucket, postings from memory_posting
  where "user" = :user and term in (select json_array_elements_text(cast(:terms as json)))`

/** How fast more of the same word counts less, and how much length counts. */
const k1 = 1.2
const b = 0.75
/** A word that stands nearly everywhere still counts for something. */
const leastIdf = 1e-6

export function createPostingRanking(user: UserId): TextRanking {
  return function* (slots, filter, { terms, contextWeight, limit }) {
    if (terms.length === 0 || limit === 0 || slots.count() === 0) return []
    const rows = yield* ask<PostingRow>({ text, args: { user, terms: JSON.stringify(terms.map(toStored)) } })
    const scores = new Float64Array(slots.high())
    const weights = new Float64Array(slots.high())
    for (const term of terms) {
      addTerm(
        slots,
        scores,
        weights,
        rows.filter((row) => row.term === term),
        contextWeight,
      )
    }
    const passes = slots.passing(filter)
    const top = createTop(limit, slots.goesFirst)
    scores.forEach((score, slot) => {
      if (score > 0 && passes(slot)) top.add(slot, roundScore(score))
    })
    return top.taken()
  }
}

/** @param weights is lent, and left empty */
function addTerm(slots: SlotTable, scores: Float64Array, weights: Float64Array, rows: readonly PostingRow[], contextWeight: number): void {
  const having: number[] = []
  for (const { bucket, postings } of rows) {
    for (const posting of openPostings(bucket, postings)) {
      const slot = slots.slotOf(posting.passage)
      if (slot < 0) continue
      having.push(slot)
      weights[slot] = posting.terms + contextWeight * posting.context
    }
  }
  const idf = Math.max(leastIdf, Math.log((slots.count() - having.length + 0.5) / (having.length + 0.5)))
  const average = slots.averageLength()
  for (const slot of having) {
    const weight = weights[slot] ?? 0
    weights[slot] = 0
    const length = slots.length(slot) / average
    scores[slot] = (scores[slot] ?? 0) + (idf * weight * (k1 + 1)) / (weight + k1 * (1 - b + b * length))
  }
}
