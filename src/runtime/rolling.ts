/** What a rolling summary changes in a window: the messages that it stands for are not shown. */
import type { CallId, ConversationItem, Process } from '../types/index.ts'
import { hiddenFiles, type MessageCounter, tokensOfAll } from './context-window.ts'
import { mediaTokens, usualBytesPerToken } from './limits.ts'
import type { SummarizeOutput } from './runtime.ts'

export interface Rolled {
  summary: ConversationItem | null
  /** Call of the last message that the summary stands for; empty: none of those that are held. */
  through: CallId | ''
}

/** @returns the items behind `through`, and before them what the person asked last, also when the summary stands for it. */
export function itemsBehind(items: readonly ConversationItem[], through: CallId | ''): readonly ConversationItem[] {
  const at = through === '' ? -1 : items.findLastIndex(({ call }) => call === through)
  if (at < 0) return items
  const asked = items.findLastIndex(({ message }) => message.role === 'user')
  const kept = items.slice(at + 1)
  return asked >= 0 && asked <= at ? [items[asked]!, ...kept] : kept
}

export function visibleItems(items: readonly ConversationItem[], { summary, through }: Rolled): readonly ConversationItem[] {
  const shown = itemsBehind(items, through)
  return summary === null ? shown : [summary, ...shown]
}

/** @returns null when there was nothing to sum up, or it failed: then old messages are left out. */
export async function rollNow(process: Process, room: number): Promise<Rolled | null> {
  const outcome = await process.call('session.summarize', { room })
  if (outcome.status !== 'ok') return null
  const { summary, through } = outcome.output as SummarizeOutput
  return summary === null ? null : { summary, through }
}

/** Whether items take more than so many tokens. Texts that are clearly shorter are not counted. */
export async function isFuller(items: readonly ConversationItem[], tokens: number, counter: MessageCounter): Promise<boolean> {
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
  if (bytes / usualBytesPerToken <= tokens) return false
  const messages = items.map(({ message }) => message)
  await counter.count(messages)
  return tokensOfAll(messages, counter) - hiddenFiles(messages) * mediaTokens > tokens
}
