/**
 * What an audit makes of records that begin or end a call once more. The store refuses them; versions before that could write them, when
 * two asked for the same call at once. The first beginning and the first end count, and a record says so once somebody has seen it.
 */
import type { Store } from '../../store/index.ts'
import type { JournalRecord, JsonObject } from '../../types/index.ts'

export interface RepeatsReport {
  readonly records: number
  readonly unexplained: readonly { readonly seq: number; readonly why: string }[]
}

interface Repeats {
  /** @returns why the end of a call that is not open does not hold; null when it repeats an earlier end */
  judge(record: JournalRecord): Promise<string | null>
  add(seq: number, why: string): void
  /** Takes in a record that holds, in order. */
  take(record: JournalRecord): void
  report(): RepeatsReport
}

/** Says of the end of a call that it is not open. */
export const notOpen = 'it ends a call that is not open'

/** Body of the record that reconciles repeated records. */
export function repeatsBody(seqs: readonly number[]): JsonObject {
  return { repeats: [...seqs], reason: 'the first beginning and the first end of each call count' }
}

export function createRepeats(store: Store, maxShown: number): Repeats {
  const repeated = new Map<number, string>()
  const explained = new Set<number>()
  return {
    async judge({ seq, call, phase }) {
      const phases = ['intent', 'outcome', 'refused', 'reconciled'] as const
      const earlier = await store.records({ call, phases, before: seq, order: 'oldest_first', limit: 10, hydrate: false })
      const begun = earlier.find((record) => record.phase === 'intent')
      const ended = earlier.find((record) => begun !== undefined && record.seq > begun.seq && record.phase !== 'intent')
      if (ended === undefined) return `it is the ${phase} of a call that was never begun`
      repeated.set(seq, `it is a second end of a call that record ${ended.seq} has ended`)
      return null
    },
    add: (seq, why) => void repeated.set(seq, why),
    take({ seq, phase, body }) {
      if (phase !== 'exchange' || !body.startsWith('{"repeats":[')) return
      for (const of of repeatsIn(body)) if (of < seq) explained.add(of)
    },
    report() {
      const left = [...repeated].filter(([seq]) => !explained.has(seq)).map(([seq, why]) => ({ seq, why }))
      return { records: repeated.size, unexplained: left.slice(0, maxShown) }
    },
  }
}

function repeatsIn(body: string): readonly number[] {
  try {
    const { repeats } = JSON.parse(body) as { repeats: unknown }
    return Array.isArray(repeats) ? repeats.filter((seq): seq is number => typeof seq === 'number') : []
  } catch {
    return []
  }
}
