/**
 * One session on the screen: follows it, prints what happens, and knows what it waits for. It holds no more of a session than
 * the turn that runs.
 */
import type { FollowEvent } from '../../client/index.ts'
import type { CallId, Failure, PendingApproval, RecordView, SessionId, TurnId } from '../../types/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import type { Screen } from '../screen/screen.ts'
import { inRecordOrder } from '../turn-watch.ts'
import { foldRecord, isEnd, isOver, newTurnView, pendingOf, type TurnView } from '../view/turn-view.ts'
import { createTurnPrinter, lastExchange, messagePrompt } from './turn-printer.ts'

export interface ChatSession {
  readonly id: SessionId
  isRunning(): boolean
  /** The approval that is asked now. */
  asked(): PendingApproval | null
  /** The question came when something was typed already, which is no answer to it. Asked once, it has been shown. */
  cameUnseen(): boolean
  /** A message was acknowledged as this turn; after a lost connection the end of the turn may arrive first. */
  sent(turn: TurnId): void
  /** Takes the asked approval off the screen, and asks the next. */
  answered(call: CallId): void
  /** Resolves when nothing runs, or what runs waits for a person. */
  idle(): Promise<void>
  stop(): void
}

interface Opening {
  readonly gateway: GatewayPort
  readonly screen: Screen
  readonly session: SessionId
  /** Newest records, oldest first; empty for a new session. */
  readonly past: readonly RecordView[]
  readonly busy: boolean
  readonly user: string
  /** The session can be followed no longer. */
  readonly onLost: (failure: Failure) => void
}

const approvalPrompt = '  allow? [y/n] '

export async function openChatSession({ gateway, screen, session, past, busy, user, onLost }: Opening): Promise<ChatSession> {
  const printer = createTurnPrinter(screen, user)
  const approvals = createApprovalQueue()
  const lane = foldPast(past, busy)
  for (const approval of lane.pending) approvals.add(approval)
  let active = lane.active
  let unseen = false
  const ended = new Set<string>()
  const waiters: (() => void)[] = []

  /** Shows the prompt that fits, and wakes who waits for it. */
  const settle = (): void => {
    const asking = approvals.first() !== null
    screen.prompt(asking ? approvalPrompt : active === null ? messagePrompt : null)
    if (active === null || asking) waiters.splice(0).forEach((wake) => wake())
  }
  const showAsked = (): void => {
    const first = approvals.first()
    if (first !== null) printer.approval(first)
    unseen = screen.isTyping?.() === true
    settle()
  }
  const ask = (approval: PendingApproval): void => {
    if (approvals.add(approval)) showAsked()
  }
  const decided = (call: CallId): void => {
    if (approvals.remove(call)) showAsked()
  }
  const takeRecord = (record: RecordView): void => {
    if (record.name === 'turn.send' && isEnd(record)) ended.add(record.call)
    if (begins(record) && active?.turn !== record.turn) active = newTurnView(record.turn)
    if (active === null || record.turn !== active.turn) return
    active = foldRecord(active, record)
    if (record.phase === 'parked') ask(pendingOf(record))
    if (record.phase === 'decided' || isEnd(record)) decided(record.call)
    printer.record(record, active)
    if (isOver(active)) {
      active = null
      approvals.clear()
    }
    settle()
  }
  const take = (event: FollowEvent): void => {
    if (active !== null) printer.event(event, active)
    if (event.type === 'record') takeRecord(event.record)
    if (event.type === 'caught_up') event.pending.forEach(ask)
    if (event.type === 'ended') onLost(event.failure)
  }

  if (past.length > 0) screen.stream(`${lastExchange(past)}\n`)
  showAsked()
  const following = await gateway.follow(session, past.at(-1)?.seq ?? 0, inRecordOrder(past, take))
  return {
    id: session,
    isRunning: () => active !== null,
    asked: approvals.first,
    cameUnseen() {
      const was = unseen
      unseen = screen.isTyping?.() === true
      return was
    },
    sent(turn) {
      if (!ended.has(turn)) active ??= newTurnView(turn)
      settle()
    },
    answered: decided,
    idle: () => (active === null || approvals.first() !== null ? Promise.resolve() : new Promise((wake) => waiters.push(wake))),
    stop: following.stop,
  }
}

/** The turn that a session was in when its records were read, and what it waited for. */
function foldPast(past: readonly RecordView[], busy: boolean): { active: TurnView | null; pending: readonly PendingApproval[] } {
  if (!busy) return { active: null, pending: [] }
  const start = past.findLastIndex(begins)
  const began = past[start]
  if (began === undefined) return { active: null, pending: [] }
  const records = past.slice(start).filter((record) => record.turn === began.turn)
  const active = records.reduce(foldRecord, newTurnView(began.turn))
  const waiting = new Set(active.calls.filter((call) => call.status === 'waiting').map(({ call }) => call))
  const pending = records.filter((record) => record.phase === 'parked' && waiting.has(record.call)).map(pendingOf)
  return isOver(active) ? { active: null, pending: [] } : { active, pending }
}

/** A message has become a turn; one that a running turn takes up has that turn's id and its own call. */
function begins(record: RecordView): boolean {
  const call: string = record.call
  return record.name === 'turn.send' && record.phase === 'started' && call === record.turn
}

// Waiting approvals of one session, asked one at a time in the order of their calls.

interface ApprovalQueue {
  /** The one that is asked now. */
  first(): PendingApproval | null
  /** @returns whether it is the one to ask now. One that is there already is not added. */
  add(approval: PendingApproval): boolean
  /** @returns whether it was the one that was asked. */
  remove(call: CallId): boolean
  clear(): void
}

function createApprovalQueue(): ApprovalQueue {
  let waiting: readonly PendingApproval[] = []
  return {
    first: () => waiting[0] ?? null,
    add(approval) {
      if (waiting.some(({ call }) => call === approval.call)) return false
      waiting = [...waiting, approval]
      return waiting.length === 1
    },
    remove(call) {
      const wasFirst = waiting[0]?.call === call
      waiting = waiting.filter((approval) => approval.call !== call)
      return wasFirst
    },
    clear() {
      waiting = []
    },
  }
}
