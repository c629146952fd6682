/**
 * Reads a conversation for the interpreter, which keeps nothing itself. What is unanswered is everything after its last
 * plain answer: usually one message, more when the person wrote again while tools ran. Tool calls carry the place of their
 * command in their id (`ox<command>-<call>`), so each result finds its command again.
 */
import type { Message, ToolCallPart, ToolResultPart } from '../../protocol/index.ts'
import { unfenced } from '../../base/index.ts'
import { toolCallsOf } from '../../protocol/index.ts'

export interface Exchange {
  readonly call: ToolCallPart
  /** Null while there is no result. */
  readonly result: ToolResultPart | null
}

export interface Unanswered {
  /** Texts of the person's messages, oldest first. */
  readonly texts: readonly string[]
  /** Calls already made for the commands in them, by the command's place. */
  readonly done: ReadonlyMap<number, readonly Exchange[]>
}

export function callId(command: number, call: number): string {
  return `ox${command}-${call}`
}

export function readUnanswered(messages: readonly Message[]): Unanswered {
  const answered = messages.findLastIndex((message) => message.role === 'assistant' && toolCallsOf(message).length === 0)
  const open = messages.slice(answered + 1)
  const done = new Map<number, Exchange[]>()
  for (const exchange of exchangesOf(open)) {
    const command = Number(/^ox(\d+)-/.exec(exchange.call.id)?.[1] ?? -1)
    done.set(command, [...(done.get(command) ?? []), exchange])
  }
  return { texts: open.flatMap(commandsOf), done }
}

/** What a person wrote; what came with it is named in a part of its own. What memory recalled is not a request. */
function commandsOf(message: Message): readonly string[] {
  if (message.role !== 'user' || message.recalled === true) return []
  const [first] = message.parts
  return first?.type === 'text' ? [first.text] : []
}

/** Every tool call with its result, oldest first. A result belongs to the nearest call before it with its id. */
export function exchangesOf(messages: readonly Message[]): readonly Exchange[] {
  const found: { call: ToolCallPart; result: ToolResultPart | null }[] = []
  for (const message of messages) {
    if (message.role === 'assistant') for (const call of toolCallsOf(message)) found.push({ call, result: null })
    if (message.role !== 'tool') continue
    const [result] = message.parts
    const owner = found.findLast((each) => each.call.id === result.id && each.result === null)
    // The interpreter follows no instruction in a result, and a person reads it: it needs no fence.
    if (owner !== undefined) owner.result = { ...result, text: unfenced(result.text) }
  }
  return found
}
