/**
 * What an audit makes of erased bodies. Whoever may write the store can put a hash in the place of a body, so each one must be
 * answered for: by a record after it, which `Journal.erase` writes before anything is erased.
 */
import { type Holds, parseErased } from '../../store/index.ts'
import type { JournalRecord, JsonObject } from '../../types/index.ts'

export interface Erasures {
  /** Takes in a record, in order. @returns whether it holds as far as anybody can tell */
  judge(record: JournalRecord, holds: Holds): boolean
  /** The record's body was erased after it was read. */
  add(seq: number): void
  report(): { readonly bodies: number; readonly unchecked: number; readonly unexplained: readonly number[] }
}

/** Body of the record that says what is about to be erased. */
export function erasureBody(seqs: readonly number[], reason: string): JsonObject {
  return { erases: [...seqs], reason }
}

/** @param maxNamed of the unexplained ones, so many are named */
export function createErasures(maxNamed: number): Erasures {
  const erased = new Set<number>()
  const explained = new Set<number>()
  let unchecked = 0
  /** Nothing of the first format comes after a record of the second. */
  let first = true

  return {
    judge(record, holds) {
      if (holds === false || (holds === 'unknown' && !first)) return false
      if (holds === true) first = false
      if (holds === 'unknown') unchecked++
      if (parseErased(record.body) !== null) erased.add(record.seq)
      else if (record.phase === 'exchange' && record.body.startsWith('{"erases":[')) {
        for (const seq of erasesIn(record)) if (seq < record.seq) explained.add(seq)
      }
      return true
    },
    add: (seq) => void erased.add(seq),
    report: () => ({
      bodies: erased.size,
      unchecked,
      unexplained: [...erased].filter((seq) => !explained.has(seq)).slice(0, maxNamed),
    }),
  }
}

function erasesIn({ body }: JournalRecord): readonly number[] {
  const { erases } = JSON.parse(body) as { erases: unknown }
  return Array.isArray(erases) ? erases.filter((seq) => typeof seq === 'number') : []
}
