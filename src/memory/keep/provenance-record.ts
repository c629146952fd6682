/** From a call to its place in the journal: where an entry comes from, and what its maker's context had held. */
import type { CallContext, JournalRecord, Label } from '../../types/index.ts'
import type { KeepDeps } from '../keep-deps.ts'
import { heldLabels } from '../said/message-record.ts'

export interface Origin {
  /** Seq of the intent; 0 when it is not found. */
  readonly seq: number
  /** What a person says is theirs to say; what an agent writes carries all that it has seen. */
  readonly labels: readonly Label[]
  readonly extra: { readonly call: string; readonly actor: string; readonly session: string; readonly turn: string }
}

/** Whether an agent makes the call, and not a person. */
export function byAgent({ caller }: Pick<CallContext, 'caller'>): boolean {
  return caller.actor.startsWith('agent:')
}

/** Each once, in the order in which they are kept. */
export function joinedLabels(...lists: readonly (readonly Label[])[]): readonly Label[] {
  return [...new Set(lists.flat())].sort()
}

/** The intent of a call that changes something is on record before it runs. */
export async function originOf({ store }: Pick<KeepDeps, 'store'>, asking: Pick<CallContext, 'id' | 'caller'>): Promise<Origin> {
  const { id, caller } = asking
  const [intent] = await store.records({ call: id, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const extra = { call: id, actor: caller.actor, session: caller.session, turn: caller.turn }
  const labels = intent === undefined || !byAgent(asking) ? [] : heldLabels(JSON.parse(intent.body))
  return { seq: intent?.seq ?? 0, labels, extra }
}

/** The record itself; null when nothing has this seq. Erased bodies come as their marks. */
export async function recordAt({ store }: Pick<KeepDeps, 'store'>, seq: number): Promise<JournalRecord | null> {
  if (seq <= 0) return null
  const [record] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: true })
  return record ?? null
}
