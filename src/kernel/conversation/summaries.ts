/**
 * Rolling summaries: the newest one of each session, and how the next one is made. They have no table: a summary is recorded as a step of
 * the call that made it, and the session's row names that call. When two calls summarize a session at the same time, both start from the
 * same old summary, and the store accepts only the one by the call that claimed last.
 */
import { loadSummary, type Said, type Summary, type SummaryStep } from '../../memory/index.ts'
import { createMessageCounter, itemsBehind, type MessageCounter, tokensOfAll } from '../../runtime/index.ts'
import type { HistoryRow, Store } from '../../store/index.ts'
import { type CallId, createRecentMap, fenced, type JsonObject, type SessionId, unfenced } from '../../base/index.ts'
import {
  summarizeCall,
  type Caller,
  type ConversationItem,
  conversationItem,
  type Engine,
  type HeldConversation,
  type Label,
  type Message,
  type Spend,
  type SummarizeOutput,
  textOf,
  toolCallsOf,
  userMessage,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import type { Journal } from '../records/journal.ts'
import type { Sessions } from '../records/sessions.ts'
import { type Conversations, type HistoryDeps, historyPages, toItem } from './conversations.ts'

/** Upper bound of the bytes per token: at most window × this is read of a conversation. */
export const maxBytesPerToken = 6

/** Fewest messages summarized ahead of need; with fewer, a summary costs more than it saves. */
const minSummarized = 6

/** Summaries kept in memory; others are read again, one record each. */
const maxHeldSummaries = 500

/**
 * Asks a model outside of any turn, with the budgets of the caller's session; terminals do not show it as a reply. Null when there is
 * no model, it fails, or the budget does not cover it.
 * @param onSpent called with the cost
 */
export type Complete = (
  caller: Caller,
  question: { readonly system: string; readonly text: string },
  signal: AbortSignal,
  onSpent?: (spend: Spend) => void,
  id?: CallId, // After a crash, the same id returns the recorded answer.
) => Promise<string | null>

interface HeldSummary {
  readonly summary: Summary
  /** The message that a model reads. */
  readonly item: ConversationItem
}

export interface Summaries {
  read(session: SessionId): Promise<HeldSummary | null>
  /** @param maker the call that makes the summary @throws OxbowError `stale_epoch` when another call claimed later */
  roll(session: SessionId, room: number, maker: Maker): Promise<SummarizeOutput & Made>
  /** Empties the cache after bodies were erased. */
  drop(): void
  /** Changes the newest summary of a session, to remove words from it. @returns whether it changed */
  rewrite(session: SessionId, change: (summary: Summary) => Summary, maker: Omit<Maker, 'signal' | 'overflows'>): Promise<boolean>
}

interface Maker {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal
  /** True when the window overflows: then even a single message is summarized. */
  readonly overflows: boolean
}

interface Made {
  readonly messages: number
  readonly by: Summary['by'] | 'nobody'
}

export interface SummaryDeps extends HistoryDeps {
  readonly store: Store
  readonly journal: Journal
  readonly sessions: Sessions
  readonly config: Config['memory']['summary']
  readonly engine: Pick<Engine, 'countTokens' | 'model'>
  /** Asks the model that writes summaries. */
  readonly complete: Complete
}

const nothing: SummarizeOutput & Made = { summary: null, through: '', messages: 0, by: 'nobody' }

export function createSummaries(deps: SummaryDeps): Summaries {
  const { store, sessions, engine } = deps
  const counter = createMessageCounter(engine.countTokens)
  const stored = createSummaryStore(deps)
  const running = new Map<SessionId, Promise<SummarizeOutput & Made>>()

  const roll = async (session: SessionId, room: number, maker: Maker): Promise<SummarizeOutput & Made> => {
    const { emptySummary, makeSummary, stepsToLeave, summaryTokens } = await loadSummary()
    const epoch = await claim(store, session, maker.id)
    await deps.journal.flushed()
    const before = (await stored.read(session))?.summary ?? emptySummary
    const { steps, complete } = await readSteps({ ...deps, counter }, session, before.upto, engine.model.contextTokens * maxBytesPerToken)
    const leaving = steps.slice(0, stepsToLeave(steps, room * deps.config.target_ratio - summaryTokens(room)))
    const messages = leaving.reduce((sum, { said }) => sum + said.length, 0)
    if (messages < (maker.overflows ? 1 : minSummarized)) return nothing
    const started = complete ? before : { ...before, ranges: [...before.ranges, unread(before, leaving[0]!.from)] }
    const made = await makeSummary(started, leaving, room, {
      ask: (question) => deps.complete(maker.caller, question, maker.signal),
      fence: (text) => fenced(text, maker.id),
    })
    const { item } = await stored.write(session, maker, epoch, made)
    return { summary: item, through: made.through, messages, by: made.by }
  }
  return {
    read: stored.read,
    drop: stored.drop,
    roll(session, room, maker) {
      // A request during a run shares its result.
      const making = running.get(session)
      if (making !== undefined) return unlessStopped(making, maker.signal)
      const own = roll(session, room, maker).finally(() => running.delete(session))
      running.set(session, own)
      return own
    },
    async rewrite(session, change, maker) {
      await sessions.load(session)
      const epoch = await claim(store, session, maker.id)
      const before = (await stored.read(session))?.summary ?? stored.dropped(session)
      const after = before === undefined ? before : change(before)
      if (before === undefined || after === undefined || after === before) return false
      await stored.write(session, maker, epoch, { ...after, epoch: before.epoch + 1 })
      return true
    },
  }
}

interface SummaryStore extends Pick<Summaries, 'read' | 'drop'> {
  /** The summary cached before the last `drop`. Its record may be erased, but the rest of its text is worth keeping. */
  dropped(session: SessionId): Summary | undefined
  write(session: SessionId, maker: Pick<Maker, 'id' | 'caller'>, epoch: number, summary: Summary): Promise<HeldSummary>
}

/** Summaries in the journal, with a cache of the newest one of some sessions. */
function createSummaryStore({ store, sessions, journal }: SummaryDeps): SummaryStore {
  const held = createRecentMap<SessionId, HeldSummary & { readonly call: CallId }>(maxHeldSummaries)
  const before = createRecentMap<SessionId, Summary>(maxHeldSummaries)
  let drops = 0

  const keep = async (session: SessionId, call: CallId, summary: Summary): Promise<HeldSummary> => {
    const { describeSummary } = await loadSummary()
    const kept = { summary, item: conversationItem(call, userMessage(describeSummary(summary, call))), call }
    held.put(session, kept)
    return kept
  }
  const readCold = async (session: SessionId, call: CallId): Promise<HeldSummary | null> => {
    const dropsBefore = drops
    await journal.flushed()
    const [record] = await store.records({ call, phases: ['exchange'], order: 'newest_first', limit: 1, hydrate: true })
    const { readSummary } = await loadSummary()
    // The record may have been erased or superseded after it was read.
    if (drops !== dropsBefore || sessions.summary(session) !== call) return read(session)
    const summary = readSummary(record === undefined ? null : JSON.parse(record.body))
    // An erased summary replaces nothing: the originals are read again, as far as they still exist.
    return summary === null ? null : keep(session, call, summary)
  }
  const read: SummaryStore['read'] = async (session) => {
    const call = sessions.summary(session)
    if (call === '') return null
    const cached = held.get(session)
    return cached?.call === call ? cached : readCold(session, call)
  }
  return {
    read,
    drop() {
      drops += 1
      for (const [session, { summary }] of held.entries()) before.put(session, summary)
      held.clear()
    },
    dropped: (session) => before.get(session),
    async write(session, { id, caller }, epoch, summary) {
      const body = summary as unknown as JsonObject
      const entry = { caller: { ...caller, session }, call: id, name: summarizeCall, phase: 'exchange' as const, body }
      try {
        await journal.append([entry], { fence: { session: laneOf(session), epoch } })
      } catch (error) {
        sessions.forget(session)
        await sessions.load(session)
        throw error
      }
      before.delete(session)
      return keep(session, id, summary)
    },
  }
}

/** Stops waiting on the signal; the run itself continues for the others. */
function unlessStopped<T>(making: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  return Promise.race([making, stopped.promise]).finally(() => signal.removeEventListener('abort', stop))
}

/** The lane of a session's summary. Only its epoch counts, which fences concurrent calls; it is never held. */
const laneOf = (session: SessionId): SessionId => `summary:${session}` as SessionId

async function claim(store: Store, session: SessionId, owner: CallId): Promise<number> {
  return (await store.claimLane(laneOf(session), owner, 0)) ?? 0
}

/** @returns a range for the messages before the oldest that was read; they are not counted */
function unread({ upto }: Summary, first: number): Summary['ranges'][number] {
  return { from: upto + 1, to: Math.max(upto + 1, first - 1), messages: 0, about: 'earlier, never summarized' }
}

interface ReadSteps {
  /** Oldest first. */
  readonly steps: readonly SummaryStep[]
  /** False when older steps were not read; no summary contains them. */
  readonly complete: boolean
}

interface OpenStep {
  from: number
  to: number
  through: CallId
  readonly said: Said[]
  readonly messages: Message[]
  readonly labels: Set<Label>
}

/**
 * Reads the messages after a summary, as steps that leave the window together: a message, or a generation with its results.
 * @param since only rows with a larger seq @param maxBytes approximate limit; older rows are not read
 */
async function readSteps(
  deps: HistoryDeps & { readonly counter: MessageCounter },
  session: SessionId,
  since: number,
  maxBytes: number,
): Promise<ReadSteps> {
  const rows: HistoryRow[] = []
  let bytes = 0
  let complete = true
  read: for await (const page of historyPages(deps, session)) {
    for (const row of page) {
      if (row.seq <= since) break read
      if (bytes > maxBytes) {
        complete = false
        break read
      }
      rows.push(row)
      bytes += row.body.length
    }
  }
  const open = stepsOf(rows.reverse())
  await deps.counter.count(open.flatMap(({ messages }) => messages))
  const steps = open.map(({ messages, labels, ...step }) => ({
    ...step,
    labels: [...labels].sort(),
    tokens: tokensOfAll(messages, deps.counter),
  }))
  return { steps, complete }
}

function stepsOf(rows: readonly HistoryRow[]): readonly OpenStep[] {
  const steps: OpenStep[] = []
  const generations = new Map<CallId, Message>()
  for (const row of rows) {
    const body = JSON.parse(row.body) as { readonly labels?: readonly Label[] }
    const item = toItem({ ...row, body }, (call) => {
      const message = generations.get(call)
      return message?.role === 'assistant' ? message : undefined
    })
    if (item === null) continue
    generations.set(item.call, item.message)
    const last = steps.at(-1)
    // The notice of a failed turn has the same call as its message: they stay in one step, so that a call names one position.
    const belongs = last !== undefined && (item.message.role === 'tool' || item.call === last.through)
    const step = belongs ? last : { from: row.seq, to: row.seq, through: item.call, said: [], messages: [], labels: new Set<Label>() }
    if (!belongs) steps.push(step)
    step.to = Math.max(step.to, row.seq)
    step.through = item.call
    step.said.push({ seq: row.seq, ...speakerAndText(item) })
    step.messages.push(item.message)
    for (const label of body.labels ?? []) step.labels.add(label)
  }
  return steps
}

/** @returns recalled text without its first line and its fence; it counts as a tool's, because anybody may have written it */
function recalledText(text: string): string {
  return unfenced(text.slice(text.indexOf('\n') + 1))
}

export function speakerAndText({ message }: Pick<ConversationItem, 'message'>): Pick<Said, 'who' | 'text'> {
  if (message.role === 'tool') return { who: 'tool', text: `${message.parts[0].name}: ${unfenced(message.parts[0].text)}` }
  if (message.role === 'user' && message.recalled === true) return { who: 'tool', text: `memory_recall: ${recalledText(textOf(message))}` }
  if (message.role === 'user') return { who: 'person', text: textOf(message) }
  const calls = toolCallsOf(message).map(({ name, arguments: args }) => `[${name} ${args}]`)
  return { who: 'agent', text: [textOf(message), ...calls].filter((part) => part !== '').join('\n') }
}

interface ConversationDeps {
  readonly conversations: Pick<Conversations, 'read'>
  readonly summaries: Pick<Summaries, 'read'>
  readonly sessions: Pick<Sessions, 'read'>
  /** Window of the model. */
  readonly contextTokens: number
}

/** @returns a function that reads the conversation of a turn as the window can hold it; whoever reads it has read what its summary covers */
export function createConversationOf({ conversations, summaries, sessions, contextTokens }: ConversationDeps) {
  return async (caller: Caller): Promise<HeldConversation> => {
    const session = caller.session as SessionId
    const held = await summaries.read(session)
    const items = await conversations.read(session, contextTokens * maxBytesPerToken, held?.summary.upto)
    if (held === null) return { items, summary: null }
    sessions.read(caller, held.summary.labels, [])
    return { items: itemsBehind(items, held.summary.through), summary: held.item }
  }
}
