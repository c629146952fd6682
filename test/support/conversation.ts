/** A session in which a test says something and is told how the turn ended. */
import { createIdMaker, type Failure, type IdMaker, systemClock, systemRandom } from '../../src/base/index.ts'
import type { Terminal } from './terminal.ts'

export const newId: IdMaker = createIdMaker(systemClock, systemRandom)

/** Body of a turn's outcome. */
export interface TurnEnd {
  readonly status: string
  readonly reply: string
  readonly failure: Failure | null
}

export interface Conversation {
  readonly session: string
  /** Sends a message. @returns the id of its turn. */
  send(text: string): Promise<string>
  ended(turn: string): Promise<TurnEnd>
  say(text: string): Promise<TurnEnd>
}

/** @param model that answers in it, by name; the configured one when absent */
export async function openConversation(terminal: Terminal, model?: string): Promise<Conversation> {
  const { result } = await terminal.expect('result', 'create_session', {})
  const session = (result as { id: string }).id
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const send = async (text: string): Promise<string> => {
    const turn = newId()
    await terminal.expect('ack', 'send_turn', { session, client_id: turn, text, ...(model !== undefined && { model }) })
    return turn
  }
  const ended = async (turn: string): Promise<TurnEnd> => {
    const { body } = await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
    return body as unknown as TurnEnd
  }
  return { session, send, ended, say: async (text) => ended(await send(text)) }
}
