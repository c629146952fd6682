/**
 * Messages on their way. A message keeps its id until the guest has acknowledged it, so that it is sent again to the next guest and still
 * delivered once. They are sent one at a time, in the order in which they were written.
 */
import { isOxbowError } from '../base/index.ts'
import type { Effect } from './state.ts'

/** A message that is to be sent. */
export type Message = Extract<Effect, { type: 'send' }>

export interface Outbox {
  /** Resolves when it was sent, refused, or waits for a guest. */
  add(message: Message): Promise<void>
  /** There is a guest: sends what waits. */
  flush(): Promise<void>
}

export interface OutboxDeps {
  readonly isLinked: () => boolean
  /** @throws OxbowError */
  readonly deliver: (message: Message) => Promise<void>
  readonly onSent: (message: Message) => void
  readonly onRefused: (message: Message, error: unknown) => void
}

export function createOutbox({ isLinked, deliver, onSent, onRefused }: OutboxDeps): Outbox {
  let waiting: readonly Message[] = []
  let flushing: Promise<void> = Promise.resolve()
  const sendAll = async (): Promise<void> => {
    for (let [next] = waiting; next !== undefined && isLinked(); [next] = waiting) {
      try {
        await deliver(next)
        onSent(next)
      } catch (error) {
        if (isOxbowError(error, 'guest_unreachable')) return
        onRefused(next, error)
      }
      waiting = waiting.slice(1)
    }
  }
  const flush = (): Promise<void> => (flushing = flushing.then(sendAll))
  return {
    add(message) {
      waiting = [...waiting, message]
      return flush()
    },
    flush,
  }
}
