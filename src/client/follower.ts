/**
 * One followed session: a cursor that goes back only with the journal, and a stream of events without gaps or repetitions.
 *
 * Deltas, snapshots and final records each carry part of the same reply. Whatever is lost or repeated in between, a screen that
 * appends every `text` and starts over at every `restart` ends with exactly the reply.
 */
import { assertNever, type CallId, type Failure, type SessionId, type TurnId } from '../base/index.ts'
import type { Message, PendingApproval, RecordView, ServerFrame, ServerPayloads } from '../protocol/index.ts'

/**
 * What a screen needs, in order. All text of the assistant, past and live, comes as `text` or `restart` before the record that ends
 * its step, so a screen draws text in one place only.
 */
export type FollowEvent =
  | TextEvent
  | { readonly type: 'record'; readonly record: RecordView }
  | ({ readonly type: 'progress' } & Readonly<Omit<ServerPayloads['progress'], 'session'>>)
  /** A call of an agent below the session begins or ends to wait for approval. */
  | { readonly type: 'approval'; readonly waits: boolean; readonly approval: PendingApproval }
  /** The past is complete; sent again after each reconnection. `pending` contains every waiting approval. */
  | {
      readonly type: 'caught_up'
      readonly cursor: number
      readonly turn: TurnId | null
      readonly pending: readonly PendingApproval[]
    }
  /** The last event: the session can no longer be followed. */
  | { readonly type: 'ended'; readonly failure: Failure }

/** Called with each event of a session, in order, each once. */
export type FollowHandler = (event: FollowEvent) => void

/** A frame about a session that the client follows. */
export type StreamFrame = Extract<ServerFrame, { type: 'record' | 'snapshot' | 'delta' | 'progress' | 'approval' | 'reply_restarted' }>

export interface Follower {
  readonly session: SessionId
  /** The newest record passed to the handler. */
  cursor(): number
  /** @returns false when text was lost and the client must subscribe again */
  receive(frame: StreamFrame): boolean
  end(failure: Failure): void
}

export function createFollower(session: SessionId, from: number, handler: FollowHandler): Follower {
  let cursor = from
  let shown = nothingShown
  /** Shown replies that are complete and not yet in the journal: the next one may begin before the commit. */
  const unrecorded = new Map<CallId, Shown>()

  const show = (step: Step): void => {
    if (shown.call !== null && shown.call !== step.shown.call) unrecorded.set(shown.call, shown)
    shown = step.shown
    if (step.event !== null) handler(step.event)
  }
  const receiveRecord = (record: RecordView): void => {
    if (record.seq <= cursor) return
    cursor = record.seq
    const text = replyText(record)
    if (text !== null) {
      const before = shown.call === record.call ? shown : (unrecorded.get(record.call) ?? nothingShown)
      const { event } = setWhole(before, { turn: record.turn, call: record.call, text })
      if (event !== null) handler(event)
      // The record is final: no more text of this call follows.
      if (shown.call === record.call) shown = nothingShown
    }
    if (record.phase !== 'intent') unrecorded.delete(record.call)
    handler({ type: 'record', record })
  }

  return {
    session,
    cursor: () => cursor,
    end: (failure) => handler({ type: 'ended', failure }),
    receive(frame) {
      switch (frame.type) {
        case 'record':
          receiveRecord(frame.payload.record)
          return true
        case 'delta': {
          const step = addDelta(shown, frame.payload)
          if (step !== null) show(step)
          return step !== null
        }
        case 'reply_restarted': {
          const { turn, call, model, why } = frame.payload
          show({ shown: { call, text: '' }, event: { type: 'restart', turn, call, text: '', cause: { model, why } } })
          return true
        }
        case 'progress': {
          const { turn, call, name, elapsed_ms, output } = frame.payload
          handler({ type: 'progress', turn, call, name, elapsed_ms, ...(output !== undefined && { output }) })
          return true
        }
        case 'approval': {
          const { waits, approval } = frame.payload
          handler({ type: 'approval', waits, approval })
          return true
        }
        case 'snapshot': {
          const { turn, call, text, pending } = frame.payload
          // Without a call no reply is running; the shown text may belong to an answer that restarts under the same call.
          if (call !== null) show(setWhole(shown, { turn: turn ?? '', call, text }))
          // Lower than the own cursor only when the journal was restored to an earlier state: everything after it is new.
          cursor = frame.payload.cursor
          handler({ type: 'caught_up', cursor, turn, pending })
          return true
        }
        default:
          return assertNever(frame)
      }
    },
  }
}

/** @returns the assistant's whole text in a record that ends a step of a reply, or null */
function replyText({ phase, body }: RecordView): string | null {
  if (phase === 'intent' || typeof body !== 'object' || body === null || !('message' in body)) return null
  const message = body['message'] as unknown as Message | null
  if (message?.role !== 'assistant' || !Array.isArray(message.parts)) return null
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** The text of a step that was shown so far. */
export interface Shown {
  readonly call: CallId | null
  readonly text: string
}

export const nothingShown: Shown = { call: null, text: '' }

export interface TextEvent {
  /** `text`: append it to the call's text. `restart`: replace the call's text with this. */
  readonly type: 'text' | 'restart'
  readonly turn: TurnId | ''
  readonly call: CallId
  readonly text: string
  /** Of a `restart`: which model restarts the answer, and why. Unset when only the shown text was wrong. */
  readonly cause?: RestartCause
}

export interface RestartCause {
  /** `provider/model` */
  readonly model: string
  readonly why: string
}

interface ReplyText {
  readonly turn: TurnId | ''
  readonly call: CallId
  readonly text: string
}

/** The next event, and the text shown after it. */
export interface Step {
  readonly shown: Shown
  readonly event: TextEvent | null
}

/** @returns null when text before `offset` was lost, so that only a snapshot helps */
export function addDelta(shown: Shown, delta: ReplyText & { readonly offset: number }): Step | null {
  const before = shown.call === delta.call ? shown.text : ''
  if (delta.offset > before.length) return null
  // Almost every delta: no text is compared or copied.
  if (delta.offset === before.length) return stepTo(delta, before + delta.text, 'text', delta.text)
  const overlap = before.slice(delta.offset)
  if (overlap.startsWith(delta.text)) return { shown, event: null }
  if (delta.text.startsWith(overlap))
    return stepTo(delta, before + delta.text.slice(overlap.length), 'text', delta.text.slice(overlap.length))
  const whole = before.slice(0, delta.offset) + delta.text
  return stepTo(delta, whole, 'restart', whole)
}

/** @param whole the text so far, of a snapshot or of the record that ends the step */
export function setWhole(shown: Shown, whole: ReplyText): Step {
  const before = shown.call === whole.call ? shown.text : ''
  if (!whole.text.startsWith(before)) return stepTo(whole, whole.text, 'restart', whole.text)
  return stepTo(whole, whole.text, 'text', whole.text.slice(before.length))
}

function stepTo({ turn, call }: ReplyText, now: string, type: TextEvent['type'], text: string): Step {
  const isNothing = type === 'text' && text === ''
  return { shown: { call, text: now }, event: isNothing ? null : { type, turn, call, text } }
}
