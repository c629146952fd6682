/**
 * A session as a list of items, folded from its records and from what streams. An item that changes is replaced, so that only it is drawn
 * again. Pure of React: a test folds what a guest sends.
 */
import type { FollowEvent } from '../../../../src/client/browser-client.ts'
import { assertNever, type Failure, isObject, type JsonObject } from '../../../../src/base/index.ts'
import {
  afterTurnCall,
  type Answer,
  type CallChange,
  type CallView,
  foldStep,
  isEnd,
  joinTurns,
  type KeptFile,
  lastAnswer,
  newTurnView,
  type PendingApproval,
  readStep,
  type RecordView,
  type SentMedia,
  textOfAnswer,
  type TurnEnd,
  type TurnMessage,
  type TurnStep,
  type TurnView,
} from '../../../../src/protocol/index.ts'

/** A message of the person. */
export interface PersonItem {
  readonly type: 'person'
  readonly key: string
  /** 0 until it is in the journal. */
  readonly seq: number
  readonly at: number
  /** Who sent it, where that was no person, e.g. `schedule:…`; empty: a person. */
  readonly sender: string
  readonly text: string
  readonly files: readonly KeptFile[]
  readonly state: 'sent' | 'sending'
}

/** One answer of a model, a step of a turn. */
export interface AnswerItem {
  readonly type: 'answer'
  readonly key: string
  readonly turn: string
  readonly at: number
  readonly text: string
  readonly reasoning: string
  readonly isStreaming: boolean
  /** Why the answer started over; empty: it did not. */
  readonly restarted: string
}

export interface CallItem {
  readonly type: 'call'
  readonly key: string
  readonly turn: string
  readonly at: number
  readonly view: CallView
  /** The end of what a running command has printed. */
  readonly output: string
  readonly elapsedMs: number
  readonly media: SentMedia | null
  readonly pending: PendingApproval | null
}

/** The end of a turn: how it ended, what it cost, what it changed. */
export interface EndItem {
  readonly type: 'end'
  readonly key: string
  readonly turn: string
  readonly seq: number
  readonly at: number
  readonly ms: number
  readonly view: TurnView
  /** The version that holds what it has changed in files and documents; empty: none. */
  readonly commit: string
  /** Files that it has changed. */
  readonly files: number
}

export type Item = PersonItem | AnswerItem | CallItem | EndItem

interface Transcript {
  readonly items: ReadonlyMap<string, Item>
  /** The running turn; null: none. */
  readonly turn: string | null
  /** Tokens that the newest request has sent; 0: unknown. */
  readonly contextTokens: number
  readonly microDollars: number
  readonly model: string
}

interface State {
  items: Map<string, Item>
  readonly turns: Map<string, TurnView>
  turn: string | null
  contextTokens: number
  microDollars: number
  model: string
}

export interface TranscriptFold extends Transcript {
  /** @returns whether anything has changed */
  add(event: FollowEvent): boolean
  /** Puts older records before all others. @param records oldest first */
  prepend(records: readonly RecordView[]): void
}

export function createTranscript(): TranscriptFold {
  const state: State = { items: new Map(), turns: new Map(), turn: null, contextTokens: 0, microDollars: 0, model: '' }
  return {
    get items() {
      return state.items
    },
    get turn() {
      return state.turn
    },
    get contextTokens() {
      return state.contextTokens
    },
    get microDollars() {
      return state.microDollars
    },
    get model() {
      return state.model
    },
    add: (event) => addEvent(state, event),
    prepend(records) {
      const older: State = { items: new Map(), turns: new Map(), turn: null, contextTokens: 0, microDollars: 0, model: '' }
      for (const record of records) addRecord(older, record)
      const merged = new Map<string, Item>()
      for (const [turn, view] of older.turns) {
        const newer = state.turns.get(turn)
        state.turns.set(turn, newer === undefined ? view : joinTurns(view, newer))
      }
      for (const [key, item] of older.items) merged.set(key, joinedItem(state, item, state.items.get(key)))
      for (const [key, item] of state.items) if (!merged.has(key)) merged.set(key, joinedItem(state, item, item))
      state.items = merged
      state.microDollars += older.microDollars
    },
  }
}

/** A turn that a page of records cuts in two is seen as a whole. */
function joinedItem({ turns }: State, older: Item, newer: Item | undefined): Item {
  if (newer === undefined) return older
  if (newer.type === 'end') return { ...newer, view: turns.get(newer.turn) ?? newer.view }
  if (newer.type !== 'call') return newer
  return { ...newer, at: older.at, view: turns.get(newer.turn)?.calls.find(({ call }) => call === newer.key) ?? newer.view }
}

function addEvent(state: State, event: FollowEvent): boolean {
  switch (event.type) {
    case 'record':
      return addRecord(state, event.record)
    case 'text':
    case 'restart': {
      const before = state.items.get(event.call)
      const answer = before?.type === 'answer' ? before : newAnswer(event.call, event.turn)
      const text = event.type === 'text' ? answer.text + event.text : event.text
      const restarted = event.cause === undefined ? answer.restarted : `${event.cause.why} (${event.cause.model})`
      state.items.set(event.call, { ...answer, text, restarted, isStreaming: true })
      return true
    }
    case 'progress': {
      const before = state.items.get(event.call)
      if (before?.type !== 'call') return false
      state.items.set(event.call, { ...before, elapsedMs: event.elapsed_ms, output: event.output ?? before.output })
      return true
    }
    case 'approval':
      // Its records are in the session of the agent: here is only the question.
      if (event.waits) addPending(state, event.approval)
      else state.items.delete(event.approval.call)
      return true
    case 'caught_up':
      // The event names a turn only while its answer is being written; the records know of one that waits, or runs a call.
      state.turn = event.turn ?? state.turn
      for (const [key, item] of state.items)
        if (item.type === 'call' && item.pending?.agent !== undefined) state.items.delete(key)
        else if (item.type === 'call' && item.pending !== null) state.items.set(key, { ...item, pending: null })
      for (const pending of event.pending) addPending(state, pending)
      return true
    case 'ended':
      return false
    default:
      return assertNever(event)
  }
}

