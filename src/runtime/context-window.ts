/**
 * Fits a conversation into a model's window: newest first, and a tool call never without its result. A UTF-8 byte is at
 * most one token, so a conversation whose bytes fit needs no counting at all; only a longer one asks the tokenizer.
 */
import { type CallId, type ConversationItem, maxShownFiles, type Message, showableFiles, toolCallsOf, toolPlace } from '../types/index.ts'
import { largeStepPart, mediaTokens, tokensPerMessage } from './limits.ts'
import { createShortener, type Shorten } from './shortening/shorten-message.ts'
import { type Shortened, shortenStep } from './shortening/shorten-step.ts'

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
  /** What it makes lives as long as the message, and is counted once too. */
  readonly shorten: Shorten
}

/** @param countTokens a real tokenizer; one number for each text, in order */
export function createMessageCounter(countTokens: (texts: readonly string[]) => Promise<readonly number[]>): MessageCounter {
  const counted = new WeakMap<Message, number>()
  return {
    shorten: createShortener(),
    tokensOf: (message) => counted.get(message) ?? 0,
    async count(messages) {
      const fresh = messages.filter((message) => !counted.has(message))
      if (fresh.length === 0) return
      const counts = await countTokens(fresh.map(textToCount))
      fresh.forEach((message, i) => counted.set(message, counts[i]! + mediaOf(message) * mediaTokens))
    },
  }
}

/**
 * Newest first, as many steps as fit, and always the newest message of a person: without it nobody knows what to do. A step
 * that does not fit by itself is shortened; what a person wrote never is.
 *
 * @param items oldest first
 * @param room tokens that the messages may take
 * @param summary stands before all of them and is never left out
 * @returns at least the newest message and the newest step: what cannot be cut is for the caller to refuse
 */
export async function fitConversation(
  items: readonly ConversationItem[],
  room: number,
  counter: MessageCounter,
  summary: ConversationItem | null = null,
): Promise<Fitted> {
  const groups = groupMessages(items)
  const head = summary === null ? [] : [summary.message]
  const bound = groups.reduce((sum, group) => sum + group.bytes, summary === null ? 0 : summary.bytes + tokensPerMessage)
  if (bound <= room) return { messages: [...head, ...groups.flatMap((group) => group.messages)], tokens: bound, dropped: 0 }

  // What was asked last has its place before any step, wherever it stands.
  const asked = groups.findLast(({ messages }) => messages[0]?.role === 'user') ?? { messages: [], bytes: 0, results: [] }
  await counter.count([...head, ...asked.messages])
  let tokens = tokensOfAll([...head, ...asked.messages], counter)
  const large = (room - tokens) * largeStepPart

  const kept: (readonly Message[])[] = []
  let from = groups.length
  let files = filesOf(asked.messages)
  for await (const group of newestFirst(groups, room, counter)) {
    const free = room - tokens
    let step: Shortened = { messages: group.messages, tokens: group === asked ? 0 : tokensOfAll(group.messages, counter) }
    if (group !== asked) step = { ...step, tokens: step.tokens - hiddenFiles(group.messages, files) * mediaTokens }
    if (group !== asked) files += filesOf(group.messages)
    const isNewest = kept.length === 0
    if (step.tokens > free && isNewest) step = await shortenGroup(step, free, counter)
    else if (step.tokens > free && step.tokens > large) step = await shortenGroup(step, large / 2, counter)
    if (step.tokens > free && !isNewest) break
    kept.push(step.messages)
    tokens += step.tokens
    from--
  }
  if (!groups.includes(asked, from)) kept.push(asked.messages)
  const messages = kept.toReversed().flat()
  return { messages: [...head, ...messages], tokens, dropped: items.length - messages.length }
}

function shortenGroup({ messages, tokens }: Shortened, room: number, counter: MessageCounter): Promise<Shortened> {
  const measure = async (shorter: readonly Message[]): Promise<number> => {
    await counter.count(shorter)
    return tokensOfAll(shorter, counter)
  }
  return shortenStep(messages, tokens, room, { shorten: counter.shorten, measure })
}

/** @returns tokens of messages that were counted, with what each costs beside its text. */
export function tokensOfAll(messages: readonly Message[], counter: MessageCounter): number {
  return messages.reduce((sum, message) => sum + counter.tokensOf(message) + tokensPerMessage, 0)
}

function filesOf(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + showableFiles(message), 0)
}

/** @param newer files of newer messages. @returns how many files of these have no place beside them: they count for nothing. */
export function hiddenFiles(messages: readonly Message[], newer = 0): number {
  const files = filesOf(messages)
  return Math.min(files, Math.max(0, newer + files - maxShownFiles))
}

/** What must stay together: one message, or a generation with the results of its tool calls. */
interface Group {
  readonly messages: Message[]
  bytes: number
  /** The calls whose results are among the messages. */
  readonly results: CallId[]
}

function groupMessages(items: readonly ConversationItem[]): Group[] {
  const groups: Group[] = []
  for (const { call, message, bytes } of items) {
    const last = groups.at(-1)
    // What was read back can begin between a generation and its results.
    if (message.role === 'tool' && last === undefined) continue
    const group = message.role === 'tool' && last !== undefined ? last : { messages: [], bytes: 0, results: [] }
    if (group !== last) groups.push(group)
    else group.results.push(call)
    group.messages.push(message)
    group.bytes += bytes + tokensPerMessage
  }
  for (const group of groups) completeGroup(group)
  return groups
}

/**
 * A wire refuses a tool call without a result: calls that a cancelled turn never made get one that says so. Of calls side by side a
 * crash may have kept the result of a later one alone.
 */
function completeGroup(group: Group): void {
  const [first] = group.messages
  if (first?.role !== 'assistant') return
  const calls = toolCallsOf(first)
  if (calls.length === group.results.length) return
  const answered = new Set(group.results.map((result) => toolPlace(result)?.index))
  for (const [place, call] of calls.entries()) {
    if (answered.has(place)) continue
    const part = { type: 'tool_result', id: call.id, name: call.name, ok: false, text: 'Not run: the turn ended before.' } as const
    group.messages.splice(place + 1, 0, { role: 'tool', parts: [part] })
    group.bytes += part.text.length + part.id.length + tokensPerMessage
  }
}

/** Gives the groups, counted in batches of about as many bytes as there is room for, so that few are counted in vain. */
async function* newestFirst(groups: readonly Group[], room: number, counter: MessageCounter): AsyncGenerator<Group> {
  for (let i = groups.length - 1, counted = groups.length; i >= 0; i--) {
    if (i < counted) {
      const batch: Message[] = []
      for (let bytes = 0; counted > 0 && bytes < Math.max(1, room);) {
        const group = groups[--counted]!
        bytes += group.bytes
        batch.push(...group.messages)
      }
      await counter.count(batch)
    }
    yield groups[i]!
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

function mediaOf(message: Message): number {
  const inParts = (sum: number, part: Message['parts'][number]): number =>
    sum + (part.type === 'media' ? 1 : part.type === 'tool_result' ? (part.media?.length ?? 0) : 0)
  return message.parts.reduce(inParts, showableFiles(message))
}
