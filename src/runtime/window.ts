/**
 * Fits a conversation into a model's window: newest first, and a tool call never without its result. A UTF-8 byte is at
 * most one token, so a conversation whose bytes fit needs no counting at all; only a longer one asks the tokenizer. What no
 * longer fits is replaced by a rolling summary; without a summary it is left out.
 */
import type { CallId, Failure } from '../base/index.ts'
import {
  type ConversationItem,
  maxShownFiles,
  type Message,
  type ModelFacts,
  modelLabel,
  type Process,
  showableFiles,
  type SummarizeOutput,
  toolCallsOf,
  toolPlace,
} from '../protocol/index.ts'
import { largeStepPart, leastRoomTokens, mediaTokens, overflowPart, tokensPerMessage, usualBytesPerToken } from './limits.ts'
import { createShortener, type Shorten, type Shortened, shortenStep } from './shortening.ts'

interface Fitted {
  readonly messages: readonly Message[]
  /** Upper bound of the tokens of `messages`. */
  readonly tokens: number
  /** Messages left out at the old end. */
  readonly dropped: number
}

/** Counts the tokens of messages, each once in its life. */
export interface MessageCounter {
  /** 0 for a message that has not been counted. */
  tokensOf(message: Message): number
  count(messages: readonly Message[]): Promise<void>
  /** A shortened message lives as long as the original, and is counted once too. */
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
 * Keeps as many of the newest steps as fit, and always the user's newest message: without it the model does not know what to do.
 * A step that does not fit by itself is shortened; the user's messages never are.
 *
 * @param items oldest first
 * @param room tokens that the messages may take
 * @param summary precedes all of them and is never left out
 * @returns at least the newest message and the newest step, even if they exceed `room`: the caller refuses that
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

  // The user's last message is kept before any step is, wherever it stands.
  const question = groups.findLast(({ messages }) => messages[0]?.role === 'user') ?? { messages: [], bytes: 0, results: [] }
  await counter.count([...head, ...question.messages])
  let tokens = tokensOfAll([...head, ...question.messages], counter)
  const large = (room - tokens) * largeStepPart

  const kept: (readonly Message[])[] = []
  let from = groups.length
  let files = filesOf(question.messages)
  for await (const group of newestFirst(groups, room, counter)) {
    const free = room - tokens
    let step: Shortened = { messages: group.messages, tokens: group === question ? 0 : tokensOfAll(group.messages, counter) }
    if (group !== question) step = { ...step, tokens: step.tokens - hiddenFiles(group.messages, files) * mediaTokens }
    if (group !== question) files += filesOf(group.messages)
    const isNewest = kept.length === 0
    if (step.tokens > free && isNewest) step = await shortenGroup(step, free, counter)
    else if (step.tokens > free && step.tokens > large) step = await shortenGroup(step, large / 2, counter)
    if (step.tokens > free && !isNewest) break
    kept.push(step.messages)
    tokens += step.tokens
    from--
  }
  if (!groups.includes(question, from)) kept.push(question.messages)
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

/** @returns tokens of counted messages, with the overhead of each. */
export function tokensOfAll(messages: readonly Message[], counter: MessageCounter): number {
  return messages.reduce((sum, message) => sum + counter.tokensOf(message) + tokensPerMessage, 0)
}

function filesOf(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + showableFiles(message), 0)
}

/** @param newer number of files of newer messages @returns how many of these files exceed the limit, are not shown and cost nothing */
function hiddenFiles(messages: readonly Message[], newer = 0): number {
  const files = filesOf(messages)
  return Math.min(files, Math.max(0, newer + files - maxShownFiles))
}

/** Messages that stay together: a single one, or a generation with the results of its tool calls. */
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
    // A page read back can begin between a generation and its results.
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
 * Endpoints refuse a tool call without a result, so calls that a cancelled turn never made get one that says so. Of parallel calls, a
 * crash may have kept only the result of a later one.
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

/** Yields the groups, counted in batches of about as many bytes as there is room for, so that few are counted needlessly. */
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

/** A rolling summary in a window: the messages that it replaces are not shown. */
export interface Rolled {
  summary: ConversationItem | null
  /** Call of the last message that the summary replaces; empty: none of the loaded ones. */
  through: CallId | ''
}

