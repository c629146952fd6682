/**
 * Where a message comes from, as far as it matters for whether it is answered, and what was decided. Who sends a message says it; a message
 * without a source was written to the agent itself, by a person or a program, and is answered.
 */
import { z } from 'zod'

const shortName = z.string().min(1).max(200)

export const turnSource = z.strictObject({
  kind: z.enum(['direct', 'group']).describe('`direct`: only the sender and the agent read it; `group`: others do, too.'),
  mention: z.literal(true).exactOptional().describe('It names the agent.'),
  reply: z.literal(true).exactOptional().describe('It answers a message of the agent.'),
  command: z.literal(true).exactOptional().describe('It is a command to the agent.'),
  bot: z.literal(true).exactOptional().describe('A program wrote it, such as another agent.'),
  channel: shortName.exactOptional().describe('How it came, e.g. `telegram`.'),
  chat: shortName.exactOptional().describe('Where it was written, as the channel names it.'),
})

/** Where a message comes from. */
export type TurnSource = z.infer<typeof turnSource>

export const turnDecision = z.strictObject({
  action: z
    .enum(['respond', 'ignore', 'stop'])
    .describe('`ignore`: this message gets no answer. `stop`: nor do the next ones of the chat, until one is addressed to the agent.'),
  by: z.enum(['rule', 'model', 'hook']).describe('Who decided.'),
  reason: z.string().describe('Why, for people.'),
})

/** Whether a message is answered, who decided it, and why. */
export type TurnDecision = z.infer<typeof turnDecision>

/** The call that decides it, for a message with a source. */
export const decideCall = 'turn.decide'

/** @returns whether a turn that runs may take the message in; any other message begins a turn, which decides about it */
export function mayJoinTurn(source: TurnSource | undefined): boolean {
  return source === undefined || (source.kind === 'direct' && source.bot !== true)
}

/** @returns what is said of a turn without an answer */
export function decisionText({ action, by, reason }: TurnDecision): string {
  const who = { rule: '', model: ' by the model', hook: ' by a plugin' }[by]
  return `${{ respond: 'answered', ignore: 'not answered', stop: 'not answered, nor what follows' }[action]}${who}: ${reason}`
}
