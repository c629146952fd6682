/**
 * One session on the screen: follows it, prints what happens, and tracks the approvals it waits for. It keeps only the running turn in
 * memory.
 */
import type { FollowEvent } from '../../client/index.ts'
import type { CallId, Failure, SessionId, TurnId } from '../../base/index.ts'
import {
  endsTurn,
  foldRecord,
  isDecided,
  isEnd,
  isOver,
  newTurnView,
  type PendingApproval,
  pendingIn,
  pendingOf,
  type RecordView,
  startsTurn,
  type TurnView,
} from '../../protocol/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import type { Screen } from '../screen/screen.ts'
import { badgeText, inRecordOrder, type LabelBadge, labelBadges } from '../../terminal/index.ts'
import { createTurnPrinter, lastExchange, messagePrompt } from './turn-printer.ts'

export interface ChatSession {
  readonly id: SessionId
  isRunning(): boolean
  /** The approval that is shown now. */
  asked(): PendingApproval | null
  /** True, once per question, when it appeared after typing had begun: the typed text is not an answer to it. */
  cameUnseen(): boolean
  /** Call when a message is acknowledged as this turn; after a lost connection the end of the turn may arrive first. */
  sent(turn: TurnId): void
  /** Removes the decided approval and shows the next. */
  answered(call: CallId): void
  /** Resolves when no turn is running, or the running one waits for approval. */
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
  /** Whether what the session has read is shown: not where nobody reads along. */
  readonly showsLabels: boolean
  /** Called when the session can no longer be followed. */
  readonly onLost: (failure: Failure) => void
}

const approvalPrompt = '  allow? [y/n/a] '

export async function openChatSession({ gateway, screen, session, past, busy, user, showsLabels, onLost }: Opening): Promise<ChatSession> {
  const printer = createTurnPrinter(screen, user)
  const approvals = createApprovalQueue()
  const takeLabels = showsLabels ? createLabelLine(gateway, session, past, printer.labels) : null
  const lane = foldPast(past, busy)
  for (const approval of lane.pending) approvals.add(approval)
  let active = lane.active
  let unseen = false
  const ended = new Set<string>()
  const waiters: (() => void)[] = []

  /** Shows the matching prompt and resolves `idle`. */
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
  const ask = (approval: PendingApproval): void => (approvals.add(approval) ? showAsked() : undefined)
  const decided = (call: CallId): void => (approvals.remove(call) ? showAsked() : undefined)
  const takeRecord = (record: RecordView): void => {
    if (endsTurn(record)) ended.add(record.call)
    if (startsTurn(record) && active?.turn !== record.turn) active = newTurnView(record.turn)
    if (active === null || record.turn !== active.turn) return
    active = foldRecord(active, record)
    if (record.phase === 'parked') ask(pendingOf(record))
    if (isDecided(record) || isEnd(record)) decided(record.call)
    printer.record(record, active)
    takeLabels?.(record, isOver(active))
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
    if (event.type === 'approval' && event.waits) ask(event.approval)
    else if (event.type === 'approval') decided(event.approval.call)
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

/** The turn that was running when the records were read, and the approvals it waited for. */
function foldPast(past: readonly RecordView[], busy: boolean): { active: TurnView | null; pending: readonly PendingApproval[] } {
  if (!busy) return { active: null, pending: [] }
  const start = past.findLastIndex(startsTurn)
  const began = past[start]
  if (began === undefined) return { active: null, pending: [] }
  const active = past.slice(start).reduce(foldRecord, newTurnView(began.turn))
  return isOver(active) ? { active: null, pending: [] } : { active, pending: pendingIn(active) }
}

/** Takes a record of the session, which may be the last of its turn. */
type TakeLabels = (record: RecordView, isLast: boolean) => void

/** Shows the labels of a session where they or their origins have changed, now and after each turn; asks nothing while it has none. */
function createLabelLine(
  gateway: GatewayPort,
  session: SessionId,
  past: readonly RecordView[],
  print: (badges: readonly LabelBadge[]) => void,
): TakeLabels {
  let isLabelled = past.some(hasLabels)
  let shown = ''
  const show = async (): Promise<void> => {
    // A guest that is gone says so elsewhere.
    const outcome = await gateway.call('flow.show', { session }).catch(() => null)
    const badges = outcome?.status === 'ok' ? labelBadges(outcome.output) : []
    const text = badgeText(badges)
    if (text === '' || text === shown) return
    shown = text
    print(badges)
  }
  if (isLabelled) void show()
  return (record, isLast) => {
    isLabelled ||= hasLabels(record)
    if (isLabelled && isLast) void show()
  }
}

function hasLabels({ body }: RecordView): boolean {
  const labels = (body as { labels?: unknown } | null)?.labels
  return Array.isArray(labels) && labels.length > 0
}

// Waiting approvals of one session, shown one at a time in the order of their calls.

interface ApprovalQueue {
  /** The one that is shown now. */
  first(): PendingApproval | null
  /** @returns whether it is the one to show now. Duplicates are ignored. */
  add(approval: PendingApproval): boolean
  /** @returns whether it was the one shown. */
  remove(call: CallId): boolean
  /** Forgets the turn's approvals; the agents' keep waiting. */
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
      waiting = waiting.filter(({ agent }) => agent !== undefined)
    },
  }
}
