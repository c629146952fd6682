/** Runs a session, a turn or the first steps of one again, and names the first divergence. */
import {
  changesScratchpad,
  type Core,
  createConversations,
  createRunningTurns,
  createScratchpads,
  maxBytesPerToken,
} from '../../kernel/index.ts'
import { loadSummary } from '../../memory/index.ts'
import { itemsBehind } from '../../runtime/index.ts'
import { type CallId, type Json, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Caller,
  conversationItem,
  type ConversationItem,
  type ExchangeReader,
  type HeldConversation,
  isErased,
  isGeneration,
  type RecordedAsk,
  summarizeCall,
  userMessage,
} from '../../protocol/index.ts'
import type { ModelRequests } from '../models/service.ts'
import type { Divergence } from './compare-run.ts'
import { lineageOf } from './diff-runs.ts'
import { type ReadRecord, readTurns, type RecordedTurn } from './recorded-turns.ts'
import { createRunAgain } from './run-again.ts'

export interface ReplayDeps extends Pick<
  Core,
  | 'agentWith'
  | 'registry'
  | 'engine'
  | 'sandbox'
  | 'store'
  | 'profileOf'
  | 'config'
  | 'user'
  | 'secrets'
  | 'sessions'
  | 'journal'
  | 'newId'
  | 'clock'
  | 'lanes'
> {
  readonly models: () => Promise<ModelRequests>
}

export interface ReplayPoint {
  /** Number of the message; null: all of the session. */
  readonly turn: number | null
  /** Requests to the model of that turn; null: all. */
  readonly step: number | null
}

export interface Replayed {
  readonly turns: number
  readonly steps: number
  readonly calls: number
  readonly compared: number
  readonly ms: number
  readonly divergence: (Divergence & { readonly turn: number }) | null
}

export async function replaySession(deps: ReplayDeps, session: SessionId, point: ReplayPoint, signal: AbortSignal): Promise<Replayed> {
  await deps.sessions.load(session)
  await deps.journal.flushed()
  const { before } = (await lineageOf(deps, session)).at(-1)!
  if (point.turn !== null && point.turn <= before)
    throw new OxbowError('bad_input', `Message ${point.turn} is one that this fork shares with the session it was forked from.`, {
      hint: 'Replay it there; `oxbow sessions` shows which sessions are forks.',
    })
  const wanted = point.turn === null ? null : point.turn - before
  const began = performance.now()
  const exchanges = await deps.engine.exchanges?.()
  const models = await deps.models()
  const past = createPast(deps, session)
  const runAgain = createRunAgain({
    ...deps,
    requestOf: requestsBy(models),
    conversation: past.conversation,
    scratchpad: past.scratchpad,
    summaryOf: past.summaryOf,
  })
  const asks = new Map<string, RecordedAsk>()
  const sum = { turns: 0, steps: 0, calls: 0, compared: 0 }
  let divergence: Replayed['divergence'] = null
  /** Records of the turn, which its replay must not know. */
  let held: ReadRecord[] | null = null
  await readTurns(deps.store, session, {
    async take(record) {
      if (record.phase === 'exchange' && isGeneration(record)) await takeExchange(exchanges, record, asks)
      if (held === null) past.observe(record)
      else held.push(record)
    },
    begins: () => void (held = []),
    async ends(turn) {
      signal.throwIfAborted()
      const isMeant = wanted === null || wanted === turn.number || mailOf(turn, wanted)
      if (isMeant) {
        const run = await runAgain(turn, asks, isMeant && point.step !== null ? point.step : Infinity)
        sum.turns += 1
        sum.steps += run.steps
        sum.calls += run.calls
        sum.compared += run.compared
        if (run.divergence === null && point.step !== null && run.steps < point.step)
          throw noStep(point.turn ?? before + turn.number, run.steps)
        if (run.divergence !== null) divergence = { ...run.divergence, turn: before + turn.number }
      }
      for (const record of held ?? []) past.observe(record)
      held = null
      asks.clear()
      return divergence === null && !(isMeant && point.turn !== null)
    },
  })
  if (sum.turns === 0)
    throw new OxbowError('not_found', point.turn === null ? 'The session has no turns.' : `The session has no message ${point.turn}.`, {
      hint: '`oxbow sessions show ID` numbers its messages.',
    })
  return { ...sum, ms: Math.round(performance.now() - began), divergence }
}

