/**
 * A conversation as the alternating turns of this wire. User and tool messages between two answers become one user turn, the
 * results of the answer's calls first; every call gets exactly one result; no two calls of a conversation share an id.
 * All of it depends only on what came before, so that a longer conversation begins with the same bytes and is found in the
 * service's cache.
 */
import type { AssistantMessage, Message, ToolMessage } from '../../types/index.ts'
import { toolCallsOf } from '../../types/index.ts'
import { type OpenBlock, textBlock, type Written } from './message-blocks.ts'
import { sendableId } from './sendable-text.ts'

export interface Turn {
  readonly role: 'user' | 'assistant'
  /** JSON text of content blocks, at least one. */
  readonly blocks: string[]
  /** A user turn that answers calls: what came before it and what comes after are one train of thought. */
  readonly answers: boolean
  /** An assistant turn that begins with thinking. */
  readonly thinks: boolean
}

interface Building {
  readonly turns: Turn[]
  /** Ids that were sent, each with the number that its next namesake gets. */
  readonly ids: Map<string, number>
  /** Calls of the last answer that have no result yet: their own ids and those they were sent under. */
  waiting: { readonly own: string; readonly sent: string }[]
  results: string[]
  /** The user's blocks since the last answer; they follow the results. */
  rest: string[]
}

const noResult = '"type":"tool_result","content":"[the conversation holds no result of this call]","is_error":true}'

/** @param prefill the model goes on from an assistant turn at the end; others refuse it, and are asked to continue. */
export function turnsOf(messages: readonly Message[], written: (message: Message) => Written, prefill: boolean): Turn[] {
  const building: Building = { turns: [], ids: new Map(), waiting: [], results: [], rest: [] }
  const { turns, rest } = building
  const last = messages.at(-1)
  for (const message of messages) {
    const now = written(message === last && message.role === 'assistant' ? withoutTrailingSpace(message) : message)
    if (message.role === 'assistant') addAnswer(building, now)
    else if (message.role === 'tool') addResult(building, message, now)
    else rest.push(...now.blocks.filter((block) => typeof block === 'string'))
  }
  endUserTurn(building)
  // A window that was cut may begin with an answer, which the protocol does not allow.
  if (turns[0]?.role !== 'user') turns.unshift(userTurn([textBlock('[What came before is left out.]')]))
  if (!prefill && turns.at(-1)?.role === 'assistant') turns.push(userTurn([textBlock('Continue where you stopped.')]))
  return turns
}

function userTurn(blocks: string[]): Turn {
  return { role: 'user', blocks, answers: false, thinks: false }
}

function addAnswer(building: Building, { blocks, thinks }: Written): void {
  // Nothing of it can be sent: the user's words before and after it become one turn.
  if (blocks.length === 0) return
  endUserTurn(building)
  const sent = blocks.map((block) => (typeof block === 'string' ? block : sentCall(building, block)))
  const before = building.turns.at(-1)
  if (before?.role === 'assistant') before.blocks.push(...sent)
  else building.turns.push({ role: 'assistant', blocks: sent, answers: false, thinks })
}

function sentCall({ ids, waiting }: Building, { id, tail }: OpenBlock): string {
  const sent = freeId(ids, sendableId(id))
  waiting.push({ own: id, sent })
  return `{"id":"${sent}",${tail}`
}

function addResult(building: Building, message: ToolMessage, { blocks }: Written): void {
  const { waiting, results, rest } = building
  for (const block of blocks) {
    if (typeof block === 'string') {
      rest.push(block)
      continue
    }
    const place = waiting.findIndex(({ own }) => own === block.id)
    const call = place < 0 ? undefined : waiting.splice(place, 1)[0]
    const { name, text } = message.parts[0]
    // The service refuses a result without its call: as text the model can still read it.
    if (call === undefined) rest.push(textBlock(`[result of an earlier call of ${name}]\n${text}`))
    else results.push(`{"tool_use_id":"${call.sent}",${block.tail}`)
  }
}

function endUserTurn(building: Building): void {
  const { turns, waiting, results, rest } = building
  for (const { sent } of waiting) results.push(`{"tool_use_id":"${sent}",${noResult}`)
  if (results.length + rest.length > 0) {
    turns.push({ role: 'user', blocks: [...results, ...rest], answers: results.length > 0, thinks: false })
  }
  waiting.length = results.length = rest.length = 0
}

function freeId(ids: Map<string, number>, id: string): string {
  let next = ids.get(id) ?? 1
  let free = id
  while (ids.has(free)) {
    next += 1
    free = `${id}_${next}`
  }
  ids.set(id, next)
  ids.set(free, Math.max(1, ids.get(free) ?? 1))
  return free
}

/** An answer that is to be continued may not end with white space. */
function withoutTrailingSpace(message: AssistantMessage): Message {
  const parts = [...message.parts]
  const end = parts.at(-1)
  if (toolCallsOf(message).length > 0 || end?.type !== 'text' || end.text === end.text.trimEnd()) return message
  parts[parts.length - 1] = { type: 'text', text: end.text.trimEnd() }
  return { role: 'assistant', parts }
}

/** An answer is under way that did not begin with thinking of this model: it fell to this model from another one, or thinking was off. */
export function inUnthoughtTurn(turns: readonly Turn[]): boolean {
  const start = turns.findLastIndex((turn) => turn.role === 'user' && !turn.answers)
  const answer = turns[start + 1]
  return answer !== undefined && !answer.thinks
}