/** @returns the items after `through`, preceded by the user's last message even if the summary replaces it. */
export function itemsBehind(items: readonly ConversationItem[], through: CallId | ''): readonly ConversationItem[] {
  const at = through === '' ? -1 : items.findLastIndex(({ call }) => call === through)
  if (at < 0) return items
  const lastUser = items.findLastIndex(({ message }) => message.role === 'user')
  const kept = items.slice(at + 1)
  return lastUser >= 0 && lastUser <= at ? [items[lastUser]!, ...kept] : kept
}

export function visibleItems(items: readonly ConversationItem[], { summary, through }: Rolled): readonly ConversationItem[] {
  const shown = itemsBehind(items, through)
  return summary === null ? shown : [summary, ...shown]
}

/** @returns null when there is nothing to summarize or the call fails: old messages are then left out. */
export async function rollNow(process: Process, room: number): Promise<Rolled | null> {
  const outcome = await process.call('session.summarize', { room })
  if (outcome.status !== 'ok') return null
  const { summary, through } = outcome.output as SummarizeOutput
  return summary === null ? null : { summary, through }
}

/** @returns whether the items take more than `tokens`. Texts that are clearly shorter are not counted. */
export async function isFuller(items: readonly ConversationItem[], tokens: number, counter: MessageCounter): Promise<boolean> {
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
  if (bytes / usualBytesPerToken <= tokens) return false
  const messages = items.map(({ message }) => message)
  await counter.count(messages)
  return tokensOfAll(messages, counter) - hiddenFiles(messages) * mediaTokens > tokens
}

/** @returns the room for a second try, from the exact count of what was sent: the upper bound may have been far above it. */
export async function roomAfterOverflow(sent: readonly Message[], counter: MessageCounter): Promise<number> {
  await counter.count(sent)
  return Math.floor(tokensOfAll(sent, counter) * overflowPart)
}

/** @param room that the messages may take @param reservedTokens of the instructions and the tools, which every request carries */
export function tooLong({ messages, tokens }: Fitted, room: number, facts: ModelFacts, reservedTokens: number): Failure {
  if (facts.contextTokens - facts.maxOutputTokens - reservedTokens < leastRoomTokens) return tooSmall(facts, reservedTokens)
  const what =
    messages.at(-1)?.role === 'user'
      ? 'The newest message alone takes'
      : 'The newest message and the newest step, shortened as far as they can be, take'
  return {
    code: 'limit_reached',
    message: `${what} ${tokens} tokens; the model has room for ${Math.max(0, room)} (window of ${modelLabel(facts)}: ${facts.contextTokens} tokens).`,
    hint: 'Put long text into a file in the workspace and name the file, or choose a model with a larger window.',
  }
}

/** The window leaves no room for a conversation, whatever the person writes. */
function tooSmall(facts: ModelFacts, reservedTokens: number): Failure {
  const { contextTokens, maxOutputTokens } = facts
  const isOutputLarge = maxOutputTokens > contextTokens / 2
  const larger = 'If the model has a larger window, set it: `oxbow config set model.context_tokens 32768`.'
  return {
    code: 'limit_reached',
    message:
      `The context window of ${modelLabel(facts)}, ${contextTokens} tokens, is too small: ` +
      `instructions and tools take ${reservedTokens}, and an answer may take ${maxOutputTokens}.`,
    hint: isOutputLarge
      ? `Lower model.max_output_tokens, the tokens of an answer: \`oxbow config set model.max_output_tokens ${Math.floor(contextTokens / 4)}\`.`
      : `${larger} Otherwise choose another model: \`oxbow models\` lists them.`,
  }
}

/** The endpoint refused the shortened conversation as well. */
export function stillTooLong({ message }: Failure): Failure {
  return {
    code: 'context_overflow',
    message: `The conversation is too long for the model, also after it was shortened. ${message}`,
    hint: 'Start a new session (/new in the chat, or `oxbow run` without --continue), or choose a model with a larger window. If the model’s real window is smaller than Oxbow assumes, set context_tokens in config.toml.',
  }
}
