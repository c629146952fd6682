/**
 * What a conversation looks like, folded from the events of its session: messages, answers, calls and how turns ended, in the order in
 * which they happened. Pure. Items are never changed in place: an item that is the same object looks the same.
 *
 * Items of finished turns are in `past`, which is copied once for each turn; the running turn's are in `live`, which is short, so
 * that a word of an answer costs the same in a conversation of ten thousand messages.
 */
import type { FollowEvent } from '../client/index.ts'
import { mediaLine } from '../terminal/index.ts'
import { assertNever, type CallId, type Failure, failureSentences, isObject } from '../base/index.ts'
import {
  summarizeCall,
  compactCall,
  type Answer,
  type CallView,
  endsTurn,
  foldRecord,
  foldStep,
  isDecided,
  isEnd,
  newTurnView,
  type PendingApproval,
  pendingOf,
  readStep,
  type RecordView,
  type SentMedia,
  startsTurn,
  textOfAnswer,
  type TurnMessage,
  type TurnView,
  unreportedFailure,
} from '../protocol/index.ts'
import { maxReplyChars } from './limits.ts'

/** One block of the transcript. */
export type Item = UserItem | ReplyItem | CallItem | NoteItem | EndItem

export interface UserItem {
  readonly kind: 'user'
  /** The id of the message. */
  readonly id: string
  readonly text: string
  readonly files: readonly string[]
  /** `queued`: accepted, and waits for the running turn or is read at its next step. */
  readonly state: 'sending' | 'queued' | 'sent' | 'failed'
  readonly seq: number
}

export interface ReplyItem {
  readonly kind: 'reply'
  readonly id: string
  readonly text: string
  readonly reasoning: string
  readonly done: boolean
}

export interface CallItem {
  readonly kind: 'call'
  readonly id: string
  readonly call: CallView
  readonly beganAt: number
  /** The end of the output of a running command. */
  readonly output: string
}

export interface NoteItem {
  readonly kind: 'note'
  readonly id: string
  readonly tone: 'info' | 'warning' | 'error'
  readonly text: string
}

/** How a turn ended. */
export interface EndItem {
  readonly kind: 'end'
  readonly id: string
  readonly status: TurnView['status']
  readonly failure: Failure | null
  readonly ms: number
  readonly tokens: number
  readonly microDollars: number
}

export interface Transcript {
  readonly past: readonly Item[]
  readonly live: readonly Item[]
  /** The running turn. */
  readonly turn: TurnView | null
  readonly beganAt: number
  /** Calls that wait for approval, the oldest first. */
  readonly waiting: readonly PendingApproval[]
  /** Tokens of the newest request to a model. */
  readonly contextTokens: number
}

export const emptyTranscript: Transcript = { past: [], live: [], turn: null, beganAt: 0, waiting: [], contextTokens: 0 }

export function countItems({ past, live }: Transcript): number {
  return past.length + live.length
}

/** @param index from the oldest item that is loaded @returns undefined behind the end */
export function itemAt({ past, live }: Transcript, index: number): Item | undefined {
  return index < past.length ? past[index] : live[index - past.length]
}

/** @returns the transcript with older items before it */
export function withOlder(transcript: Transcript, records: readonly RecordView[]): Transcript {
  const { past, live } = records.reduce(takeRecord, emptyTranscript)
  return { ...transcript, past: [...past, ...live.map(settled), ...transcript.past] }
}

export function takeEvent(transcript: Transcript, event: FollowEvent): Transcript {
  switch (event.type) {
    case 'record':
      return takeRecord(transcript, event.record)
    case 'text':
    case 'restart':
      return takeText(transcript, event)
    case 'progress':
      return changeItem(transcript, event.call, (item) =>
        item.kind === 'call' && event.output !== undefined ? { ...item, output: event.output } : item,
      )
    case 'approval': {
      const others = withoutCall(transcript.waiting, event.approval.call)
      return { ...transcript, waiting: event.waits ? [...others, event.approval] : others }
    }
    case 'caught_up':
      return { ...transcript, waiting: joined(transcript.waiting, event.pending) }
    case 'ended':
      return note(transcript, `ended-${event.failure.code}`, 'error', failureSentences(event.failure))
    default:
      return assertNever(event)
  }
}

/** Adds an item after all others, or replaces the one with its id. */
export function put(transcript: Transcript, item: Item): Transcript {
  const at = transcript.live.findLastIndex(({ id, kind }) => id === item.id && kind === item.kind)
  return { ...transcript, live: at < 0 ? [...transcript.live, item] : transcript.live.with(at, item) }
}

