/**
 * Rolling summaries: the newest of each session, and the making of the next. There is no table of them: a summary is a step of the
 * call that made it, and the session's row names that call. Two that make one at the same time both read the same old one; the
 * store takes only that of whoever claimed last.
 */
import { loadSummary, type Said, type Summary, type SummaryStep } from '../../memory/index.ts'
import { createMessageCounter, type MessageCounter, type SummarizeOutput, tokensOfAll } from '../../runtime/index.ts'
import type { HistoryRow, Store } from '../../store/index.ts'
import {
  type Caller,
  type CallId,
  type Config,
  type ConversationItem,
  conversationItem,
  createRecentMap,
  type Engine,
  fenced,
  type JsonObject,
  type Label,
  type Message,
  type SessionId,
  textOf,
  toolCallsOf,
  unfenced,
  userMessage,
} from '../../types/index.ts'
import type { Journal } from '../journal.ts'
import { maxBytesPerToken, maxHeldSummaries } from '../limits.ts'
import type { Complete } from '../background.ts'
import type { Sessions } from '../sessions.ts'
import { type HistoryDeps, historyPages, toItem } from './conversations.ts'

interface HeldSummary {
  readonly summary: Summary
  /** As a model reads it. */
  readonly item: ConversationItem
}

export interface Summaries {
  /** A promise only when it has to be read. */
  read(session: SessionId): HeldSummary | null | Promise<HeldSummary | null>
  /** @param asked the call that makes it. @throws OxbowError `stale_epoch` when another one was faster */
  roll(session: SessionId, room: number, asked: Asked): Promise<SummarizeOutput & Made>
  /** Bodies were erased: what is held may be among them. */
  drop(): void
  /** Takes words out of the newest summary of a session. @returns whether there was something to take out */
  rewrite(session: SessionId, change: (summary: Summary) => Summary, asked: Omit<Asked, 'signal' | 'overflows'>): Promise<boolean>
}

interface Asked {
  readonly id: CallId
  readonly caller: Caller
  readonly signal: AbortSignal
  /** The window is over: also a little is summed up. */
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
  const shelf = createShelf(deps)
  const running = new Map<SessionId, Promise<SummarizeOutput & Made>>()

  const roll = async (session: SessionId, room: number, asked: Asked): Promise<SummarizeOutput & Made> => {
    const { emptySummary, makeSummary, stepsToLeave, summaryTokens } = await loadSummary()
    const epoch = await claim(store, session, asked.id)
    await deps.journal.flushed()
    const before = (await shelf.read(session))?.summary ?? emptySummary
    const { steps, complete } = await readSteps({ ...deps, counter }, session, before.upto, engine.model.contextTokens * maxBytesPerToken)
    const leaving = steps.slice(0, stepsToLeave(steps, room * deps.config.target_ratio - summaryTokens(room)))
    const messages = leaving.reduce((sum, { said }) => sum + said.length, 0)
    if (messages < (asked.overflows ? 1 : deps.config.min_turns)) return nothing
    const started = complete ? before : { ...before, ranges: [...before.ranges, unread(before, leaving[0]!.from)] }
    const made = await makeSummary(started, leaving, room, {
      ask: (question) => deps.complete(asked.caller, question, asked.signal),
      fence: (text) => fenced(text, asked.id),
    })
    const { item } = await shelf.write(session, asked, epoch, made)
    return { summary: item, through: made.through, messages, by: made.by }
  }
  return {
    read: shelf.read,
    drop: shelf.drop,
    roll(session, room, asked) {
      // Whoever asks while one is made gets that one.
      const making = running.get(session)
      if (making !== undefined) return unlessStopped(making, asked.signal)
      const own = roll(session, room, asked).finally(() => running.delete(session))
      running.set(session, own)
      return own
    },
    async rewrite(session, change, asked) {
      await sessions.load(session)
      const epoch = await claim(store, session, asked.id)
      const before = (await shelf.read(session))?.summary ?? shelf.dropped(session)
      const after = before === undefined ? before : change(before)
      if (before === undefined || after === undefined || after === before) return false
      await shelf.write(session, asked, epoch, { ...after, epoch: before.epoch + 1 })
      return true
    },
  }
}

interface Shelf extends Pick<Summaries, 'read' | 'drop'> {
  /** What was held before the last `drop`: its record may be erased, and what was not forgotten of it is worth keeping. */
  dropped(session: SessionId): Summary | undefined
  write(session: SessionId, asked: Pick<Asked, 'id' | 'caller'>, epoch: number, summary: Summary): Promise<HeldSummary>
}

/** Summaries as they are kept: in the journal, and the newest of some sessions in memory. */
function createShelf({ store, sessions, journal }: SummaryDeps): Shelf {
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
    const asked = drops
    await journal.flushed()
    const [record] = await store.records({ call, phases: ['exchange'], order: 'newest_first', limit: 1, hydrate: true })
    const { readSummary } = await loadSummary()
    // What was read may be erased by now, or not be the newest any more.
    if (drops !== asked || sessions.summary(session) !== call) return read(session)
    const summary = readSummary(record === undefined ? null : JSON.parse(record.body))
    // One that was erased stands for nothing any more: its originals are read again, as far as they are there.
    return summary === null ? null : keep(session, call, summary)
  }
  const read: Shelf['read'] = (session) => {
    const call = sessions.summary(session)
    if (call === '') return null
    const known = held.get(session)
    return known?.call === call ? known : readCold(session, call)
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
      const entry = { caller: { ...caller, session }, call: id, name: 'session.summarize', phase: 'exchange' as const, body }
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

/** What another one is making does not stop by this signal. */
function unlessStopped<T>(making: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(signal.reason)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  return Promise.race([making, stopped.promise]).finally(() => signal.removeEventListener('abort', stop))
}

/** The lane of a session's summary: its epoch is what two makers compare. Nobody holds it. */
const laneOf = (session: SessionId): SessionId => `summary:${session}` as SessionId

async function claim(store: Store, session: SessionId, owner: CallId): Promise<number> {
  return (await store.claimLane(laneOf(session), owner, 0)) ?? 0
}

/** What was said before the oldest that was read; nobody counts it. */
function unread({ upto }: Summary, first: number): Summary['ranges'][number] {
  return { from: upto + 1, to: Math.max(upto + 1, first - 1), messages: 0, about: 'earlier, never summed up' }
}

/** Reads what stands behind a summary, as steps that can leave the window: a message, or a generation with its results. */

interface ReadSteps {
  /** Oldest first. */
  readonly steps: readonly SummaryStep[]
  /** False when older ones were not read: they never were in a summary. */
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

/** @param since seq that all are above. @param maxBytes what is read, about; older ones are left unread */
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
    // What a turn said as it failed has the call of the message: they leave together, so that a call names one place.
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

/** What memory has found may be by anybody: without the line before its fence, and without the fence. */
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
