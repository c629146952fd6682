/**
 * Fits a conversation into a model's window: newest first, and a tool call never without its result. A UTF-8 byte is at
 * most one token, so a conversation whose bytes fit needs no counting at all; only a longer one asks the tokenizer.
 */
import { type ConversationItem, type Message, toolCallsOf } from '../types/index.ts'
import { tokensPerMessage } from './limits.ts'

export interface Fitted {
  readonly messages: readonly Message[]
  /** Upper bound of the tokens of `messages`. */
  readonly tokens: number
  /** Messages left out at the old end. */
  readonly dropped: number
}

/** Counts messages, each once as long as it lives. */
export interface MessageCounter {
  /** 0 for a message that was not counted yet. */
  tokensOf(message: Message): number
  count(messages: readonly Message[]): Promise<void>
}

/** @param countTokens a real tokenizer; one number for each text, in order */
export function createMessageCounter(countTokens: (texts: readonly string[]) => Promise<readonly number[]>): MessageCounter {
  const counted = new WeakMap<Message, number>()
  return {
    tokensOf: (message) => counted.get(message) ?? 0,
    async count(messages) {
      const fresh = messages.filter((message) => !counted.has(message))
      const counts = await countTokens(fresh.map(textToCount))
      fresh.forEach((message, i) => counted.set(message, counts[i]!))
    },
  }
}

/**
 * @param items oldest first
 * @param room tokens that the messages may take
 * @returns the longest run of newest groups that fits, at least the newest group: what cannot be cut is for the caller to refuse
 */
export async function fitConversation(items: readonly ConversationItem[], room: number, counter: MessageCounter): Promise<Fitted> {
  const groups = groupMessages(items, counter)
  const bound = groups.reduce((sum, group) => sum + group.bytes, 0)
  if (bound <= room) return { messages: groups.flatMap((group) => group.messages), tokens: bound, dropped: 0 }

  await countGroups(groups, room, counter)
  let tokens = 0
  let from = groups.length
  while (from > 0 && (from === groups.length || tokens + groups[from - 1]!.tokens() <= room)) tokens += groups[--from]!.tokens()
  const messages = groups.slice(from).flatMap((group) => group.messages)
  return { messages, tokens, dropped: items.length - messages.length }
}

/** What must stay together: one message, or a generation with the results of its tool calls. */
interface Group {
  readonly messages: Message[]
  bytes: number
  tokens(): number
}

function groupMessages(items: readonly ConversationItem[], counter: MessageCounter): Group[] {
  const groups: Group[] = []
  for (const { message, bytes } of items) {
    const last = groups.at(-1)
    // What was read back can begin between a generation and its results.
    if (message.role === 'tool' && last === undefined) continue
    const group = message.role === 'tool' && last !== undefined ? last : newGroup(groups, counter)
    group.messages.push(message)
    group.bytes += bytes + tokensPerMessage
  }
  for (const group of groups) completeGroup(group)
  return groups
}

function newGroup(groups: Group[], counter: MessageCounter): Group {
  const messages: Message[] = []
  const tokens = (): number => messages.reduce((sum, message) => sum + counter.tokensOf(message) + tokensPerMessage, 0)
  const group = { messages, bytes: 0, tokens }
  groups.push(group)
  return group
}

/** A wire refuses a tool call without a result: calls that a cancelled turn never made get one that says so. */
function completeGroup(group: Group): void {
  const [first] = group.messages
  if (first?.role !== 'assistant') return
  const answered = group.messages.length - 1
  for (const call of toolCallsOf(first).slice(answered)) {
    const part = { type: 'tool_result', id: call.id, name: call.name, ok: false, text: 'Not run: the turn ended before.' } as const
    group.messages.push({ role: 'tool', parts: [part] })
    group.bytes += part.text.length + part.id.length + tokensPerMessage
  }
}

/** Counts from the newest group back, in batches, until surely more than the room is counted. */
async function countGroups(groups: readonly Group[], room: number, counter: MessageCounter): Promise<void> {
  let total = 0
  for (let i = groups.length - 1; i >= 0 && total <= room;) {
    const batch: Message[] = []
    for (let bytes = 0; i >= 0 && bytes < room; i--) {
      bytes += groups[i]!.bytes
      batch.push(...groups[i]!.messages)
    }
    await counter.count(batch)
    for (const message of batch) total += counter.tokensOf(message) + tokensPerMessage
  }
}

function textToCount(message: Message): string {
  return message.parts
    .map((part) =>
      part.type === 'tool_call'
        ? `${part.id} ${part.name} ${part.arguments}`
        : part.type === 'tool_result'
          ? `${part.id} ${part.text}`
          : part.type === 'media'
            ? ''
            : part.text,
    )
    .join('\n')
}
