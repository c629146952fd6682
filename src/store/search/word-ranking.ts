/**
 * Ranking by words, the same for every database: BM25 as in FTS5. Lengths of passages and filters are held in memory; a database only
 * provides where a word occurs.
 */
import type { MemoryFilter } from '../memory.ts'
import type { SlotTable } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

/** Reports where one word occurs: the passage and the weight. A passage may be reported several times in a row. */
export type Occurrences = (seen: (passage: number, weight: number) => void) => void

/** @returns the best passages that pass the filter and have one of the words, best first */
export type WordRanking = (slots: SlotTable, filter: MemoryFilter, limit: number, words: readonly Occurrences[]) => readonly ScoredSlot[]

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
  return (slots, filter, limit, words) => {
    if (columns.scores.length < slots.high()) columns = columnsOf(Math.ceil(slots.high() * 1.25))
    const { scores, scored } = columns
    let count = 0
    for (const occurrences of words) count = addWord(slots, columns, count, occurrences)
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

/** @param before number of slots with a score @returns the number after this word */
function addWord(slots: SlotTable, { scores, scored, having, weights }: Columns, before: number, occurrences: Occurrences): number {
  let count = 0
  occurrences((passage, weight) => {
    const slot = slots.slotOf(passage)
    if (slot < 0) return
    if (count > 0 && having[count - 1] === slot) {
      weights[count - 1] = (weights[count - 1] as number) + weight
    } else if (count < having.length) {
      having[count] = slot
      weights[count] = weight
      count++
    }
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
