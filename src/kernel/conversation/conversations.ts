/**
 * Conversations, built as a fold over journal records. The same function folds live records and rows read back from the store. The newest
 * part of each session is cached up to a memory limit, so that a turn usually reads nothing, and so that messages stay the same objects,
 * which keeps their cached wire form and token count valid.
 *
 * Each item has the id of its call. The id of a tool call is its generation's id, a dot and its index, which gives a result its position.
 */
import type { HistoryRow, Store } from '../../store/index.ts'
import { type CallId, createRecentMap, type Failure, type JsonObject, type SessionId } from '../../base/index.ts'
import {
  recallCall,
  type AssistantMessage,
  type Attachment,
  type Call,
  type ConversationItem,
  conversationItem,
  erasedText,
  isErased,
  isGeneration,
  isTaken,
  isTurn,
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
  turnCall,
  userMessage,
} from '../../protocol/index.ts'

/** Bytes of all cached conversations; evicted ones are read again when needed. */
const maxWarmBytes: number = 24 * 1024 * 1024

/** Idle sessions whose conversation stays cached, and how long: a turn after that reads it from the journal, in some milliseconds. */
const maxWarmIdle = 50

const warmIdleMs: number = 30 * 60_000

/** How often idle sessions are looked for. */
const idleSweepMs = 60_000

/** Rows read at once when a conversation is read back. The first page is shorter: a full window or a summary often needs no more. */
export const historyPage = 200

const firstHistoryPage = 32

/** Forks between a session and its first ancestor. */
export const maxForkDepth = 16

export interface Conversations {
  /**
   * The newest items of a session that a window of `maxBytes` can need, oldest first. Reads only what is not cached, and nothing at or
   * before `since`, except the user's last message.
   */
  read(session: SessionId, maxBytes: number, since?: number): Promise<readonly ConversationItem[]>
  /** Folds an entry that was just appended. Sessions that are not cached stay so, except new ones, which have no history to read. */
  observe(record: FoldInput & { readonly session: SessionId | ''; readonly projection?: Call['projection'] }): void
  /** @returns the newest item of a call; undefined when it is not cached */
  itemOf(session: SessionId, call: CallId): ConversationItem | undefined
  /** Empties the cache after bodies were erased. */
  drop(): void
  /** Drops what is cached of sessions that are idle; their next turn reads it again. @returns how many stay */
  dropIdle(idle: IdleRules): number
  /** Calls `dropIdle` at intervals from now on, while anything is cached. */
  sweep(isBusy: IdleRules['isBusy']): void
  /** Stops the sweep and drops everything: a timer would keep the kernel in memory. */
  close(): void
}

interface IdleRules {
  /** Sessions that were not used for longer are dropped. */
  readonly idleMs: number
  /** Of the others, at most this many stay: the most recently used. */
  readonly maxIdle: number
  /** Whether it is used now. Such a session stays. */
  readonly isBusy: (session: SessionId) => boolean
}

/** Measured overhead of a cached session, and of an item without its text: objects and the cached wire form. */
const overheadBytes = 1_000
const itemBytes = 500

interface Warm {
  items: ConversationItem[]
  bytes: number
  /** False when older items exist that are not cached. */
  complete: boolean
  /** Milliseconds of the monotonic clock. */
  usedAt: number
}

export function createConversations(history: HistoryDeps, flushed: () => Promise<void>, now: () => number): Conversations {
  const warm = createRecentMap<SessionId, Warm>(maxWarmBytes, ({ bytes, items }) => bytes + items.length * itemBytes + overheadBytes)
  let drops = 0
  let sweepLater = (): void => {}
  let timer: NodeJS.Timeout | undefined
  const read: Conversations['read'] = async (session, maxBytes, since = 0) => {
    const held = warm.get(session)
    const isWarm = held !== undefined && (held.complete || held.bytes >= maxBytes)
    const before = drops
    const found = isWarm ? held : await flushed().then(() => load(history, session, maxBytes, since))
    // A body may have been erased after it was read.
    if (drops !== before) return read(session, maxBytes, since)
    trim(found, maxBytes)
    found.usedAt = now()
    warm.put(session, found)
    sweepLater()
    return found.items
  }
  const dropIdle: Conversations['dropIdle'] = ({ idleMs, maxIdle, isBusy }) => {
    const all = [...warm.entries()]
    // Least recently used first.
    const idle = all.filter(([session]) => !isBusy(session))
    const dropped = idle.filter(([, { usedAt }], place) => usedAt < now() - idleMs || place < idle.length - maxIdle)
    for (const [session] of dropped) warm.delete(session)
    return all.length - dropped.length
  }
  return {
    read,
    drop() {
      drops += 1
      warm.clear()
    },
    observe(record) {
      const { session } = record
      const created = record.projection === 'new_session' ? createdSession(record.body) : null
      if (created !== null) return warm.put(created, { items: [], bytes: 0, complete: true, usedAt: now() })
      const held = session === '' ? undefined : warm.get(session)
      if (session === '' || held === undefined) return
      const item = toItem(record, (generation) => findGeneration(held.items, generation))
      if (item === null) return
      insertItem(held.items, item, anchorOf(record))
      held.bytes += item.bytes
      held.usedAt = now()
      warm.put(session, held)
    },
    itemOf: (session, call) => warm.get(session)?.items.findLast((item) => item.call === call),
    dropIdle,
    sweep(isBusy) {
      sweepLater = () => {
        timer ??= setTimeout(() => {
          timer = undefined
          if (dropIdle({ idleMs: warmIdleMs, maxIdle: maxWarmIdle, isBusy }) > 0) sweepLater()
        }, idleSweepMs).unref()
      }
    },
    close() {
      sweepLater = () => {}
      clearTimeout(timer)
      warm.clear()
    },
  }
}