/** Adds a note, or replaces the one with this id. */
export function note(transcript: Transcript, id: string, tone: NoteItem['tone'], text: string): Transcript {
  return put(transcript, { kind: 'note', id, tone, text })
}

/** Changes the newest items with this id. */
export function changeItem(transcript: Transcript, id: string, how: (item: Item) => Item): Transcript {
  if (!transcript.live.some((item) => item.id === id)) return transcript
  return { ...transcript, live: transcript.live.map((item) => (item.id === id ? how(item) : item)) }
}

/** @returns all that the item says, for a search */
export function textOfItem(item: Item): string {
  switch (item.kind) {
    case 'user':
    case 'note':
      return item.text
    case 'reply':
      return `${item.reasoning}\n${item.text}`
    case 'call':
      return `${item.call.name} ${item.call.name.replace('.', '_')}\n${item.call.input}\n${item.call.text}\n${item.output}`
    case 'end':
      return item.failure?.message ?? ''
    default:
      return assertNever(item)
  }
}

type TextEvent = Extract<FollowEvent, { type: 'text' | 'restart' }>

function takeText(transcript: Transcript, event: TextEvent): Transcript {
  const shown = transcript.live.findLast((item) => item.kind === 'reply' && item.id === event.call)
  const before = shown?.kind === 'reply' ? shown.text : ''
  const text = event.type === 'restart' ? event.text : before + event.text
  const replaced =
    event.type === 'restart' && event.cause !== undefined && before.trim() !== ''
      ? note(
          transcript,
          `restart-${event.call}-${before.length}`,
          'warning',
          `The answer starts over with ${event.cause.model}: ${event.cause.why}`,
        )
      : transcript
  return put(replaced, { kind: 'reply', id: event.call, text: text.slice(0, maxReplyChars), reasoning: '', done: false })
}

function takeRecord(transcript: Transcript, record: RecordView): Transcript {
  const step = readStep(record)
  if (step?.kind === 'sent') return putMessage(transcript, record, step.message, transcript.turn === null ? 'sent' : 'queued')
  if (step?.kind === 'taken') return takeUp(transcript, record, step.message)
  if (step?.kind === 'ended') return takeEnd(transcript, record)
  if (record.name === summarizeCall || record.name === compactCall) return takeSummary(transcript, record)
  // What is done in the background after a turn has its id, too.
  if (transcript.turn === null || record.turn !== transcript.turn.turn) return transcript
  const turn = step === null ? transcript.turn : foldStep(transcript.turn, record, step)
  const next = { ...transcript, turn, waiting: waitingAfter(transcript.waiting, record) }
  if (step?.kind === 'answered') return takeAnswer(next, step.answer)
  const call = step?.kind === 'call' ? turn.calls.find((one) => one.call === record.call) : undefined
  return step?.kind === 'call' && call !== undefined ? takeCall(next, call, record, step.change.media) : next
}

function takeUp(transcript: Transcript, record: RecordView, message: TurnMessage): Transcript {
  if (!startsTurn(record)) return putMessage(transcript, record, message, 'sent')
  // A message that waited for the last turn moves behind it.
  const live = transcript.live.filter((item) => item.kind !== 'user' || item.id !== record.call)
  const { past } = settle({ ...transcript, live: live.filter((item) => !isUnsent(item)) })
  const rest = live.filter(isUnsent)
  const next = {
    ...transcript,
    past,
    live: [],
    turn: newTurnView(record.turn),
    beganAt: record.at,
    waiting: ofAgents(transcript.waiting),
  }
  const begun = putMessage(next, record, message, 'sent')
  return { ...begun, live: [...begun.live, ...rest] }
}

function takeEnd(transcript: Transcript, record: RecordView): Transcript {
  if (!endsTurn(record, record.turn)) return transcript
  const turn = foldRecord(transcript.turn?.turn === record.turn ? transcript.turn : newTurnView(record.turn), record)
  return turn.status === 'merged' ? transcript : endTurn(transcript, turn, record.at)
}

/** A message that no turn has read. */
function isUnsent(item: Item): boolean {
  return item.kind === 'user' && item.state !== 'sent'
}

function putMessage(transcript: Transcript, record: RecordView, message: TurnMessage, state: UserItem['state']): Transcript {
  const files = message.files.map(({ name }) => name)
  return put(transcript, { kind: 'user', id: record.call, text: message.text ?? '', files, state, seq: record.seq })
}

