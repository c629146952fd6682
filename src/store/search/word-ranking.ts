/**
 * Ranking by words, the same for every database: BM25 as FTS5 has it, over where the words occur. How long passages are, and which
 * of them count, is held beside; so a database has only to say where a word stands.
 */
import type { MemoryFilter } from '../memory.ts'
import { roundScore } from './memory-search.ts'
import type { SlotTable } from './slot-table.ts'
import { createTop, type ScoredSlot } from './top-slots.ts'

/** Says where one word occurs: in which passage, and how much that counts. A passage may be named several times. */
export type Occurrences = (seen: (passage: number, weight: number) => void) => void

/** How fast more of the same word counts less, and how much length counts. */
const k1 = 1.2
const b = 0.75
/** A word that stands nearly everywhere still counts for something. */
const leastIdf = 1e-6

/** @returns the best passages that pass, best first; none that has no word */
export function rankByWords(slots: SlotTable, filter: MemoryFilter, limit: number, words: readonly Occurrences[]): readonly ScoredSlot[] {
  const scores = new Float64Array(slots.high())
  const weights = new Float64Array(slots.high())
  /** Which word a slot was met with last. */
  const metWith = new Int32Array(slots.high())
  const average = slots.averageLength()
  for (const [i, occurrences] of words.entries()) {
    const having: number[] = []
    occurrences((passage, weight) => {
      const slot = slots.slotOf(passage)
      if (slot < 0) return
      if (metWith[slot] !== i + 1) {
        metWith[slot] = i + 1
        weights[slot] = 0
        having.push(slot)
      }
      weights[slot] = (weights[slot] as number) + weight
    })
    const idf = Math.max(leastIdf, Math.log((slots.count() - having.length + 0.5) / (having.length + 0.5)))
    for (const slot of having) {
      const weight = weights[slot] as number
      const length = slots.length(slot) / average
      scores[slot] = (scores[slot] as number) + (idf * weight * (k1 + 1)) / (weight + k1 * (1 - b + b * length))
    }
  }
  const passes = slots.passing(filter)
  const top = createTop(limit, slots.goesFirst)
  for (let slot = 0; slot < scores.length; slot++) {
    const score = scores[slot] as number
    // Rounding is slow, and changes less than this.
    if (score > 0 && score * (1 + 1e-8) >= top.least() && passes(slot)) top.add(slot, roundScore(score))
  }
  return top.taken()
}