function newAnswer(call: string, turn: string): AnswerItem {
  return { type: 'answer', key: call, turn, at: Date.now(), text: '', reasoning: '', isStreaming: true, restarted: '' }
}

function addPending(state: State, pending: PendingApproval): void {
  const before = state.items.get(pending.call)
  const view: CallView = { call: pending.call, name: pending.name, input: pending.input, status: 'waiting', text: '', ms: null, pending }
  const call =
    before?.type === 'call' ? { ...before, view: { ...before.view, status: 'waiting' as const } } : newCall(view, pending.turn, pending.at)
  state.items.set(pending.call, { ...call, pending })
}

function newCall(view: CallView, turn: string, at: number): CallItem {
  return { type: 'call', key: view.call, turn, at, view, output: '', elapsedMs: 0, media: null, pending: null }
}

function addRecord(state: State, record: RecordView): boolean {
  if (record.name === afterTurnCall) return addVersion(state, isObject(record.body) ? record.body : {})
  const step = readStep(record)
  if (step === null) return false
  foldInto(state, record, step)
  switch (step.kind) {
    case 'sent':
      return addMessage(state, record, step.message)
    case 'taken':
      if (step.into === null) state.turn = record.turn
      return true
    case 'ended':
      return addEnd(state, record, step.end)
    case 'asked':
      if (step.model !== '') state.model = step.model
      return true
    case 'answered':
      return addAnswer(state, record, step.answer, step.spent.microDollars)
    case 'dropped':
      // A guest that died in the middle of an answer asks again: what was shown of the first one is no part of the conversation.
      return state.items.delete(record.call)
    case 'call':
      return addCall(state, record, step.change)
    case 'other':
      return false
    default:
      return assertNever(step)
  }
}

/** A message is in the view with its id, also where another turn took it in. */
function foldInto({ turns }: State, record: RecordView, step: TurnStep): void {
  const turn = step.kind === 'sent' || step.kind === 'taken' || step.kind === 'ended' ? record.call : record.turn
  if (turn !== '') turns.set(turn, foldStep(turns.get(turn) ?? newTurnView(turn), record, step))
}

function addCall(state: State, record: RecordView, { media }: CallChange): boolean {
  const { call, turn, at, seq } = record
  const view = state.turns.get(turn)?.calls.find((each) => each.call === call)
  if (view === undefined) return false
  const before = state.items.get(call)
  const item = before?.type === 'call' ? before : newCall(view, turn, at)
  const pending = view.status !== 'waiting' ? null : record.phase === 'parked' ? view.pending : item.pending
  state.items.set(call, { ...item, view, media: media ?? item.media, pending, output: isEnd(record) ? '' : item.output })
  return seq > 0
}

function addMessage(state: State, { call, seq, at, actor }: RecordView, { text, files }: TurnMessage): boolean {
  const sender = /^(?:user|key):/.test(actor) ? '' : actor
  state.items.set(call, { type: 'person', key: call, seq, at, sender, text: text ?? '[erased]', files, state: 'sent' })
  return true
}

function addEnd(state: State, { call, turn, seq, at }: RecordView, { status, ms }: TurnEnd): boolean {
  const view = state.turns.get(call)
  if (view === undefined) return false
  if (state.turn === turn) state.turn = null
  for (const [key, item] of state.items) {
    if (item.type === 'answer' && item.turn === turn && item.isStreaming) state.items.set(key, { ...item, isStreaming: false })
  }
  if (status !== 'merged')
    state.items.set(`end:${turn}`, { type: 'end', key: `end:${turn}`, turn, seq, at, ms, view, commit: '', files: 0 })
  return true
}

function addAnswer(state: State, { call, turn, at }: RecordView, given: Answer, microDollars: number): boolean {
  const { inputTokens, outputTokens } = given.usage
  // As the service counted it: what is reserved before is an upper bound.
  if (inputTokens > 0) state.contextTokens = inputTokens + outputTokens
  state.microDollars += microDollars
  const text = textOfAnswer(given, 'text', '\n\n')
  const reasoning = textOfAnswer(given, 'reasoning', '\n\n')
  const before = state.items.get(call)
  if (text === '' && reasoning === '' && before === undefined) return true
  const answer = before?.type === 'answer' ? before : newAnswer(call, turn)
  state.items.set(call, { ...answer, at, text: text === '' ? answer.text : text, reasoning, isStreaming: false })
  return true
}

function addVersion(state: State, body: JsonObject): boolean {
  const { turn, commit, changed, files } = body
  const key = `end:${typeof turn === 'string' ? turn : ''}`
  const end = state.items.get(key)
  if (changed !== true || typeof commit !== 'string' || end?.type !== 'end') return false
  state.items.set(key, { ...end, commit, files: typeof files === 'number' ? files : 0 })
  return true
}

/** @returns the failure of a turn as a person reads it, unless its answer on the page says so already */
export function failureOf({ view }: Pick<EndItem, 'view'>): Failure | null {
  return view.failure === null || lastAnswer(view).includes(view.failure.message) ? null : view.failure
}