function endTurn(transcript: Transcript, turn: TurnView, at: number): Transcript {
  const hasReply = transcript.live.some((item) => item.kind === 'reply' && item.text.trim() !== '')
  const last = transcript.live.findLast((item) => item.kind === 'reply')
  const spoken = turn.reply.trim() !== '' && !(hasReply && last?.kind === 'reply' && last.text.trim().endsWith(turn.reply.trim()))
  const replied: Transcript = spoken
    ? put(transcript, { kind: 'reply', id: `reply-${turn.turn}`, text: turn.reply, reasoning: '', done: true })
    : transcript
  const end: EndItem = {
    kind: 'end',
    id: `end-${turn.turn}`,
    status: turn.status,
    failure: unreportedFailure(turn),
    ms: transcript.beganAt === 0 ? 0 : Math.max(0, at - transcript.beganAt),
    tokens: turn.spent.tokens,
    microDollars: turn.spent.microDollars,
  }
  const unsent = replied.live.filter(isUnsent)
  const { past } = settle(put({ ...replied, live: replied.live.filter((item) => !isUnsent(item)) }, end))
  return { ...replied, past, live: unsent, turn: null, beganAt: 0, waiting: ofAgents(replied.waiting) }
}

/** Moves all live items to the past. */
function settle(transcript: Transcript): Transcript {
  return { ...transcript, past: [...transcript.past, ...transcript.live.map(settled)], live: [] }
}

/** Output that was shown while a call ran is in its result. */
function settled(item: Item): Item {
  if (item.kind === 'reply' && !item.done) return { ...item, done: true }
  return item.kind === 'call' && item.output !== '' ? { ...item, output: '' } : item
}

function takeAnswer(transcript: Transcript, answer: Answer): Transcript {
  const { inputTokens, outputTokens } = answer.usage
  // As the service counted it: what is reserved before is an upper bound.
  const counted = inputTokens === 0 ? transcript : { ...transcript, contextTokens: inputTokens + outputTokens }
  const text = textOfAnswer(answer).slice(0, maxReplyChars)
  const reasoning = textOfAnswer(answer, 'reasoning').slice(0, maxReplyChars)
  if (text.trim() === '' && reasoning.trim() === '') return counted
  return put(counted, { kind: 'reply', id: answer.call, text, reasoning, done: true })
}

function takeCall(transcript: Transcript, call: CallView, record: RecordView, sent: SentMedia | null): Transcript {
  const before = transcript.live.findLast((item) => item.kind === 'call' && item.id === record.call)
  const beganAt = before?.kind === 'call' ? before.beganAt : record.at
  const output = before?.kind === 'call' && !isEnd(record) ? before.output : ''
  const next = put(transcript, { kind: 'call', id: record.call, call, beganAt, output })
  return sent === null
    ? next
    : note(next, `media-${record.call}`, 'info', `⇢ ${mediaLine(sent)}  (oxbow media ${record.session} --save FOLDER)`)
}

function takeSummary(transcript: Transcript, { phase, body, call }: RecordView): Transcript {
  const messages = isObject(body) ? body['messages'] : undefined
  if (phase !== 'outcome' || typeof messages !== 'number' || messages === 0) return transcript
  return note(
    transcript,
    `summary-${call}`,
    'info',
    `${messages} older messages are now summarized for the model; they stay readable here.`,
  )
}

function waitingAfter(waiting: readonly PendingApproval[], record: RecordView): readonly PendingApproval[] {
  if (record.phase === 'parked') return waiting.some(({ call }) => call === record.call) ? waiting : [...waiting, pendingOf(record)]
  return isDecided(record) || isEnd(record) ? withoutCall(waiting, record.call) : waiting
}

/** A guest that has just started may not have come to a call yet that waits by its records. */
function joined(waiting: readonly PendingApproval[], more: readonly PendingApproval[]): readonly PendingApproval[] {
  const listed = new Set(more.map(({ call }) => call))
  return [...waiting.filter(({ call, agent }) => !listed.has(call) && agent === undefined), ...more]
}

/** Calls of agents wait on when a turn of the session begins or ends. */
export function ofAgents(waiting: readonly PendingApproval[]): readonly PendingApproval[] {
  return waiting.filter(({ agent }) => agent !== undefined)
}

/** @returns the same list when the call is not in it */
export function withoutCall(waiting: readonly PendingApproval[], gone: CallId): readonly PendingApproval[] {
  return waiting.some(({ call }) => call === gone) ? waiting.filter(({ call }) => call !== gone) : waiting
}
