/**
 * What a follower has shown of the running reply, and what is still to be shown. Deltas, snapshots and final records each
 * say something about the same text; whatever was lost or told twice in between, a screen that appends every `text` and
 * starts over at every `restart` ends with exactly the reply.
 */
import type { CallId, TurnId } from '../types/index.ts'

/** The running step's text as far as it was shown. */
export interface Shown {
  readonly call: CallId | null
  readonly text: string
}

export const nothingShown: Shown = { call: null, text: '' }

export interface TextEvent {
  /** `text`: append to what is shown of this call. `restart`: forget what is shown of it; this is all there is so far. */
  readonly type: 'text' | 'restart'
  readonly turn: TurnId | ''
  readonly call: CallId
  readonly text: string
  /** Of a `restart`: who begins the answer anew, and why. Unset where only what was shown here was not what was said. */
  readonly cause?: RestartCause
}

export interface RestartCause {
  /** `provider/model` */
  readonly model: string
  readonly why: string
}

interface Saying {
  readonly turn: TurnId | ''
  readonly call: CallId
  readonly text: string
}

/** What to show next, and what is shown then. */
export interface Step {
  readonly shown: Shown
  readonly event: TextEvent | null
}

/** From `offset` on the reply says `text`. @returns null when something between was lost, so that only a snapshot can help. */
export function addDelta(shown: Shown, delta: Saying & { readonly offset: number }): Step | null {
  const before = shown.call === delta.call ? shown.text : ''
  if (delta.offset > before.length) return null
  // The way of almost every delta: no text is compared, none is copied.
  if (delta.offset === before.length) return step(delta, before + delta.text, 'text', delta.text)
  const overlap = before.slice(delta.offset)
  if (overlap.startsWith(delta.text)) return { shown, event: null }
  if (delta.text.startsWith(overlap))
    return step(delta, before + delta.text.slice(overlap.length), 'text', delta.text.slice(overlap.length))
  const whole = before.slice(0, delta.offset) + delta.text
  return step(delta, whole, 'restart', whole)
}

/** The whole text so far: of a snapshot, or of the record that ends the step. */
export function setWhole(shown: Shown, whole: Saying): Step {
  const before = shown.call === whole.call ? shown.text : ''
  if (!whole.text.startsWith(before)) return step(whole, whole.text, 'restart', whole.text)
  return step(whole, whole.text, 'text', whole.text.slice(before.length))
}

function step({ turn, call }: Saying, now: string, type: TextEvent['type'], text: string): Step {
  const isNothing = type === 'text' && text === ''
  return { shown: { call, text: now }, event: isNothing ? null : { type, turn, call, text } }
}
