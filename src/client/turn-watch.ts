/** Follows a session until one turn is over or waits for a person. */
import { type CallId, type SessionId, toError, type TurnId } from '../base/index.ts'
import {
  foldRecord,
  isDecided,
  isOver,
  newTurnView,
  type PendingApproval,
  pendingOf,
  type RecordView,
  type TurnView,
} from '../protocol/index.ts'
import type { Client } from './client.ts'
import type { FollowEvent } from './follower.ts'

export interface TurnWatch {
  /**
   * Resolves with the turn's view once it is over; for a message merged into another turn, with that turn's view. Rejects with the
   * failure that ended the subscription.
   */
  readonly over: Promise<TurnView>
  view(): TurnView
  stop(): void
}

interface Watched {
  readonly gateway: Pick<Client, 'follow'>
  readonly session: SessionId
  readonly turn: TurnId
  /** Record number after which following starts; earlier records can be passed as `past`. */
  readonly cursor: number
  readonly past?: readonly RecordView[]
  /** Called for every event of the session, after it is folded. */
  readonly onEvent?: (event: FollowEvent, view: TurnView) => void
  /** Called once for each question of the turn; a call can ask again after it was allowed. */
  readonly onPending: (pending: PendingApproval) => void
  /** A question that the caller knows. */
  readonly known?: CallId
}

/** @throws OxbowError of the gateway when the session cannot be followed. */
export async function watchTurn(watched: Watched): Promise<TurnWatch> {
  const { gateway, session, turn, cursor, past = [], onEvent, onPending, known } = watched
  const over = Promise.withResolvers<TurnView>()
  // A message sent into a running turn may be merged into it, so every turn with new records is folded.
  over.promise.catch(() => {})
  const views = new Map<string, TurnView>([[turn, newTurnView(turn)]])
  const asked = new Set<string>(known === undefined ? [] : [known])
  const head: string = turn
  let wanted = head
  const view = (): TurnView => views.get(wanted) ?? newTurnView(wanted)

  const ask = (pending: PendingApproval): void => {
    if (pending.turn !== wanted || asked.has(pending.call)) return
    asked.add(pending.call)
    onPending(pending)
  }
  const fold = (record: RecordView): void => {
    if (record.turn !== '') views.set(record.turn, foldRecord(views.get(record.turn) ?? newTurnView(record.turn), record))
    if (record.call === head && record.turn !== head) views.set(turn, foldRecord(views.get(turn) ?? newTurnView(turn), record))
    const { status, into } = view()
    if (status === 'merged' && into !== null) wanted = into
    if (isOver(view()) && view().status !== 'merged') over.resolve(view())
  }
  for (const record of past) fold(record)
  const following = await gateway.follow(session, cursor, (event) => {
    if (event.type === 'record') {
      fold(event.record)
      if (event.record.phase === 'parked') ask(pendingOf(event.record))
      if (isDecided(event.record)) asked.delete(event.record.call)
    }
    // Approvals that were requested earlier and are still undecided.
    if (event.type === 'caught_up') event.pending.forEach(ask)
    if (event.type === 'ended') over.reject(toError(event.failure))
    onEvent?.(event, view())
  })
  return { over: over.promise, view, stop: following.stop }
}
