/**
 * What follows from a record for the small tables of the store; they commit with it and could be made again from the
 * journal (see the decision "The journal is the only history").
 */
import type { Projection, SessionRow } from '../store/index.ts'
import { noSpend, type SessionId, type Spend, type UserId } from '../types/index.ts'
import type { Conversations } from './conversation/conversations.ts'
import { carriesConversation } from './conversation/fold.ts'
import { changesScratchpad } from './conversation/scratchpads.ts'
import type { Entry } from './journal.ts'
import { userCaller } from './stages/policy.ts'
import type { Sessions } from './sessions.ts'
import type { Budgets } from './stages/budgets.ts'

interface ProjectorDeps {
  readonly user: UserId
  readonly sessions: Sessions
  readonly budgets: Budgets
  readonly conversations: () => Conversations
}

/** What a call about a session has made of its row. */
function keptSession({ name, phase, body }: Entry): { session: SessionId; change: Partial<Omit<SessionRow, 'id'>> } | null {
  if (phase !== 'outcome' || body['status'] !== 'ok' || body['change'] === undefined) return null
  if (!/^session\.(?:rename|archive|delete|fork|title)$/.test(name)) return null
  return { session: body['session'] as SessionId, change: body['change'] as Partial<SessionRow> }
}

/** @returns a function from an entry, its time and its place in the append to what commits with it. */
export function createProjector({ user, sessions, budgets, conversations }: ProjectorDeps) {
  const sessionRow = (entry: Entry, at: number) => {
    const { caller, call, name, phase, body } = entry
    const { session } = caller
    if (name === 'session.create' && phase === 'outcome' && body['status'] === 'ok') {
      const id = body['id'] as SessionId
      conversations().fresh(id)
      return sessions.created(id, body['title'] as string, at)
    }
    const kept = keptSession(entry)
    if (kept !== null) return sessions.kept(kept.session, kept.change)
    if (session === '') return null
    if (name === 'session.summarize' && phase === 'exchange' && 'epoch' in body) return sessions.changed(session, { summary: call })
    if (changesScratchpad(entry)) return sessions.changed(session, { scratchpad: call })
    const beginsTurn = name === 'turn.send' && phase === 'started' && body['into'] === undefined
    return beginsTurn
      ? sessions.turnStarted(session, body['text'] as string, at)
      : phase === 'outcome' || phase === 'intent'
        ? sessions.takeChanged(session)
        : null
  }

  return (entry: Entry, at: number, index: number): readonly Projection[] => {
    const { session, turn } = entry.caller
    const projections: Projection[] = []
    const row = sessionRow(entry, at)
    if (row) projections.push({ kind: 'session', session: row })
    if (carriesConversation(entry)) projections.push({ kind: 'message', record: index })
    const spent = entry.body['spent'] as Spend | undefined
    if (spent !== undefined) {
      // The gate settles what it ran; what a crash cut off is counted here.
      if (entry.phase === 'reconciled') budgets.settle(userCaller(user, session, turn), noSpend, spent)
      projections.push(...budgets.projections(session, spent))
    }
    return projections
  }
}
