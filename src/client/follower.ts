/** One followed session: a cursor that goes back only with the journal, and a stream of events without gaps or repetitions. */
import {
  assertNever,
  type CallId,
  type Failure,
  type Message,
  type PendingApproval,
  type RecordView,
  type ServerFrame,
  type ServerPayloads,
  type SessionId,
  type TurnId,
} from '../types/index.ts'
import { addDelta, nothingShown, setWhole, type Shown, type Step, type TextEvent } from './reply-text.ts'

/**
 * What a screen needs, in order. All text of the assistant comes as `text` (or `restart`), also that of the past, before the
 * record that ends its step; so a screen needs to draw text in one place only.
 */
export type FollowEvent =
  | TextEvent
  | { readonly type: 'record'; readonly record: RecordView }
  | ({ readonly type: 'progress' } & Readonly<Omit<ServerPayloads['progress'], 'session'>>)
  /** All of the past was told; again after each reconnection. `pending` is every approval that waits. */
  | {
      readonly type: 'caught_up'
      readonly cursor: number
      readonly turn: TurnId | null
      readonly pending: readonly PendingApproval[]
    }
  /** The last event: the session can be followed no longer. */
  | { readonly type: 'ended'; readonly failure: Failure }

export type FollowHandler = (event: FollowEvent) => void

export type StreamFrame = Extract<ServerFrame, { type: 'record' | 'snapshot' | 'delta' | 'progress' | 'reply_restarted' }>

export interface Follower {
  readonly session: SessionId
  /** The newest record that was handed on. */
  cursor(): number
  /** @returns false when text was lost and the session must be subscribed to again. */
  receive(frame: StreamFrame): boolean
  end(failure: Failure): void
}

export function createFollower(session: SessionId, from: number, handler: FollowHandler): Follower {
  let cursor = from
  let shown = nothingShown
  /** What is shown of replies that are said to their end and not on record yet: the next one may be quicker than a commit. */
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
      // The journal has the word now: nothing more will be said under this call.
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
          const { turn, call, name, elapsed_ms } = frame.payload
          handler({ type: 'progress', turn, call, name, elapsed_ms })
          return true
        }
        case 'snapshot': {
          const { turn, call, text, pending } = frame.payload
          // Nothing is said at this moment; what is shown may still be of an answer that begins anew under the same call.
          if (call !== null) show(setWhole(shown, { turn: turn ?? '', call, text }))
          // Before the own one only when the journal was put back to an earlier state: then all that comes is new.
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

/** @returns the assistant's whole text in a record that ends a step of a reply, or null. */
function replyText({ phase, body }: RecordView): string | null {
  if (phase === 'intent' || typeof body !== 'object' || body === null || !('message' in body)) return null
  const message = body['message'] as unknown as Message | null
  if (message?.role !== 'assistant' || !Array.isArray(message.parts)) return null
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}
