/**
 * One session on the screen: follows it, prints what happens, and knows what it waits for. It holds no more of a session than
 * the turn that runs.
 */
import type { CallId, Failure, PendingApproval, RecordView, SessionId, TurnId } from '../../types/index.ts'
import type { GatewayPort, SessionEvent } from '../guest/gateway-port.ts'
import { createReplyStream } from '../view/reply-stream.ts'
import { plainText } from '../view/terminal-text.ts'
import { pendingOf } from '../view/turn-follow.ts'
import { foldRecord, isEnd, isOver, isToolCall, newTurnView } from '../view/turn-view.ts'
import type { TurnView } from '../view/turn-view.ts'
import type { Screen } from './chat-screen.ts'
import { approvalLines, callLine, failureLines, progressLine } from './chat-text.ts'

export interface ChatSession {
  readonly id: SessionId
  isRunning(): boolean
  /** The approval that is asked now. */
  asked(): PendingApproval | null
  /** A message was acknowledged as this turn. */
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
  /** The session can be followed no longer. */
  readonly onLost: (failure: Failure) => void
}

const messagePrompt = '› '
const approvalPrompt = '  allow? [y/n] '
/** A long call is named at its first heartbeat, and then once a minute. */
const firstHeartbeatMs = 10_000
const minuteMs = 60_000
const heartbeatMs = 5_000

export async function openChatSession({ gateway, screen, session, past, busy, onLost }: Opening): Promise<ChatSession> {
  const stream = createReplyStream((text) => screen.stream(text))
  let active: TurnView | null = null
  let pending: readonly PendingApproval[] = []
  let live = false
  let waiters: (() => void)[] = []

  /** Shows the prompt that fits, and wakes who waits for it. */
  const settle = (): void => {
    if (!live) return
    const asking = pending.length > 0
    screen.prompt(asking ? approvalPrompt : active === null ? messagePrompt : null)
    if (active !== null && !asking) return
    for (const wake of waiters) wake()
    waiters = []
  }
  const ask = (approval: PendingApproval): void => {
    if (pending.some(({ call }) => call === approval.call)) return
    pending = [...pending, approval]
    if (pending.length === 1 && live) showAsked()
  }
  const showAsked = (): void => {
    const [first] = pending
    if (first !== undefined) {
      stream.breakLine()
      screen.line(approvalLines(first))
    }
    settle()
  }
  const decided = (call: CallId): void => {
    if (!pending.some((approval) => approval.call === call)) return
    const wasAsked = pending[0]?.call === call
    pending = pending.filter((approval) => approval.call !== call)
    if (wasAsked) showAsked()
  }
  const finish = (view: TurnView): void => {
    active = null
    pending = []
    if (live) {
      stream.finish(view.reply)
      if (view.failure !== null) screen.line(failureLines(view.failure))
      else if (view.status === 'cancelled') screen.line('  cancelled')
    }
    settle()
  }
  const takeRecord = (record: RecordView): void => {
    const begins = record.name === 'turn.send' && record.phase === 'started' && record.call === record.turn
    if (begins && active?.turn !== record.turn) {
      active = newTurnView(record.turn)
      settle()
    }
    if (active === null) return
    const before = active
    active = foldRecord(active, record)
    if (record.turn !== before.turn) return
    if (record.phase === 'parked') ask(pendingOf(record))
    if (record.phase === 'decided' || isEnd(record)) decided(record.call)
    if (live && isEnd(record) && isToolCall(record)) {
      const call = active.calls.find((one) => one.call === record.call)
      stream.breakLine()
      if (call !== undefined) screen.line(callLine(call))
    }
    if (isOver(active)) finish(active)
  }
  const take = (event: SessionEvent): void => {
    if (active !== null && live) stream.take(event, active.turn)
    switch (event.type) {
      case 'record':
        return takeRecord(event.record)
      case 'caught_up':
        for (const approval of event.pending) ask(approval)
        return
      case 'ended':
        return onLost(event.failure)
      case 'progress':
        if (event.elapsed_ms < firstHeartbeatMs || event.elapsed_ms % minuteMs < heartbeatMs) {
          stream.breakLine()
          screen.line(progressLine(event.name, event.elapsed_ms))
        }
        return
      case 'text':
      case 'restart':
        return
    }
  }

  for (const record of past) takeRecord(record)
  if (!busy) {
    active = null
    pending = []
  }
  if (past.length > 0) screen.line(lastExchange(past))
  const following = await gateway.follow(session, past.at(-1)?.seq ?? 0, take)
  live = true
  if (pending.length > 0) showAsked()
  settle()

  return {
    id: session,
    isRunning: () => active !== null,
    asked: () => pending[0] ?? null,
    sent(turn) {
      active ??= newTurnView(turn)
      settle()
    },
    answered: decided,
    idle: () => (active === null || pending.length > 0 ? Promise.resolve() : new Promise((wake) => waiters.push(wake))),
    stop: following.stop,
  }
}

/** The last message and its reply, to remind of where the session stands. */
function lastExchange(past: readonly RecordView[]): string {
  const field = (record: RecordView | undefined, name: string): string => {
    const value = (record?.body as Record<string, unknown> | null | undefined)?.[name]
    return typeof value === 'string' ? plainText(value) : ''
  }
  const said = past.findLast((record) => record.name === 'turn.send' && record.phase === 'started')
  const reply = past.findLast((record) => record.name === 'turn.send' && record.phase === 'outcome' && record.seq > (said?.seq ?? 0))
  return [field(said, 'text') && `› ${field(said, 'text')}`, field(reply, 'reply')].filter((text) => text !== '').join('\n')
}
