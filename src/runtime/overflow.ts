/** What to do when a conversation is too long: for what we count, and for what the endpoint says. */
import type { Failure, Message } from '../types/index.ts'
import { type Fitted, type MessageCounter, tokensOfAll } from './context-window.ts'
import { overflowPart } from './limits.ts'

/** @returns the room for a second try, from what was really sent: the bound by which it fitted may have been far over it. */
export async function roomAfterOverflow(sent: readonly Message[], counter: MessageCounter): Promise<number> {
  await counter.count(sent)
  return Math.floor(tokensOfAll(sent, counter) * overflowPart)
}

export function tooLong({ messages, tokens }: Fitted, room: number): Failure {
  const what =
    messages.at(-1)?.role === 'user'
      ? 'The newest message alone takes'
      : 'The newest message and the newest step, shortened as far as they can be, take'
  return {
    code: 'limit_reached',
    message: `${what} ${tokens} tokens; the model has room for ${Math.max(0, room)}.`,
    hint: 'Put long text into a file in the workspace and name the file, or choose a model with a larger window.',
  }
}

/** The endpoint refused the shortened conversation too. */
export function stillTooLong({ message }: Failure): Failure {
  return {
    code: 'context_overflow',
    message: `The conversation is too long for the model, also after it was shortened. ${message}`,
    hint: 'Begin a new session, or choose a model with a larger window. If the window of this model is smaller than Oxbow takes it for, set its size in config.toml.',
  }
}
