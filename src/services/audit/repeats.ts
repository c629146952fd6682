/**
 * What an audit makes of records that begin or end a call once more. The store refuses them; versions before that could write them, when
 * two asked for the same call at once. The first beginning and the first end count; the next start of a guest, or `audit.verify`, records that.
 */
import type { Entry, Journal } from '../../kernel/index.ts'
import type { Store } from '../../store/index.ts'
import { type CallId, derivedId, type JsonObject } from '../../base/index.ts'
import type { JournalRecord, OutputOf } from '../../protocol/index.ts'

interface Repeats {
  /** @returns why the end of a call that is not open does not hold; null when it repeats an earlier end */
  judge(record: JournalRecord): Promise<string | null>
  add(seq: number, why: string): void
  /** Takes in a record that holds, in order. */
  take(record: JournalRecord): void
  report(): OutputOf<'audit.verify'>['repeated']
}

/** Says of the end of a call that it is not open. */
export const notOpen = 'it ends a call that is not open'

/** Body of the record that reconciles repeated records. */
export function repeatsBody(seqs: readonly number[]): JsonObject {
  return { repeats: [...seqs], reason: 'the first beginning and the first end of each call count' }
}

/** Records that one reconciliation names: a body of some 10 kB. */
const maxNamedAtOnce = 1_000

/**
 * Records that the earliest record counts, once for each repeated record in the journal. The call's id derives from what it names, so
 * that the store refuses a second one.
 */
export async function reconcileRepeats(store: Pick<Store, 'indexRows'>, { append }: Pick<Journal, 'append'>): Promise<void> {
  for (let after: readonly [string, number] = ['', 0]; ;) {
    const page = await store.indexRows('again', after, maxNamedAtOnce)
    if (page.length === 0) return
    after = page.at(-1)!
    const seqs = page.map(([, seq]) => seq).toSorted((a, b) => a - b)
    const call = derivedId('repeats', ...seqs) as CallId
    const entry = (phase: Entry['phase'], body: JsonObject): Entry => ({ caller: kernelCaller, call, name: 'audit.verify', phase, body })
    await append([entry('intent', { input: {}, effect: 'none' }), entry('exchange', repeatsBody(seqs)), entry('outcome', { status: 'ok' })])
  }
}

const kernelCaller = { actor: 'kernel', session: '', turn: '' } as const

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
