/**
 * Recovery: how a guest treats intents that a crash left without an outcome.
 *
 * - An open `turn.send` is an unfinished turn: it resumes from what the journal kept, or ends if the user had cancelled it.
 * - A turn in which the guest crashed twice ends with an error. One that stopped, or was killed from outside, did not crash.
 * - A tool call of such a turn resumes with it if it is safe to repeat, and is abandoned if the turn ends before. A `once` effect is never
 *   repeated, and the model is told that its outcome is unknown.
 * - A new session is created, because the only effect of the call is its outcome.
 * - A request to a model is abandoned and counted at all that it had reserved, because the provider may have billed it.
 * - Everything else is abandoned, including the turns of deleted sessions.
 *
 * What an older version recorded twice is reconciled by a record, once.
 */
import type { Store } from '../../store/index.ts'
import { type CallId, isDerived, isObject, type JsonObject, type SessionId, type TurnId } from '../../base/index.ts'
import { newSessionCall, cancelCall, isTurn, type JournalRecord, readStep, toolPlace } from '../../protocol/index.ts'
import type { Entry, Journal } from '../records/journal.ts'
import { type Extended, reservationName } from '../stages/budgets.ts'
import { type AskRuns, goingOn } from './service-runs.ts'

/** Crashes of the guest in one turn: another turn may have caused the first, and a third try would end the same. */
export const maxTurnCrashes = 2

export interface OpenTurn {
  readonly id: CallId
  readonly session: SessionId
  readonly input: unknown
  readonly started: boolean
  /** The turn that took the message as steering. */
  readonly into: TurnId | null
  /** A person cancelled it, or the messages that waited. */
  readonly cancelled: boolean
  /** See `LaneTurn.began`. */
  readonly began: string | undefined
  /** The guest has crashed too often while it ran. */
  readonly hopeless: boolean
}

/**
 * Closes the intents that do not resume.
 * @param crashed whether the guest that ran before ended by itself
 * @param runs what services say of their runs: the calls of a run that goes on resume as a turn's do
 * @returns the turns that resume, oldest first
 */
export async function reconcile(
  store: Store,
  journal: Journal,
  crashed = false,
  runs: AskRuns = async () => [],
): Promise<readonly OpenTurn[]> {
  const open = await store.openIntents()
  const gone = await deletedOf(store, open)
  const resumes = (record: JournalRecord): boolean => isTurn(record) && !gone.has(record.session)
  const sends = open.filter(resumes)
  const described = await Promise.all(sends.map((record) => describeTurn(store, record, crashed)))
  const turns = described.map(({ turn }) => turn)
  const alive = new Set<string>(turns.filter(({ cancelled }) => !cancelled).map(({ id }) => id))
  const left = open.filter((record) => !resumes(record))
  const others = [...new Set(left.map(({ turn }) => turn))].filter((turn) => isDerived(turn) && !alive.has(turn)) as TurnId[]
  const going = await goingOn(runs, others)
  const isKept = (record: JournalRecord): boolean => going.has(record.turn) || (alive.has(record.turn) && isMadeAgain(record))
  await Promise.all(left.map(async (record) => end(journal, await close(store, record, isKept(record)))))
  const marks = described.flatMap(({ mark }) => mark ?? [])
  if (marks.length > 0) await journal.append(marks)
  return turns
}

/** Calls that a resumed turn makes again under the same ids: its model's calls, and delegations to others' agents, whose ids derive from its own. */
function isMadeAgain({ name, call }: Pick<JournalRecord, 'name' | 'call'>): boolean {
  return toolPlace(call) !== null || (isDerived(call) && /^(?:a2a|acp)\./.test(name))
}

/** Closes calls of a turn, or of a run of a graph, that a crash interrupted and that it has not resumed. */
export async function giveUpCalls(
  { store, append, flushed }: Pick<Journal, 'store' | 'append' | 'flushed'>,
  turn: TurnId,
  concerns: (record: Pick<JournalRecord, 'name' | 'call'>) => boolean = isMadeAgain,
): Promise<void> {
  await flushed()
  const left = (await store.openIntents()).filter((record) => record.turn === turn && concerns(record))
  await Promise.all(left.map(async (record) => end({ append }, await close(store, record, false))))
}

/** Each call by itself: one that has ended meanwhile does not keep the others open. */
async function end({ append }: Pick<Journal, 'append'>, closed: readonly Entry[]): Promise<void> {
  if (closed.length > 0) await append(closed)
}

/** @returns the sessions of these messages that were deleted */
async function deletedOf(store: Store, open: readonly JournalRecord[]): Promise<ReadonlySet<string>> {
  const sessions = new Set(open.filter(isTurn).map(({ session }) => session))
  const rows = await Promise.all([...sessions].map(async (session) => [session, await store.session(session as SessionId)] as const))
  return new Set(rows.filter(([, row]) => row === null || row.deleted > 0).map(([session]) => session))
}

interface DescribedTurn {
  readonly turn: OpenTurn
  /** Records that the guest has crashed while it ran. */
  readonly mark: Entry | null
}

async function describeTurn(store: Store, record: JournalRecord, crashed: boolean): Promise<DescribedTurn> {
  const [started] = await store.records({ call: record.call, phases: ['started'], order: 'oldest_first', limit: 1, hydrate: true })
  const { input } = JSON.parse(record.body) as { input: unknown }
  const body = started === undefined ? null : (JSON.parse(started.body) as JsonObject)
  const taken = started === undefined || body === null ? null : readStep({ ...started, body })
  const { agent } = body ?? {}
  const began = isObject(agent) && typeof agent['handoff'] === 'string' ? agent['handoff'] : undefined
  const into = taken?.kind === 'taken' ? (taken.into as TurnId | null) : null
  const session = record.session as SessionId
  const cancelled = into === null && (await isCancelled(store, session, started?.seq ?? record.seq, started === undefined))
  const turn = { id: record.call, session, input, started: started !== undefined, into, cancelled, began }
  if (started === undefined || into !== null || cancelled) return { turn: { ...turn, hopeless: false }, mark: null }
  const crashes = await crashesOf(store, record, crashed)
  const caller = { actor: record.actor, session, turn: record.turn }
  const mark: Entry = { caller, call: record.call, name: crashName, phase: 'exchange', body: { crashes } }
  return { turn: { ...turn, hopeless: crashes >= maxTurnCrashes }, mark: crashed ? mark : null }
}

