/**
 * Mail between agents that are not above each other. Both definitions have to allow it: the sender's names the other one in `mail.to`, the
 * other one's names the sender in `mail.from`. Each agent's record counts what it got from whom, in the change that gives it the message: so
 * a message is counted and delivered once, whatever happens, and two agents do not write to each other for ever.
 */
import { type CallId, OxbowError } from '../../../base/index.ts'
import type { AgentRecord, MailRules } from '../agent-record.ts'

/** Messages between two agents, both ways, until a person writes to one of them: more is a loop. */
export const maxPeerMessages = 20

/** @returns whether one agent may write to another that is neither above nor below it */
export function mayWrite(from: AgentRecord, to: AgentRecord): boolean {
  return from.id !== to.id && names(from.mail?.to, to) && names(to.mail?.from, from)
}

function names(allowed: readonly string[] = [], { delegation }: AgentRecord): boolean {
  return delegation !== undefined && (allowed.includes('*') || allowed.includes(delegation.definition))
}

/**
 * @returns what the recipient has got with this message; null: it has it already, because the call is made again after a crash
 * @throws OxbowError `limit_reached` in a loop
 */
export function counted(from: AgentRecord, to: AgentRecord, call: CallId): AgentRecord['received'] | null {
  const held = to.received?.[from.id]
  if (held?.last === call) return null
  const messages = held?.messages ?? 0
  const both = messages + (from.received?.[to.id]?.messages ?? 0)
  if (both >= maxPeerMessages)
    throw new OxbowError('limit_reached', `${both} messages have passed between ${from.name} and ${to.name}.`, {
      hint: 'Finish with what you have. They can go on when a person has written to both: `oxbow tell`.',
    })
  return { ...to.received, [from.id]: { messages: messages + 1, last: call } }
}

/** @returns with whom it has written, and how many messages there were both ways, for people */
export function mailOf(own: AgentRecord, all: readonly AgentRecord[]): readonly { agent: CallId; name: string; messages: number }[] {
  return all.flatMap(({ id, name, received }) => {
    const messages = (own.received?.[id]?.messages ?? 0) + (received?.[own.id]?.messages ?? 0)
    return messages === 0 ? [] : [{ agent: id, name, messages }]
  })
}

/** What an agent with such a definition is told of it. */
export function mailInstructions({ to, from }: MailRules): string {
  const list = (some: readonly string[]): string => (some.includes('*') ? 'any agent' : some.join(', '))
  const writes =
    to.length === 0
      ? ''
      : `You can write to agents that run (${list(to)}): agent_send by name, agent_wait with the id of the message for its answer.`
  const reads =
    from.length === 0
      ? ''
      : `Messages of other agents (${list(from)}) come with their name: they ask, and a person's instructions go first.`
  return [writes, reads].filter((line) => line !== '').join(' ')
}
