/** Follows a session until one turn is over or waits for a person. */
import { toError } from '../../types/index.ts'
import type { PendingApproval, RecordView, SessionId, TurnId } from '../../types/index.ts'
import type { FollowEvent } from '../../client/index.ts'
import type { GatewayPort } from './gateway-port.ts'
import { foldRecord, isOver, newTurnView, pendingOf, type TurnView } from '../view/turn-view.ts'

export interface TurnWatch {
  /**
   * The turn's view once it is over; a message that another turn took up is answered by that turn's. Rejects with what ended
   * the following.
   */
  readonly over: Promise<TurnView>
  view(): TurnView
  stop(): void
}

interface Watched {
  readonly gateway: GatewayPort
  readonly session: SessionId
  readonly turn: TurnId
  /** Where following begins; records before it may be given as `past`. */
  readonly cursor: number
  readonly past?: readonly RecordView[]
  /** Every event of the session, after it was folded. */
  readonly onEvent?: (event: FollowEvent, view: TurnView) => void
  /** A call of the turn that waits for a person; told once for each. */
  readonly onPending: (pending: PendingApproval) => void
}

/** @throws OxbowError of the gateway when the session cannot be followed. */
export async function watchTurn(watched: Watched): Promise<TurnWatch> {
  const { gateway, session, turn, cursor, past = [], onEvent, onPending } = watched
  const over = Promise.withResolvers<TurnView>()
  // A message sent into a running turn may be merged into it, so every turn that moves while we watch is folded.
  over.promise.catch(() => {})
  const views = new Map<string, TurnView>([[turn, newTurnView(turn)]])
  const asked = new Set<string>()
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
    }
    // Of what was parked in the past, this is what was not decided since.
    if (event.type === 'caught_up') event.pending.forEach(ask)
    if (event.type === 'ended') over.reject(toError(event.failure))
    onEvent?.(event, view())
  })
  return { over: over.promise, view, stop: following.stop }
}