const crashName = 'turn.interrupted'

/** @returns how often the guest has crashed in this turn, the last time included */
async function crashesOf(store: Store, { call }: JournalRecord, crashed: boolean): Promise<number> {
  const last = await lastMark(store, call)
  return (last === null ? 0 : (JSON.parse(last.body) as { readonly crashes: number }).crashes) + (crashed ? 1 : 0)
}

/** Other notes of the turn may stand behind its last mark, which is short and so never in a blob. */
async function lastMark(store: Store, call: CallId): Promise<JournalRecord | null> {
  for (let before = Number.MAX_SAFE_INTEGER; ;) {
    const page = await store.records({ call, phases: ['exchange'], before, order: 'newest_first', limit: exchangePage, hydrate: false })
    const mark = page.find(({ name }) => name === crashName)
    if (mark !== undefined || page.length < exchangePage) return mark ?? null
    before = page.at(-1)!.seq
  }
}

/** @param isWaiting its turn had not begun: only a cancellation of the messages that wait ends it */
async function isCancelled(store: Store, session: SessionId, since: number, isWaiting: boolean): Promise<boolean> {
  const ends = ({ name, call, body }: JournalRecord): boolean =>
    name === cancelCall && toolPlace(call) === null && (!isWaiting || (JSON.parse(body) as CancelIntent).input?.waiting === true)
  for (let after = since; ;) {
    const page = await store.records({ session, after, phases: ['intent'], order: 'oldest_first', limit: intentPage, hydrate: false })
    if (page.some(ends)) return true
    if (page.length < intentPage) return false
    after = page.at(-1)!.seq
  }
}

interface CancelIntent {
  readonly input?: { readonly waiting?: boolean }
}

/** Intents read at once. */
const intentPage = 1_000
/** Exchanges read at once. */
const exchangePage = 50

async function close(store: Store, record: JournalRecord, isResumed: boolean): Promise<Entry[]> {
  const intent = JSON.parse(record.body) as Intent
  if (isResumed && intent.effect !== 'once') return []
  const { call, name } = record
  const caller = { actor: record.actor, session: record.session, turn: record.turn }
  // All that it does is in its outcome. Its sender repeats it with the same id, which would otherwise never become a session.
  if (name === newSessionCall) {
    const body = { status: 'ok', id: call, title: intent.input?.title ?? '' }
    return [{ caller, call, name, phase: 'outcome', body, projection: 'new_session' }]
  }
  return [
    {
      caller,
      call,
      name,
      phase: 'reconciled',
      body: { ...reconciliation(record.name, intent.effect), ...(await costOf(store, record, intent)) },
    },
  ]
}

interface Intent {
  readonly effect?: string
  readonly reserved?: JsonObject
  readonly charged?: JsonObject
  readonly billed?: boolean
  readonly input?: { readonly title?: string }
}

/**
 * What a call that a crash interrupted may have cost: all that it had reserved at last, because a service may bill that, in the windows
 * that covered this; and the time until the last record of the guest that ran it.
 */
async function costOf(store: Store, { call, at }: JournalRecord, { reserved, charged, billed }: Intent): Promise<JsonObject> {
  if (reserved === undefined && charged === undefined) return {}
  const [newest] = await store.records({ order: 'newest_first', limit: 1, hydrate: false })
  const ms = Math.max(0, (newest?.at ?? at) - at)
  const time = charged === undefined ? {} : { charged: { ...charged, ms } }
  if (billed !== true || reserved === undefined) return time
  const steps = await store.records({ call, phases: ['exchange'], order: 'newest_first', limit: maxExchanges, hydrate: true })
  const step = steps.find((each) => each.name === reservationName)
  if (step === undefined) return { spent: reserved, ...time }
  const { reserved: spent, to } = JSON.parse(step.body) as Extended
  // Older versions recorded no windows with an extension.
  return { spent, ...(charged === undefined || to === undefined ? time : { charged: { ...charged, ms, to } }) }
}

/** Exchanges of one call: its tries with every model, and extensions of its reservation, which double each time. */
const maxExchanges = 200

function reconciliation(name: string, effect: string | undefined): JsonObject {
  if (effect === 'once') {
    const text = `Error (outcome_unknown): a crash hid how ${name} ended. It was not repeated. Check what it did before you continue.`
    return { status: 'unknown', code: 'outcome_unknown', text, hint: 'Check what it did before it is made again.' }
  }
  const text = `${name} was running when the guest died, and was abandoned.`
  return { status: 'abandoned', code: 'cancelled', text, hint: 'Make it again if it is still needed: its effect is safe to repeat.' }
}

/** @returns a function that reads the outcome of a turn that has ended; null while it is open */
export function createOutcomeOf(store: Pick<Store, 'records'>): (turn: TurnId) => Promise<JsonObject | null> {
  return async (turn) => {
    const [ended] = await store.records({
      call: turn as string as CallId,
      phases: ['outcome', 'refused', 'reconciled'],
      order: 'newest_first',
      limit: 1,
      hydrate: true,
    })
    return ended === undefined ? null : (JSON.parse(ended.body) as JsonObject)
  }
}
