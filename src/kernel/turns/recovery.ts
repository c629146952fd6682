/**
 * Recovery: what a guest does with intents that a crash left without an outcome.
 *
 * - An open `turn.send` is an unfinished turn: it goes on from what the journal kept, or ends when a person had cancelled it.
 * - A tool call of such a turn goes on with it when it is safe to repeat, or is given up with it when the turn ends before that; a
 *   `once` effect is never repeated and the model is told that its outcome is unknown.
 * - A question to a model is given up and counted at the price it had reserved: the provider may have billed it.
 * - Anything else had nobody waiting for it any more; nor has a turn of a session that is deleted.
 */
import type { Store } from '../../store/index.ts'
import { type CallId, type JournalRecord, type JsonObject, type SessionId, toolPlace, type TurnId } from '../../types/index.ts'
import type { Entry, Journal } from '../journal.ts'

export interface OpenTurn {
  readonly id: CallId
  readonly session: SessionId
  readonly input: unknown
  readonly started: boolean
  /** The turn that took the message up, when it was steering. */
  readonly into: TurnId | null
  /** A person has asked for its end since it began. */
  readonly cancelled: boolean
}

/** Reconciles what must not or need not go on. @returns the turns that go on, oldest first. */
export async function reconcile(store: Store, journal: Journal): Promise<readonly OpenTurn[]> {
  const open = await store.openIntents()
  const gone = await deletedOf(store, open)
  const goesOn = ({ name, session }: JournalRecord): boolean => name === 'turn.send' && !gone.has(session)
  const sends = open.filter(goesOn)
  const turns = await Promise.all(sends.map((record) => describeTurn(store, record)))
  const alive = new Set<string>(turns.filter(({ cancelled }) => !cancelled).map(({ id }) => id))
  const closed = open.filter((record) => !goesOn(record)).flatMap((record) => close(record, alive.has(record.turn)))
  if (closed.length > 0) await journal.append(closed)
  return turns
}

/** Gives up tool calls of a turn that have no outcome: a crash cut them off, and the turn ends without taking them up again. */
export async function giveUpCalls({ store, append, flushed }: Pick<Journal, 'store' | 'append' | 'flushed'>, turn: TurnId): Promise<void> {
  await flushed()
  const left = (await store.openIntents()).filter((record) => record.turn === turn && toolPlace(record.call) !== null)
  if (left.length > 0) await append(left.flatMap((record) => close(record, false)))
}

/** @returns the sessions of these messages that are not there any more. */
async function deletedOf(store: Store, open: readonly JournalRecord[]): Promise<ReadonlySet<string>> {
  const sessions = new Set(open.filter(({ name }) => name === 'turn.send').map(({ session }) => session))
  const rows = await Promise.all([...sessions].map(async (session) => [session, await store.session(session as SessionId)] as const))
  return new Set(rows.filter(([, row]) => row === null || row.deleted > 0).map(([session]) => session))
}

async function describeTurn(store: Store, record: JournalRecord): Promise<OpenTurn> {
  const [started] = await store.records({ call: record.call, phases: ['started'], order: 'oldest_first', limit: 1, hydrate: true })
  const { input } = JSON.parse(record.body) as { input: unknown }
  const into = started === undefined ? undefined : (JSON.parse(started.body) as { into?: TurnId }).into
  const session = record.session as SessionId
  const cancelled = started !== undefined && into === undefined && (await isCancelled(store, session, started.seq))
  return { id: record.call, session, input, started: started !== undefined, into: into ?? null, cancelled }
}

async function isCancelled(store: Store, session: SessionId, since: number): Promise<boolean> {
  for (let after = since; ;) {
    const page = await store.records({ session, after, phases: ['intent'], order: 'oldest_first', limit: intentPage, hydrate: false })
    if (page.some(({ name, call }) => name === 'turn.cancel' && toolPlace(call) === null)) return true
    if (page.length < intentPage) return false
    after = page.at(-1)!.seq
  }
}

/** Intents of a turn that are read at once. */
const intentPage = 1_000

function close(record: JournalRecord, turnGoesOn: boolean): Entry[] {
  const intent = JSON.parse(record.body) as { effect?: string; reserved?: JsonObject }
  if (turnGoesOn && intent.effect !== 'once' && toolPlace(record.call) !== null) return []
  return [
    {
      caller: { actor: record.actor, session: record.session, turn: record.turn },
      call: record.call,
      name: record.name,
      phase: 'reconciled',
      body: reconciliation(record.name, intent.effect, intent.reserved),
    },
  ]
}

const paidFor: ReadonlySet<string> = new Set(['model.generate', 'model.complete', 'model.embed'])

function reconciliation(name: string, effect: string | undefined, reserved: JsonObject | undefined): JsonObject {
  if (effect === 'once') {
    const text = `Error (outcome_unknown): a crash hid how ${name} ended. Outcome unknown, not repeated. Check what it did before you go on.`
    return { status: 'unknown', code: 'outcome_unknown', text }
  }
  const spent = paidFor.has(name) && reserved !== undefined ? { spent: reserved } : {}
  return { status: 'abandoned', code: 'cancelled', text: `${name} was under way when the guest died; nobody waits for it now.`, ...spent }
}
