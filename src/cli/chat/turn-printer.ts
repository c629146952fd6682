/** Prints a running turn: its text as it streams, a line for each call, and how it ended. Also the lines that the chat prints itself. */
import type { FollowEvent } from '../../client/index.ts'
import { type Failure, failureSentences, forPeople } from '../../base/index.ts'
import {
  type CallView,
  decisionText,
  endsTurn,
  type GuestStatus,
  isEnd,
  isOver,
  isTaken,
  isToolCall,
  type PendingApproval,
  readStep,
  type RecordView,
  type TurnView,
  unreportedFailure,
} from '../../protocol/index.ts'
import { maxCallLineChars } from '../limits.ts'
import type { Screen } from '../screen/screen.ts'
import { ofUser } from '../verb-parts.ts'
import { createReplyStream } from '../view/reply-stream.ts'
import {
  badgeText,
  type LabelBadge,
  describeModel,
  describeSandbox,
  exactInput,
  formOf,
  formText,
  formatMs,
  mediaLine,
  plainLine,
  plainText,
  subjectOf,
  whyAsked,
} from '../../terminal/index.ts'
import { wrapWords } from '../screen/word-wrap.ts'

/** A long call is reported at its first heartbeat, and then once a minute. */
const firstHeartbeatMs = 10_000
const minuteMs = 60_000
const heartbeatMs = 5_000

interface TurnPrinter {
  /** Text and heartbeats. */
  event(event: FollowEvent, turn: TurnView): void
  /** A record of the turn, already folded into the view. */
  record(record: RecordView, turn: TurnView): void
  approval(pending: PendingApproval): void
  /** What the conversation has read, by which its sinks are judged. */
  labels(badges: readonly LabelBadge[]): void
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
      const step = readStep(record)
      const sent = step?.kind === 'call' ? step.change.media : null
      if (sent !== null) line(`  ⇢ ${mediaLine(sent)}  (oxbow media ${record.session}${ofUser(user)} --save FOLDER)`)
      if (!isOver(turn)) return
      stream.finish(turn.reply)
      const failure = unreportedFailure(turn)
      if (failure !== null) screen.line(failureLines(failure))
      else if (turn.status === 'cancelled' && turn.reply === '') screen.line('  cancelled')
      else if (turn.reply === '' && turn.end?.decision !== undefined) screen.line(`  ${decisionText(turn.end.decision)}`)
    },
    approval(pending) {
      stream.breakLine()
      // Unwrapped and exact: what is shown is what runs.
      const { question, why } = approvalLines(pending)
      screen.exactLine(question)
      if (why !== '') screen.line(why)
      const form = formOf(pending)
      if (form !== null)
        screen.line(`${formText(form)}\n  Answer with field=value, field=value; y sends what is filled in already, n declines.`)
    },
    labels: (badges) => line(`  ⚑ ${badgeText(badges)}`),
  }
}

// Lines of a chat. Text from models, tools and the journal is cleaned here.

/** Prompt for a message. */
export const messagePrompt = '› '

/** @param columns width of the terminal, for wrapping */
export function banner(status: GuestStatus, version: string, columns: number): string {
  const { held, limits, problems } = describeSandbox(status.sandbox)
  // `oxbow status` and `oxbow doctor` also list what has no limit.
  const inForce = limits.filter((limit) => !limit.includes(': no limit'))
  const lines = [
    `Oxbow ${version} · model ${describeModel(status)} · sandbox ${held}`,
    inForce.length === 0 ? '' : `limits: ${inForce.join('; ')}`,
    ...problems.map((problem) => `! ${problem}`),
  ]
  if (status.read_only !== null) lines.push(`! read-only: ${failureSentences(status.read_only)}`)
  if (status.notice !== '') lines.push(status.notice)
  const text = plainText([...lines, 'Type a message; /help lists commands.'].filter((line) => line !== '').join('\n'))
  return wrapWords(text, columns)
}

/** A finished call as one line: mark, tool, subject, time, and the failure if there is one. */
function callLine(call: CallView): string {
  const mark = call.status === 'ok' ? '·' : '✗'
  const time = call.ms === null ? '' : `  ${formatMs(call.ms)}`
  const news = call.status === 'ok' ? '' : `  ${call.status}: ${plainLine(forPeople(call.text), maxCallLineChars)}`
  return `  ${mark} ${plainLine(toolName(call.name), maxCallLineChars)} ${subjectOf(call.input, maxCallLineChars)}${time}${news}`.replace(
    / {3,}/g,
    '  ',
  )
}

/** The question with the exact input, and the reason for asking. */
function approvalLines({ name, input, reason }: PendingApproval): { readonly question: string; readonly why: string } {
  const question = `  ? ${plainLine(toolName(name), maxCallLineChars)} asks to run with exactly this input:\n    ${exactInput(input)}`
  return { question, why: whyAsked(reason).slice(1) }
}

export function failureLines({ message, hint }: Failure): string {
  return plainText(hint === '' ? `error: ${message}` : `error: ${message}\nhint: ${hint}`)
}

function progressLine(name: string, elapsedMs: number): string {
  return `  … ${plainLine(toolName(name), maxCallLineChars)} runs for ${formatMs(elapsedMs)}`
}

/** The name that the model uses. */
function toolName(name: string): string {
  return name.replace('.', '_')
}

/** The last message and its reply, shown when a session is reopened. */
export function lastExchange(past: readonly RecordView[]): string {
  const at = past.findLastIndex(isTaken)
  const sent = at < 0 ? null : readStep(past[at]!)
  const end = past.slice(at + 1).findLast((record) => endsTurn(record))
  const ended = end === undefined ? null : readStep(end)
  const text = sent?.kind === 'taken' ? plainText(sent.message.text ?? '') : ''
  const reply = ended?.kind === 'ended' ? plainText(ended.end.reply) : ''
  return [text && `› ${text}`, reply].filter((each) => each !== '').join('\n')
}
