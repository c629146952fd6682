/**
 * Warm conversations: the newest part of each session's history, kept as long as memory allows, so that a turn reads
 * nothing back and old messages keep their identity (and with it their cached wire form and token count).
 */
import { type AssistantMessage, type CallId, type ConversationItem, createRecentMap, type SessionId } from '../../types/index.ts'
import { maxWarmBytes } from '../limits.ts'
import { type FoldInput, insertItem, toItem } from './fold.ts'
import { type HistoryDeps, historyPages } from './history-pages.ts'

export interface Conversations {
  /**
   * The newest items of a session that a window of `maxBytes` can need, oldest first. Reads only what is not warm, and nothing
   * that stands at `since` or before, but for what the person asked last.
   */
  read(session: SessionId, maxBytes: number, since?: number): Promise<readonly ConversationItem[]>
  /** A session that was made just now has nothing to be read back. */
  fresh(session: SessionId): void
  /** Folds a record that was appended just now. Cold sessions are left cold. */
  observe(record: FoldInput & { readonly session: SessionId | '' }): void
  /** Bodies were erased: what is warm may be among them and is read anew. */
  drop(): void
}

/** What a warm session costs beside its items, and an item beside its text: objects, and the cached wire form. Measured. */
const overheadBytes = 1_000
const itemBytes = 500

interface Warm {
  items: ConversationItem[]
  bytes: number
  /** False when older items exist that are not held. */
  complete: boolean
}

export function createConversations(history: HistoryDeps, flushed: () => Promise<void>): Conversations {
  const warm = createRecentMap<SessionId, Warm>(maxWarmBytes, ({ bytes, items }) => bytes + items.length * itemBytes + overheadBytes)
  let drops = 0
  const read: Conversations['read'] = async (session, maxBytes, since = 0) => {
    const held = warm.get(session)
    const isWarm = held !== undefined && (held.complete || held.bytes >= maxBytes)
    const before = drops
    const found = isWarm ? held : await flushed().then(() => load(history, session, maxBytes, since))
    // What was read may be erased by now.
    if (drops !== before) return read(session, maxBytes, since)
    trim(found, maxBytes)
    warm.put(session, found)
    return found.items
  }
  return {
    read,
    drop() {
      drops += 1
      warm.clear()
    },
    fresh: (session) => warm.put(session, { items: [], bytes: 0, complete: true }),
    observe(record) {
      const { session } = record
      const held = session === '' ? undefined : warm.get(session)
      if (session === '' || held === undefined) return
      const item = toItem(record, (generation) => findGeneration(held.items, generation))
      if (item === null) return
      insertItem(held.items, item)
      held.bytes += item.bytes
      warm.put(session, held)
    },
  }
}

async function load(history: HistoryDeps, session: SessionId, maxBytes: number, since: number): Promise<Warm> {
  const rows: FoldInput[] = []
  let bytes = 0
  let asked = false
  let complete = true
  read: for await (const page of historyPages(history, session)) {
    for (const row of page) {
      if (row.seq <= since && asked) break read
      rows.push({ ...row, body: JSON.parse(row.body) })
      bytes += row.body.length
      asked ||= row.name === 'turn.send' && row.phase === 'started'
    }
    complete = bytes < maxBytes
    if (!complete) break
  }
  const items: ConversationItem[] = []
  for (const row of rows.reverse()) {
    const item = toItem(row, (generation) => findGeneration(items, generation))
    if (item !== null) insertItem(items, item)
  }
  return { items, bytes: items.reduce((sum, item) => sum + item.bytes, 0), complete }
}

/** Forgets what no window will need again, in one cut at twice the need, so that trimming is rare. */
function trim(conversation: Warm, maxBytes: number): void {
  if (conversation.bytes <= maxBytes * 2) return
  let drop = 0
  // What the person said last stays, however much came after it: without it the model does not know what it is doing.
  const task = conversation.items.findLastIndex(({ message }) => message.role === 'user')
  const most = task < 0 ? conversation.items.length - 1 : task
  while (conversation.bytes > maxBytes && drop < most) conversation.bytes -= conversation.items[drop++]!.bytes
  conversation.items.splice(0, drop)
  conversation.complete = false
}

function findGeneration(items: readonly ConversationItem[], generation: CallId): AssistantMessage | undefined {
  // Tool results come right after their generation: a short walk from the end.
  for (let i = items.length - 1; i >= 0; i--) {
    const { call, message } = items[i]!
    if (call === generation) return message.role === 'assistant' ? message : undefined
  }
  return undefined
}
