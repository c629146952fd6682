/**
 * Ranking by words, the same for every database: BM25 as in FTS5. Lengths of passages and filters are held in memory; a database only
 * provides where a word occurs.
 */
import type { MemoryFilter } from '../memory.ts'
import type { SlotTable } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

/** Reports where one word occurs: the passage and the weight. A passage may be reported several times in a row. */
export type Occurrences = (seen: (passage: number, weight: number) => void) => void

/** @returns the best passages that pass, best first; none that has no word */
export type WordRanking = (slots: SlotTable, filter: MemoryFilter, limit: number, words: readonly Occurrences[]) => readonly ScoredSlot[]

/** Saturation of repeated words, and the influence of length. */
const k1 = 1.2
const b = 0.75
/** A word that occurs nearly everywhere still counts a little. */
const leastIdf = 1e-6

/** Columns that are reused by the next search: allocating a megabyte for each would keep the garbage collector busy. */
interface Columns {
  /** By slot; 0 between two searches. */
  readonly scores: Float64Array
  /** Slots that have a score. */
  readonly scored: Int32Array
  /** Slots that have the word, and how much it counts there. */
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
      // Rounding is slow, and changes less than this.
      if (score * (1 + 1e-8) < least || !passes(slot)) continue
      top.add(slot, roundScore(score))
      least = top.least()
    }
    return top.taken()
  }
}

/** @param before how many slots have a score @returns how many have one with this word */
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

/** Sums of the same parts in another order differ in their last digits; scores that are alike must be equal. */
function roundScore(score: number): number {
  return Number(score.toPrecision(9))
}