function noStep(message: number, steps: number): OxbowError {
  return new OxbowError('not_found', `Message ${message} has ${steps} ${steps === 1 ? 'answer' : 'answers'} of the model.`, {
    hint: 'Name one of these steps.',
  })
}

/** Whether a turn has taken in the message of this number. */
function mailOf({ number, mail }: RecordedTurn, wanted: number): boolean {
  return wanted > number && wanted <= number + mail.length
}

function requestsBy(models: ModelRequests) {
  const made = new WeakMap<object, ReturnType<ModelRequests['requestsFor']>>()
  return (input: never, caller: Caller, turns: ReturnType<typeof createRunningTurns>) => {
    const requests = made.get(turns) ?? models.requestsFor(turns)
    made.set(turns, requests)
    // As the call that asked the model adds it.
    return requests.requestOf(input, caller).then((request) => ({ ...request, cacheKey: caller.session }))
  }
}

/** Of several tries of a generation the newest counts. What was erased or is unreadable is not compared. */
async function takeExchange(reader: ExchangeReader | undefined, { body }: ReadRecord, asks: Map<string, RecordedAsk>): Promise<void> {
  if (reader === undefined || isErased(body)) return
  const ask = await reader.take(body).catch(() => null)
  if (ask !== null) asks.set(ask.generation, ask)
}

/** The session as it was when the turn that is run began: its conversation, summary and scratchpad follow the records. */
function createPast(deps: ReplayDeps, session: SessionId) {
  const { store, sessions, engine, clock, journal } = deps
  let seen = 0
  let summary: ReadRecord | null = null
  let padCall: CallId | '' = ''
  const bounded = {
    history: (of: SessionId, before: number | null, limit: number) =>
      store.history(of, of === session ? Math.min(before ?? Infinity, seen + 1) : before, limit),
  }
  const conversations = createConversations({ store: bounded, sessions }, journal.flushed, clock.monotonicMs)
  const pads = createScratchpads({ store, flushed: journal.flushed, changedBy: async () => padCall })
  const summaryAt = async (record: ReadRecord | null): Promise<{ item: ConversationItem; through: CallId | ''; upto: number } | null> => {
    const { readSummary, describeSummary } = await loadSummary()
    const found = record === null ? null : readSummary(record.body)
    if (record === null || found === null) return null
    return {
      item: conversationItem(record.call, userMessage(describeSummary(found, record.call))),
      through: found.through,
      upto: found.upto,
    }
  }
  return {
    observe(record: ReadRecord): void {
      seen = record.seq
      conversations.observe(record)
      if (record.name === summarizeCall && record.phase === 'exchange' && 'epoch' in record.body) summary = record
      if (changesScratchpad(record)) {
        padCall = record.call
        pads.observe(record)
      }
    },
    async conversation(): Promise<HeldConversation> {
      const held = await summaryAt(summary)
      const items = await conversations.read(session, engine.model.contextTokens * maxBytesPerToken, held?.upto)
      return held === null ? { items, summary: null } : { items: itemsBehind(items, held.through), summary: held.item }
    },
    scratchpad: () => pads.section(session),
    async summaryOf(call: CallId): Promise<Json> {
      const [record] = await store.records({ call, phases: ['exchange'], order: 'newest_first', limit: 1, hydrate: true })
      const made = record === undefined ? null : await summaryAt({ ...record, body: JSON.parse(record.body) as never })
      return (made === null ? { summary: null, through: '' } : { summary: made.item, through: made.through }) as unknown as Json
    },
  }
}
