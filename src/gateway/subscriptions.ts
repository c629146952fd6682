/** The sessions that one connection follows. */
import type { Kernel, KernelEvent } from '../kernel/index.ts'
import { type ClientFrame, OxbowError, type RecordView, type SessionId } from '../types/index.ts'
import { type EventTexts, frameText } from './frame-text.ts'

type SubscribeFrame = Extract<ClientFrame, { type: 'subscribe' }>

export interface Subscriptions {
  /** Resolves when the snapshot, which is the answer, has been sent. @throws OxbowError */
  add(frame: SubscribeFrame): Promise<void>
  /** Nothing of the session is sent after this returns. */
  remove(session: SessionId): void
  clear(): void
}

interface SubscriptionDeps {
  readonly kernel: Kernel
  readonly texts: EventTexts
  readonly max: number
  readonly send: (text: string | Buffer) => void
  /** For what a person would not miss for some milliseconds. */
  readonly sendPatiently: (text: string | Buffer) => void
}

/** What stands between a person and their next word: a turn's end, and a question to them. */
function endsTurn({ name, phase }: RecordView): boolean {
  return phase === 'parked' || (name === 'turn.send' && phase === 'outcome')
}

interface Subscription {
  readonly leaving: AbortController
  /** Known once the past has been told. */
  stop: (() => void) | null
}

export function createSubscriptions({ kernel, texts, max, send, sendPatiently }: SubscriptionDeps): Subscriptions {
  const subscriptions = new Map<SessionId, Subscription>()

  const end = (subscription: Subscription): void => {
    subscription.leaving.abort()
    subscription.stop?.()
  }
  return {
    async add({ payload }) {
      const { session, cursor, request_id } = payload
      if (subscriptions.has(session)) {
        throw new OxbowError('bad_input', `This connection already follows session ${session}.`, { hint: 'session: unsubscribe first.' })
      }
      if (subscriptions.size >= max) {
        throw new OxbowError('limit_reached', `A connection follows at most ${max} sessions.`, { hint: 'Unsubscribe from one first.' })
      }
      const subscription: Subscription = { leaving: new AbortController(), stop: null }
      const { signal } = subscription.leaving
      subscriptions.set(session, subscription)
      const listener = (event: KernelEvent): void => {
        if (signal.aborted) return
        if (event.type === 'record' && !endsTurn(event.record)) return sendPatiently(texts.of(event))
        if (event.type !== 'snapshot') return send(texts.of(event))
        const { type, ...snapshot } = event
        send(frameText({ type, payload: { request_id, ...snapshot } }))
      }
      try {
        subscription.stop = await kernel.follow(session, cursor, listener, signal)
      } catch (error) {
        if (subscriptions.get(session) === subscription) subscriptions.delete(session)
        if (!signal.aborted) throw error
      }
      if (!signal.aborted) return
      // With the last of the past it may have begun all the same.
      subscription.stop?.()
      throw new OxbowError('cancelled', `The subscription to session ${session} was ended before it began.`, { hint: 'Subscribe again.' })
    },
    remove(session) {
      const subscription = subscriptions.get(session)
      subscriptions.delete(session)
      if (subscription !== undefined) end(subscription)
    },
    clear() {
      subscriptions.forEach(end)
      subscriptions.clear()
    },
  }
}
