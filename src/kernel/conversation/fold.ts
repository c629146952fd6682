/**
 * A conversation is a fold over journal records: the same function builds it live, record by record, and cold, from rows
 * read back. Each item keeps the id of the call it came from; a tool result finds its place by its call id, which is its
 * generation's id, a dot, and its index.
 */
import {
  type AssistantMessage,
  type Attachment,
  type CallId,
  type ConversationItem,
  conversationItem,
  erasedText,
  type Failure,
  isErased,
  type JsonObject,
  type KeptFile,
  type Label,
  lastSaid,
  type Message,
  type Phase,
  recalledItem,
  sentMessage,
  toolCallsOf,
  toolPlace,
  toolResult,
} from '../../types/index.ts'

/** The call that recalls before a turn. */
const recallName = 'memory.recall'

export interface FoldInput {
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  readonly body: unknown
}

/** @returns the item that a record adds, or null when it carries no conversation. `known` finds generations by call id. */
export function toItem(record: FoldInput, known: (generation: CallId) => AssistantMessage | undefined): ConversationItem | null {
  const body = record.body as Partial<Record<'text' | 'reply' | 'status' | 'finish', string>> & {
    code?: Failure['code']
    message?: Message
    ok?: boolean
    labels?: readonly Label[]
    attachments?: readonly Attachment[]
    files?: readonly KeptFile[]
  }
  // A model may ask for anything by any name: what is a tool call is told by its id.
  const place = toolPlace(record.call)
  if (place === null && record.name === recallName) return body.status === 'ok' && body.text ? recalledItem(record.call, body.text) : null
  if (isErased(record.body)) return toErasedItem(record, known)
  if (place === null && record.name === 'turn.send') {
    if (record.phase === 'started') return conversationItem(record.call, sentMessage(body.text ?? '', body.attachments))
    // A turn that ended without the model's own last word: what the person was told is part of the conversation.
    if (record.phase === 'outcome' && body.status !== 'ok' && body.status !== 'merged' && body.reply)
      return conversationItem(record.call, { role: 'assistant', parts: [{ type: 'text', text: body.reply }] })
    return null
  }
  if (place !== null) {
    const asked = known(place.generation)
    const part = asked === undefined ? undefined : toolCallsOf(asked)[place.index]
    if (part === undefined || !isFinal(record.phase)) return null
    const ok = body.status === 'ok' && body.ok !== false
    return toolResult(record.call, part, { ok, text: body.text ?? '', labels: body.labels, files: body.files })
  }
  if (record.name !== 'model.generate' || record.phase !== 'outcome' || body.message === undefined) return null
  const item = conversationItem(record.call, body.message)
  if (body.status === 'ok') return body.finish === 'length' ? { ...item, ended: 'length' } : item
  const { code = 'model_garbled', text: message = '' } = body
  return { ...item, ended: code === 'cancelled' ? 'cancelled' : { code, message, hint: '' } }
}

/** That something was said here stays, so that questions and answers keep their order; what it was is gone. */
function toErasedItem(
  { call, name, phase }: FoldInput,
  known: (generation: CallId) => AssistantMessage | undefined,
): ConversationItem | null {
  const place = toolPlace(call)
  if (place === null && name === 'turn.send' && phase === 'started') return conversationItem(call, sentMessage(erasedText))
  if (place === null) return conversationItem(call, { role: 'assistant', parts: [{ type: 'text', text: erasedText }] })
  const generation = known(place.generation)
  const part = generation === undefined ? undefined : toolCallsOf(generation)[place.index]
  return part === undefined ? null : toolResult(call, part, { ok: true, text: erasedText, labels: undefined })
}

/**
 * Puts an item in its place: tool results follow their generation in the order of its calls, what was recalled stands before the
 * message that it was recalled for, all else goes to the end.
 */
export function insertItem(items: ConversationItem[], added: ConversationItem): void {
  const place = toolPlace(added.call)
  let at = items.length
  if (added.message.role === 'user' && added.message.recalled === true) at = Math.max(0, lastSaid(items))
  if (place !== null) while (at > 0 && follows(items[at - 1]!.call, added.call, place.generation)) at--
  items.splice(at, 0, added)
}

function follows(candidate: CallId, added: CallId, generation: CallId): boolean {
  const place = toolPlace(candidate)
  return place !== null && place.generation === generation && place.index > (toolPlace(added)?.index ?? 0)
}

function isFinal(phase: Phase): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}

/** Whether an entry has to be found again when the conversation is read back. Never false where `toItem` gives an item. */
export function carriesConversation({
  call,
  name,
  phase,
  body,
}: {
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  readonly body: JsonObject
}): boolean {
  if (toolPlace(call) !== null) return isFinal(phase)
  if (name === 'turn.send') return phase === 'started' || (phase === 'outcome' && body['status'] !== 'ok' && body['status'] !== 'merged')
  if (name === 'model.generate') return phase === 'outcome' && body['message'] !== undefined
  return name === recallName && phase === 'outcome' && body['status'] === 'ok' && body['text'] !== ''
}