function createdSession(body: unknown): SessionId | null {
  const { status, id } = body as { readonly status?: string; readonly id?: SessionId }
  return status === 'ok' && id !== undefined ? id : null
}

async function load(history: HistoryDeps, session: SessionId, maxBytes: number, since: number): Promise<Warm> {
  const rows: FoldInput[] = []
  let bytes = 0
  let hasUserMessage = false
  let complete = true
  read: for await (const page of historyPages(history, session)) {
    for (const row of page) {
      if (row.seq <= since && hasUserMessage) break read
      const body = JSON.parse(row.body) as { readonly continues?: boolean }
      rows.push({ ...row, body })
      bytes += row.body.length
      hasUserMessage ||= isTaken(row) && body.continues !== true
    }
    complete = bytes < maxBytes
    if (!complete) break
  }
  const items: ConversationItem[] = []
  for (const row of rows.reverse()) {
    const item = toItem(row, (generation) => findGeneration(items, generation))
    if (item !== null) insertItem(items, item, anchorOf(row))
  }
  return { items, bytes: items.reduce((sum, item) => sum + item.bytes, 0), complete, usedAt: 0 }
}

/** Drops the oldest items once there are twice as many as a window needs, so that trimming is rare. */
function trim(conversation: Warm, maxBytes: number): void {
  if (conversation.bytes <= maxBytes * 2) return
  let drop = 0
  // The user's last message always stays: without it the model does not know its task.
  const task = conversation.items.findLastIndex(({ message }) => message.role === 'user')
  const maxDropped = task < 0 ? conversation.items.length - 1 : task
  while (conversation.bytes > maxBytes && drop < maxDropped) conversation.bytes -= conversation.items[drop++]!.bytes
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

/** The call that recalls memories before a turn. */
const recallName = recallCall

interface FoldInput {
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  readonly body: unknown
}

/** @param generationOf finds a generation by call id @returns the item that a record adds, or null if it adds none */
export function toItem(record: FoldInput, generationOf: (generation: CallId) => AssistantMessage | undefined): ConversationItem | null {
  const body = record.body as Partial<Record<'text' | 'reply' | 'status' | 'finish', string>> & {
    code?: Failure['code']
    message?: Message
    ok?: boolean
    continues?: boolean
    labels?: readonly Label[]
    attachments?: readonly Attachment[]
    files?: readonly KeptFile[]
  }
  // A tool call is recognized by its id, never by its name, because a model may use any name.
  const place = toolPlace(record.call)
  if (place === null && record.name === recallName) return body.status === 'ok' && body.text ? recalledItem(record.call, body.text) : null
  if (isErased(record.body)) return toErasedItem(record, generationOf)
  if (place === null && isTurn(record)) {
    if (record.phase === 'started')
      return body.continues === true
        ? null
        : conversationItem(record.call, sentMessage(body.text ?? '', body.attachments ?? [], record.call))
    // When a turn ends without an answer of the model, the notice shown to the person becomes part of the conversation.
    if (record.phase === 'outcome' && body.status !== 'ok' && body.status !== 'merged' && body.reply)
      return conversationItem(record.call, { role: 'assistant', parts: [{ type: 'text', text: body.reply }] })
    return null
  }
  if (place !== null) {
    const generation = generationOf(place.generation)
    const part = generation === undefined ? undefined : toolCallsOf(generation)[place.index]
    if (part === undefined || !isFinal(record.phase)) return null
    const ok = body.status === 'ok' && body.ok !== false
    return toolResult(record.call, part, { ok, text: body.text ?? '', labels: body.labels, files: filesIn(body.files) })
  }
  if (!isGeneration(record) || record.phase !== 'outcome' || body.message === undefined) return null
  const item = conversationItem(record.call, body.message)
  if (body.status === 'ok') return body.finish === 'length' ? { ...item, ended: 'length' } : item
  const { code = 'model_garbled', text: message = '' } = body
  return { ...item, ended: code === 'cancelled' ? 'cancelled' : { code, message, hint: '' } }
}

/** An erased message stays as a placeholder, so that questions and answers keep their order. */
function toErasedItem(
  { call, name, phase }: FoldInput,
  generationOf: (generation: CallId) => AssistantMessage | undefined,
): ConversationItem | null {
  const place = toolPlace(call)
  if (place === null && isTaken({ name, phase })) return conversationItem(call, userMessage(erasedText))
  if (place === null) return conversationItem(call, { role: 'assistant', parts: [{ type: 'text', text: erasedText }] })
  const generation = generationOf(place.generation)
  const part = generation === undefined ? undefined : toolCallsOf(generation)[place.index]
  return part === undefined ? null : toolResult(call, part, { ok: true, text: erasedText, labels: undefined })
}

/**
 * Inserts an item: tool results follow their generation in the order of its calls, a recalled item precedes the message that it was
 * recalled for, everything else goes to the end.
 */
function insertItem(items: ConversationItem[], added: ConversationItem, anchor: CallId | null): void {
  const place = toolPlace(added.call)
  let at = items.length
  if (added.message.role === 'user' && added.message.recalled === true) {
    // The message is missing if only the end of the conversation was read.
    at = Math.max(0, anchor === null ? lastSaid(items) : items.findLastIndex(({ call }) => call === anchor))
  }
  // A program may return a result just as another message arrives.
  if (place !== null) at = 1 + items.findLastIndex(({ call }) => call === place.generation || precedes(call, added.call, place.generation))
  items.splice(at, 0, added)
}

/** @returns the message that a recalled item precedes; null for any other record, and for records of older versions */
function anchorOf({ name, body }: FoldInput): CallId | null {
  if (name !== recallName) return null
  const { before } = body as { readonly before?: unknown }
  return typeof before === 'string' ? (before as CallId) : null
}

function precedes(candidate: CallId, added: CallId, generation: CallId): boolean {
  const place = toolPlace(candidate)
  return place !== null && place.generation === generation && place.index < (toolPlace(added)?.index ?? 0)
}

function isFinal(phase: Phase): boolean {
  return phase === 'outcome' || phase === 'refused' || phase === 'reconciled'
}

/** @returns whether an entry belongs to the stored history of its conversation; true whenever `toItem` returns an item */
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
  if (name === turnCall) return phase === 'started' || (phase === 'outcome' && body['status'] !== 'ok' && body['status'] !== 'merged')
  if (isGeneration({ name })) return phase === 'outcome' && body['message'] !== undefined
  return name === recallName && phase === 'outcome' && body['status'] === 'ok' && body['text'] !== ''
}

