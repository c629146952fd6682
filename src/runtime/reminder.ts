/**
 * Before a turn, once: what memory has that fits the newest message is put directly before it. There it costs least: all that was
 * said before keeps its place, and with it a provider's cache of the prompt. The call's outcome is part of the conversation from then
 * on, so that a turn that is resumed, replayed or followed by another shows the same.
 */
import { type ConversationItem, lastSaid, type Process, recalledItem, textOf } from '../types/index.ts'
import type { Reminder } from './runtime.ts'

/** @returns the conversation, with what was recalled in its place. Whatever goes wrong, the turn goes on without. */
export async function remind(
  process: Process,
  conversation: readonly ConversationItem[],
  reminder: Reminder | undefined,
): Promise<readonly ConversationItem[]> {
  const at = lastSaid(conversation)
  const asked = conversation[at]
  // Under way already, or reminded before a crash.
  if (reminder === undefined || asked === undefined || at < conversation.length - 1 || isRecalled(conversation[at - 1])) return conversation
  try {
    const has = reminder.hasOthers(process.session)
    if (!(typeof has === 'boolean' ? has : await has)) return conversation
    // The kernel puts what was recalled into its own array while we wait.
    const items = [...conversation]
    const oldest = items.find((item) => item.message.role === 'user' && !isRecalled(item)) ?? asked
    const id = process.newCallId()
    const input = { text: textOf(asked.message), oldest: oldest === asked ? '' : oldest.call }
    const outcome = await process.call('memory.recall', input, id)
    if (outcome.status !== 'ok' || outcome.text === '') return items
    return items.toSpliced(at, 0, recalledItem(id, outcome.text))
  } catch {
    return conversation
  }
}

function isRecalled(item: ConversationItem | undefined): boolean {
  return item?.message.role === 'user' && item.message.recalled === true
}
