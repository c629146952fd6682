/** Ranking by words: BM25 as in FTS5. Words, lengths of passages and filters are held in memory. */
import { maxPlaces } from '../limits.ts'
import type { MemoryFilter, MemorySearch } from '../memory.ts'
import type { SlotTable } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'
import type { WordIndex, WordPlaces } from './word-index.ts'

type TextQuery = NonNullable<MemorySearch['text']>

/** @returns the best passages that pass the filter and have one of the words, best first */
export type WordRanking = (slots: SlotTable, index: WordIndex, filter: MemoryFilter, query: TextQuery) => readonly ScoredSlot[]

/** Saturation of repeated words, and the influence of length. */
const k1 = 1.2
const b = 0.75
/** Minimum weight, for a word that occurs almost everywhere. */
const leastIdf = 1e-6

/** Buffers that are reused by the next search: a new megabyte for each would burden the garbage collector. */
interface Columns {
  /** Scores by slot; all 0 between searches. */
  readonly scores: Float64Array
  /** Slots that have a score. */
  readonly scored: Int32Array
  /** Slots that have the current word, and its weight there. */
  readonly having: Int32Array
  readonly weights: Float64Array
}

function columnsOf(room: number): Columns {
  const [scores, weights] = [new Float64Array(room), new Float64Array(room)]
  return { scores, scored: new Int32Array(room), having: new Int32Array(room), weights }
}

export function createWordRanking(): WordRanking {
  let columns = columnsOf(0)
  return (slots, index, filter, { terms, contextWeight, limit }) => {
    if (limit === 0) return []
    if (columns.scores.length < slots.high()) columns = columnsOf(Math.ceil(slots.high() * 1.25))
    const { scores, scored } = columns
    const found = terms.map((term) => index.find(term)).filter((places) => places.count > 0)
    // Words with very many passages weigh least and cost most; without a rarer word they are all there is.
    const rarer = found.filter((places) => places.count < maxPlaces)
    let count = 0
    for (const places of rarer.length > 0 ? rarer : found) count = addWord(slots, columns, { places, contextWeight, before: count })
    const passes = slots.passing(filter)
    const top = createTop(limit, slots.goesFirst)
    let least = -Infinity
    for (let i = 0; i < count; i++) {
      const slot = scored[i] as number
      const score = scores[slot] as number
      scores[slot] = 0
      // Before rounding, which is slow and changes less than this.
      if (score * (1 + 1e-8) < least || !passes(slot)) continue
      top.add(slot, roundScore(score))
      least = top.least()
    }
    return top.taken()
  }
}

interface AddedWord {
  readonly places: WordPlaces
  readonly contextWeight: number
  /** Number of slots with a score. */
  readonly before: number
}

/** @returns the number of slots with a score after this word */
function addWord(slots: SlotTable, columns: Columns, { places, contextWeight, before }: AddedWord): number {
  const { scores, scored, having, weights } = columns
  let count = 0
  places.each((passage, terms, context) => {
    const slot = slots.slotOf(passage)
    if (slot < 0) return
    having[count] = slot
    weights[count++] = terms + contextWeight * context
  })
  const idf = Math.max(leastIdf, Math.log((slots.count() - count + 0.5) / (count + 0.5)))
  const average = slots.averageLength()
  let after = before
  for (let i = 0; i < count; i++) {
    const weight = weights[i] as number
    if (weight === 0) continue
    const slot = having[i] as number
    const score = scores[slot] as number
    if (score === 0) scored[after++] = slot
    scores[slot] = score + (idf * weight * (k1 + 1)) / (weight + k1 * (1 - b + (b * slots.length(slot)) / average))
  }
  return after
}

/** Rounds, because sums of the same numbers in another order differ in their last digits, and such scores must be equal. */
function roundScore(score: number): number {
  return Number(score.toPrecision(9))
}
