/** Prints a running turn: its text as it comes, a line for each call, and how it ended. */
import type { PendingApproval, RecordView } from '../../types/index.ts'
import type { FollowEvent } from '../../client/index.ts'
import { mediaIn, mediaLine } from '../media/sent-media.ts'
import { createReplyStream } from '../view/reply-stream.ts'
import { isEnd, isOver, isToolCall, untoldFailure } from '../view/turn-view.ts'
import type { TurnView } from '../view/turn-view.ts'
import type { Screen } from '../screen/screen.ts'
import { ofUser } from '../verb-parts.ts'
import { approvalLines, callLine, failureLines, progressLine } from './chat-text.ts'

/** A long call is named at its first heartbeat, and then once a minute. */
const firstHeartbeatMs = 10_000
const minuteMs = 60_000
const heartbeatMs = 5_000

export interface TurnPrinter {
  /** Text and heartbeats. */
  event(event: FollowEvent, turn: TurnView): void
  /** A record of the turn, whose view has it folded in. */
  record(record: RecordView, turn: TurnView): void
  approval(pending: PendingApproval): void
}

export function createTurnPrinter(screen: Screen, user: string): TurnPrinter {
  const stream = createReplyStream((text) => screen.stream(text))
  const line = (text: string): void => {
    stream.breakLine()
    screen.line(text)
  }
  return {
    event(event, turn) {
      stream.take(event, turn.turn)
      if (event.type !== 'progress') return
      const isDue = event.elapsed_ms < firstHeartbeatMs || event.elapsed_ms % minuteMs < heartbeatMs
      if (isDue) line(progressLine(event.name, event.elapsed_ms))
    },
    record(record, turn) {
      const call = turn.calls.find((one) => one.call === record.call)
      if (isEnd(record) && isToolCall(record) && call !== undefined) line(callLine(call))
      const sent = isEnd(record) && record.name === 'media.send' ? mediaIn(record.body) : null
      if (sent !== null) line(`  ⇢ ${mediaLine(sent)}  (oxbow media ${record.session}${ofUser(user)} --save FOLDER)`)
      if (!isOver(turn)) return
      stream.finish(turn.reply)
      const failure = untoldFailure(turn)
      if (failure !== null) screen.line(failureLines(failure))
      else if (turn.status === 'cancelled' && turn.reply === '') screen.line('  cancelled')
    },
    approval(pending) {
      stream.breakLine()
      // To the letter: what runs is what is shown.
      const { asked, why } = approvalLines(pending)
      screen.exactLine(asked)
      if (why !== '') screen.line(why)
    },
  }
}
