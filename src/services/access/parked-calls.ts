/** Calls that wait for a person, as their records tell: calls from before a restart, and what was decided on them so far. */
import { boundDigest, type Decided, type Documents, type Journal } from '../../kernel/index.ts'
import { type CallId, OxbowError } from '../../base/index.ts'
import { grantOf, type PendingApproval } from '../../protocol/index.ts'
import { rightsOfKey } from './keys.ts'

interface ParkedDeps {
  readonly documents: Documents
  readonly journal: Pick<Journal, 'store'>
  /** Turns that resume after a restart, by the call of their message, until they end. */
  readonly recovered: Pick<ReadonlyMap<CallId, unknown>, 'has'>
}

/** What the record of a waiting call has of it. */
type Shown = 'input' | 'reason' | 'labels' | 'inputs' | 'personal'

/** Leaves out decisions by keys that were revoked since or may no longer decide. */
export async function decisionsOn(
  { journal, documents }: ParkedDeps,
  now: number,
  { call, input, inputs }: PendingApproval,
): Promise<readonly Decided[]> {
  const records = await journal.store.records({ call, phases: ['decided'], order: 'oldest_first', limit: 10, hydrate: true })
  const decided = records
    .map(({ body }) => JSON.parse(body) as Decided)
    .filter((decision) => decision.input === input && (decision.inputs ?? '') === boundDigest(inputs))
  const counts = await Promise.all(decided.map(({ by }) => mayDecideNow(documents, by, now)))
  return decided.filter((_, at) => counts[at])
}

async function mayDecideNow(documents: Documents, by: string, now: number): Promise<boolean> {
  if (!by.startsWith('key:')) return true
  const rights = await rightsOfKey(documents, by.slice('key:'.length), now)
  if (rights === null) return false
  const { rights: held, limits } = grantOf(rights)
  return (held.has('*') || held.has('call.decide')) && limits?.denied.has('call.decide') !== true
}

/** A call that was parked before a restart and whose resuming turn has not reached it again yet. */
export async function findParked({ journal, recovered }: ParkedDeps, call: CallId): Promise<PendingApproval | null> {
  const phases = ['parked', 'decided', 'intent', 'outcome', 'refused', 'reconciled'] as const
  const records = await journal.store.records({ call, phases, order: 'newest_first', limit: 10, hydrate: true })
  const newest = records.find(({ phase, body }) => phase !== 'decided' || (JSON.parse(body) as { partial?: boolean }).partial !== true)
  if (newest?.phase !== 'parked' || newest.session === '' || newest.turn === '' || !recovered.has(newest.turn as string as CallId))
    return null
  const { session, turn, name, at } = newest
  const { input, reason, labels, inputs, personal } = JSON.parse(newest.body) as Pick<PendingApproval, Shown>
  const optional = {
    ...(reason !== undefined && { reason }),
    ...(labels !== undefined && { labels }),
    ...(inputs !== undefined && { inputs }),
    ...(personal !== undefined && { personal }),
  }
  return { call, session, turn, name, at, input, ...optional }
}

export function notWaiting(call: CallId): OxbowError {
  return new OxbowError('not_found', `No call ${call} is waiting for approval.`, { hint: 'It may have been decided or cancelled already.' })
}
