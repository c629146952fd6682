/**
 * Messages that a person has sent and the guest has not acknowledged. They are kept in the browser, so that a reload, or a guest that
 * does not answer, loses none; each has an id, by which the guest takes it once.
 */
import type { Client } from '../../../../src/client/browser-client.ts'
import {
  type CallId,
  createIdMaker,
  type Failure,
  type SessionId,
  systemClock,
  systemRandom,
  toError,
  toFailure,
} from '../../../../src/base/index.ts'
import type { KeptFile, SentFile } from '../../../../src/protocol/index.ts'

export interface OutgoingMessage {
  readonly id: string
  readonly session: string
  /** The session does not exist yet, and is made with this message. */
  readonly isNew: boolean
  readonly text: string
  readonly model: string
  /** Who answers in a session that is new; empty or absent: the usual agent. */
  readonly agent?: string
  readonly files: readonly KeptFile[]
  readonly at: number
}

export interface Outbox {
  subscribe(listener: () => void): () => void
  messages(): readonly OutgoingMessage[]
  /** Messages that the guest refused, with the reason; the text goes back to the person. */
  refused(): readonly (OutgoingMessage & { readonly failure: Failure })[]
  send(message: Omit<OutgoingMessage, 'id' | 'at'>): void
  /** Takes a refused message out. */
  discard(id: string): void
}

const key = 'oxbow.outbox'
const newId = createIdMaker(systemClock, systemRandom)

/** @returns an id for a session that is made with its first message */
export function newSessionId(): string {
  return newId()
}

/** One for each client. Messages of an earlier page are sent at once. */
const outboxes = new WeakMap<Client, Outbox>()

export function outboxOf(client: Client): Outbox {
  const known = outboxes.get(client) ?? createOutbox(client, localStorage)
  outboxes.set(client, known)
  return known
}

export function createOutbox(
  client: Pick<Client, 'createSession' | 'sendTurn' | 'call'>,
  storage: Pick<Storage, 'getItem' | 'setItem'>,
): Outbox {
  let messages: readonly OutgoingMessage[] = read(storage)
  let refused: readonly (OutgoingMessage & { readonly failure: Failure })[] = []
  const listeners = new Set<() => void>()
  const changed = (): void => {
    storage.setItem(key, JSON.stringify(messages))
    listeners.forEach((listener) => listener())
  }
  const deliver = async (message: OutgoingMessage): Promise<void> => {
    const { id, session, isNew, text, model, agent = '', files } = message
    try {
      if (isNew) await client.createSession(undefined, session as CallId)
      if (isNew && agent !== '') await giveTo(client, session, agent)
      const attachments: readonly SentFile[] = files.map(({ name, media_type, pieces }) => ({ name, media_type, pieces }))
      await client.sendTurn({
        session: session as SessionId,
        clientId: id as CallId,
        text,
        ...(model !== '' && { model }),
        ...(files.length > 0 && { attachments }),
      })
    } catch (error) {
      const failure = toFailure(error, 'internal_failure', 'Try again.')
      // The page is closing, or the guest is gone: the next page sends it again.
      if (failure.code === 'cancelled' || failure.code === 'guest_unreachable') return
      refused = [...refused, { ...message, failure }]
    }
    messages = messages.filter((other) => other.id !== id)
    changed()
  }
  // In order: the first message of a session makes it.
  let last = Promise.resolve()
  const queue = (message: OutgoingMessage): void => void (last = last.then(() => deliver(message)))
  messages.forEach(queue)
  return {
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    messages: () => messages,
    refused: () => refused,
    send(message) {
      const outgoing = { ...message, id: newId(), at: Date.now() }
      messages = [...messages, outgoing]
      changed()
      queue(outgoing)
    },
    discard(id) {
      refused = refused.filter((message) => message.id !== id)
      changed()
    },
  }
}

/** @throws OxbowError of the call */
async function giveTo(client: Pick<Client, 'call'>, session: string, agent: string): Promise<void> {
  const outcome = await client.call('session.agent', { agent }, session as SessionId)
  if (outcome.status !== 'ok') throw toError(outcome.failure)
}

function read(storage: Pick<Storage, 'getItem'>): readonly OutgoingMessage[] {
  try {
    const kept: unknown = JSON.parse(storage.getItem(key) ?? '[]')
    return Array.isArray(kept)
      ? (kept as OutgoingMessage[]).filter(({ id, session, text }) => [id, session, text].every((part) => typeof part === 'string'))
      : []
  } catch {
    return []
  }
}
