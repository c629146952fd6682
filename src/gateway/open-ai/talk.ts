/**
 * Conversations of programs that send all of it with each request: one that continues what this gateway has answered goes on in its
 * session, and results of tools find theirs by the ids of their calls.
 */
import { createHash } from 'node:crypto'
import { createRecentMap, type RecentMap, type SessionId } from '../../base/index.ts'
import type { ClientTools } from '../../protocol/index.ts'
import type { StartedMessage } from '../http/messages.ts'
import { keptConversations } from '../limits.ts'
import { startTurn } from './agent-turn.ts'
import type { Asking } from './asking.ts'
import { type Entry, freshOf, newestFrom, withFormat } from './conversation.ts'

/** Sessions by the conversation that they hold. */
export type Conversations = RecentMap<string, SessionId>

/** Sessions of conversations that may be continued, the most recent ones. */
export function createConversations(): Conversations {
  return createRecentMap<string, SessionId>(keptConversations)
}

export interface Talk {
  readonly entries: readonly Entry[]
  /** As the program named it. */
  readonly model: string
  readonly tools: ClientTools | undefined
  /** Of the answer, such as `json_object`. */
  readonly form?: string | undefined
}

/** @returns the started turn, and `keep`, which notes what was answered @throws OxbowError `bad_input` if nothing is there to be answered */
export async function startTalk(
  { kernel, client }: Pick<Asking, 'kernel' | 'client'>,
  conversations: Conversations,
  { entries, model, tools, form }: Talk,
): Promise<{ readonly started: StartedMessage; readonly keep: (reply: string) => void }> {
  const from = newestFrom(entries)
  // Another request that continues the same conversation differs from here on.
  const known = from === 0 ? undefined : takeKnown(conversations, keyOf(client, entries.slice(0, from)))
  const isResult = entries[from]?.role === 'result'
  const newest = withFormat(entries.slice(from), form)
  const { text, attachments, results, session } = freshOf(
    'messages',
    known === undefined && !isResult ? entries.slice(0, from) : [],
    newest,
  )
  const foreign = isResult && session === null ? freshOf('messages', entries.slice(0, from), newest) : null
  const started = await startTurn(kernel, {
    session: session ?? known ?? null,
    text: foreign?.text ?? text,
    attachments,
    model,
    client: tools,
    results,
  })
  const keep = (reply: string): void =>
    conversations.put(keyOf(client, [...entries, { role: 'assistant', text: reply, attachments: [] }]), started.session)
  return { started, keep }
}

function takeKnown(conversations: Conversations, key: string): SessionId | undefined {
  const known = conversations.get(key)
  conversations.delete(key)
  return known
}

/** By the words and the ids of calls: programs write the arguments of a call their own way. */
function keyOf(client: string, entries: readonly Entry[]): string {
  const hash = createHash('sha256').update(`${client}\n`)
  for (const entry of entries) hash.update(JSON.stringify([entry.role, 'id' in entry ? entry.id : entry.text]))
  return hash.digest('hex')
}
