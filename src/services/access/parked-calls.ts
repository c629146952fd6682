/** Calls that wait for a person, as their records tell: calls from before a restart, and what was decided on them so far. */
import { type Approvals, boundDigest, type Core, type Decided, type Documents, type Journal } from '../../kernel/index.ts'
import { type CallId, OxbowError, type SessionId } from '../../base/index.ts'
import { grantOf, type PendingApproval } from '../../protocol/index.ts'
import { rightsOfKey } from './keys.ts'

interface ParkedDeps {
  readonly documents: Documents
  readonly journal: Pick<Journal, 'store'>
}

export interface WaitingDeps extends Pick<ParkedDeps, 'journal'> {
  readonly approvals: Pick<Approvals, 'pending'>
  /** Turns that resume after a restart, by the call of their message, until they end. */
  readonly recovered: Core['recovered']
}

/** What the record of a waiting call has of it. */
type Shown = 'input' | 'reason' | 'labels' | 'inputs' | 'personal' | 'question'

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

/** Newest questions of a session among which those that still wait are looked for. */
const maxAsked = 50

/** @param run of this session that is no turn, and goes on @returns the calls of a session that wait for a person; see `findParked` */
export async function waitingIn(deps: WaitingDeps, session: SessionId, run = ''): Promise<readonly PendingApproval[]> {
  const live = deps.approvals.pending(session)
  if (run === '' && [...deps.recovered.values()].every((turn) => turn.session !== session)) return live
  const query = { session, phases: ['parked'], order: 'newest_first', limit: maxAsked, hydrate: false } as const
  const asked = (await deps.journal.store.records(query)).map(({ call }) => call)
  const missing = [...new Set(asked)].filter((call) => live.every((each) => each.call !== call))
  const found = await Promise.all(missing.map((call) => findParked(deps, call, run)))
  return [...live, ...found.filter((each) => each !== null)]
}

/** As `waitingIn`, of all sessions. */
export async function allWaiting(deps: WaitingDeps): Promise<readonly PendingApproval[]> {
  const resuming = new Set([...deps.recovered.values()].map(({ session }) => session))
  const others = deps.approvals.pending().filter(({ session }) => !resuming.has(session))
  const found = await Promise.all([...resuming].map((session) => waitingIn(deps, session)))
  return [...others, ...found.flat()]
}

/** @returns a call that was parked before a restart and that its resuming turn, or this run, has not reached again yet; null where there is no such call */
export async function findParked(
  { journal, recovered }: Pick<WaitingDeps, 'journal' | 'recovered'>,
  call: CallId,
  run = '',
): Promise<PendingApproval | null> {
  const phases = ['parked', 'decided', 'intent', 'outcome', 'refused', 'reconciled'] as const
  const records = await journal.store.records({ call, phases, order: 'newest_first', limit: 10, hydrate: true })
  const newest = records.find(({ phase, body }) => phase !== 'decided' || (JSON.parse(body) as { partial?: boolean }).partial !== true)
  if (newest?.phase !== 'parked' || newest.session === '' || newest.turn === '') return null
  if (newest.turn !== run && !recovered.has(newest.turn as string as CallId)) return null
  const { session, turn, name, at } = newest
  const { input, reason, labels, inputs, personal, question } = JSON.parse(newest.body) as Pick<PendingApproval, Shown>
  const optional = {
    ...(reason !== undefined && { reason }),
    ...(labels !== undefined && { labels }),
    ...(inputs !== undefined && { inputs }),
    ...(personal !== undefined && { personal }),
    ...(question !== undefined && { question }),
  }
  return { call, session, turn, name, at, input, ...optional }
}

/** Of a yes to what the call asked before. */
export function asksAgain({ call, name, reason = 'something has changed' }: PendingApproval): OxbowError {
  return new OxbowError('not_found', `That question is not open any more. ${name} asks again: ${reason}.`, {
    hint: `Look at what it asks now: \`oxbow approvals list\` shows ${call}.`,
  })
}

export function notWaiting(call: CallId): OxbowError {
  return new OxbowError('not_found', `No call ${call} is waiting for approval.`, {
    hint: 'It may have been decided or cancelled already; `oxbow approvals list` shows what waits.',
  })
}
