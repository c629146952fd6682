/**
 * Decides which journal records are messages: what a person sent and the agent's final reply. Text between tool calls and tool results
 * are not; a document enters memory when it is ingested.
 */
import { parseErased, parseReference, type Store } from '../../store/index.ts'
import { type CallId, isObject, type JsonObject } from '../../base/index.ts'
import { isGeneration, type JournalRecord, type Label, readStep, textOfAnswer, turnCall } from '../../protocol/index.ts'
import { maxMessageCharacters } from './keep-limits.ts'
import { withoutSecrets } from './note-rules.ts'

export interface SaidMessage {
  readonly id: string
  readonly author: 'user' | 'agent'
  readonly text: string
  readonly record: JournalRecord
}

type Named = Pick<JournalRecord, 'name' | 'phase'>

/** Whether the body of a record is needed; the others are not read. */
export function mayMatter({ name, phase }: Named): boolean {
  if (name === turnCall) return phase === 'intent' || phase === 'started' || phase === 'outcome' || phase === 'reconciled'
  if (isGeneration({ name })) return phase === 'intent' || phase === 'outcome'
  return false
}

/** @param body parsed body of the record. @returns null when the record is not a message. */
export function saidIn(record: JournalRecord, body: JsonObject): SaidMessage | null {
  const said = (author: SaidMessage['author'], text: unknown): SaidMessage | null => {
    if (typeof text !== 'string' || text.trim() === '' || record.session === '') return null
    return { id: messageId(record.call, author), author, text: withoutSecrets(text.slice(0, maxMessageCharacters)), record }
  }
  const step = readStep({ ...record, body })
  if (step?.kind === 'taken') return step.message.continues ? null : said('user', step.message.text)
  if (step?.kind === 'ended') {
    // Replies of the model are recorded by `model.generate`; this one was written without a model.
    const isOwn = step.end.status === 'ok' || step.end.status === 'merged'
    return isOwn ? null : said('agent', step.end.reply)
  }
  if (step?.kind !== 'answered' || step.answer.parts.some(({ type }) => type === 'tool_call')) return null
  return said('agent', textOfAnswer(step.answer))
}

/** One call can have two messages: the one sent, and a reply without a model. */
export function messageId(call: CallId, author: SaidMessage['author']): string {
  return `message:${call}${author === 'agent' ? ':reply' : ''}`
}

/** Labels of the caller's context when the call began. */
export function heldLabels(body: JsonObject): readonly Label[] {
  const labels = body['labels']
  return Array.isArray(labels) ? labels.filter((label): label is Label => label === 'untrusted' || label === 'private') : []
}

/** @returns null for an erased or invalid body. */
export async function bodyOf(store: Pick<Store, 'blob'>, { body }: Pick<JournalRecord, 'body'>): Promise<JsonObject | null> {
  if (parseErased(body) !== null) return null
  const kept = parseReference(body)
  const bytes = kept === null ? null : await store.blob(kept.blob)
  const text = kept === null ? body : bytes === null ? '' : Buffer.from(bytes).toString()
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
