import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createSlotTable, type SlotRow } from './slot-table.ts'
import { createWordIndex } from './word-index.ts'
import { createWordRanking } from './word-ranking.ts'

const vocabulary = ['apple', 'boat', 'cat', 'dune', 'egg', 'fig'] as const
const contextWeight = 0.75

interface Told {
  readonly terms: readonly string[]
  readonly context: readonly string[]
  /** Passages without a number between the one before and this one. */
  readonly gap: number
}

const words = fc.array(fc.constantFrom(...vocabulary), { minLength: 1, maxLength: 6 })
const told: fc.Arbitrary<Told> = fc.record({ terms: words, context: words, gap: fc.constantFrom(0, 1, 7, 2_040, 2_048, 9_000) })
const asked = fc.uniqueArray(fc.constantFrom(...vocabulary, 'gone'), { minLength: 1 })

function rowOf(passage: number, { terms, context }: Told): SlotRow {
  return [passage, terms.length + context.length, 'message', 'episodic', 'hot', 's', '', '', '', 0, passage, passage, null, passage, '']
}

/** BM25 as it is written in books, passage by passage. */
function plainScores(passages: ReadonlyMap<number, Told>, terms: readonly string[]): ReadonlyMap<number, number> {
  const lengthOf = ({ terms: own, context }: Told): number => own.length + context.length + 2
  const average = [...passages.values()].reduce((sum, each) => sum + lengthOf(each), 0) / Math.max(1, passages.size)
  const times = (list: readonly string[], term: string): number => list.filter((each) => each === term).length
  const scores = new Map<number, number>()
  for (const term of terms) {
    const having = [...passages].filter(([, { terms: own, context }]) => own.includes(term) || context.includes(term))
    const idf = Math.max(1e-6, Math.log((passages.size - having.length + 0.5) / (having.length + 0.5)))
    for (const [passage, each] of having) {
      const weight = times(each.terms, term) + contextWeight * times(each.context, term)
      const share = (idf * weight * 2.2) / (weight + 1.2 * (0.25 + (0.75 * lengthOf(each)) / average))
      scores.set(passage, (scores.get(passage) ?? 0) + share)
    }
  }
  return scores
}

test('words rank as BM25 does, whatever was asked before, was removed, or was added since', () => {
  fc.assert(
    fc.property(
      fc.array(told, { maxLength: 30 }),
      fc.array(told, { maxLength: 5 }),
      fc.array(asked, { maxLength: 4 }),
      (first, later, questions) => {
        const [slots, index, rank] = [createSlotTable(), createWordIndex(), createWordRanking()]
        const passages = new Map<number, Told>()
        const add = (each: Told): void => {
          const passage = Math.max(1, index.next()) + each.gap
          index.add(passage, each.terms.join(' '), each.context.join(' '))
          slots.set(rowOf(passage, each))
          passages.set(passage, each)
        }
        const check = (version: number): void => {
          for (const terms of questions) {
            const held = { slots, words: index, version: () => version }
            const got = rank(held, {}, { terms, contextWeight, limit: 4 }).map(({ slot, score }) => [slots.passageOf(slot), score])
            const wanted = [...plainScores(passages, terms)]
              .map(([passage, score]) => [passage, Number(score.toPrecision(9))] as const)
              .toSorted((a, b) => b[1] - a[1] || b[0] - a[0])
            assert.deepEqual(got, wanted.slice(0, 4))
          }
        }
        for (const each of first) add(each)
        check(1)
        for (const passage of [...passages.keys()].filter((each) => each % 3 === 0)) {
          slots.drop(passage)
          passages.delete(passage)
        }
        check(2)
        index.merge((passage) => slots.slotOf(passage) >= 0)
        for (const each of later) add(each)
        check(3)
      },
    ),
  )
})