/** A call may record a field of this name that does not hold the files a result shows, such as a count. */
function filesIn(files: unknown): readonly KeptFile[] | undefined {
  return Array.isArray(files) ? (files as readonly KeptFile[]) : undefined
}

/** Where a forked session's history continues: in `parent`, from `forked` downwards. */
type Lineage = (session: SessionId) => Promise<{ readonly parent: SessionId | ''; readonly forked: number }>

export interface HistoryDeps {
  readonly store: Pick<Store, 'history'>
  readonly sessions: { readonly load: Lineage }
}

/**
 * A session's history in the store, newest first: its own records, then the records of the session it was forked from.
 * @param before only rows with a smaller seq; null: all rows @returns pages that are never empty
 */
export async function* historyPages(
  { store, sessions }: HistoryDeps,
  session: SessionId,
  before: number | null = null,
): AsyncGenerator<readonly HistoryRow[]> {
  let [from, below]: [SessionId, number | null] = [session, before]
  let rows = firstHistoryPage
  for (let depth = 0; depth <= maxForkDepth; depth++) {
    for (;;) {
      const page = await store.history(from, below, rows)
      if (page.length > 0) yield page
      below = page.at(-1)?.seq ?? below
      if (page.length < rows) break
      rows = historyPage
    }
    const { parent, forked } = await sessions.load(from)
    if (parent === '') return
    from = parent
    below = Math.min(below ?? Infinity, forked + 1)
  }
}
