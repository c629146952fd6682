/**
 * A turn, folded from its records: one at a time as they come, and a page of older ones before those that are known. Pure; read by
 * terminals, the page, editors, programs that follow a turn, and the guest itself.
 *
 * It reads the records of the message (`intent`, `started` and the end), of each request to the model, of each call that the model asks
 * for, and what every record of the turn has cost, in the order of the journal: `seq`, oldest first. A record of another turn changes
 * nothing, so a whole session may be passed. Of a message that a running turn took in, the view says so (`into`), and the rest is in the
 * view of that turn.
 *
 * However a history is cut, `joinTurns` of the views of its parts is the view of the whole.
 */
import { addSpend, noSpend } from '../call.ts'
import type { Spend } from '../output-schema.ts'
import { assertNever, type Failure } from '../../base/index.ts'
import type { PendingApproval } from '../view-schema.ts'
import { isTurn, startsTurn } from './turn-record.ts'
import {
  type Answer,
  type AnswerUsage,
  type CallChange,
  type CallStatus,
  noUsage,
  readStep,
  type SentMedia,
  type StepRecord,
  textOfAnswer,
  type TurnEnd,
  type TurnMessage,
  type TurnStep,
} from './turn-step.ts'
import type { RecordView } from '../view-schema.ts'

/** One tool call. */
export interface CallView {
  readonly call: string
  readonly name: string
  /** JSON text. */
  readonly input: string
  readonly status: CallStatus
  /** The result: for a refused call the reason, for any other the text that the model reads. */
  readonly text: string
  readonly ms: number | null
  /** The question to the person, while it waits. */
  readonly pending: PendingApproval | null
}

/** A turn as its records tell it so far. Every terminal shows this. */
export interface TurnView {
  readonly turn: string
  /** Null until its record was read. */
  readonly message: TurnMessage | null
  /** Unix milliseconds; null: it has not begun, or not as a turn of its own. */
  readonly beganAt: number | null
  readonly status: 'running' | 'waiting' | TurnEnd['status']
  /** The turn that took the message in. */
  readonly into: string | null
  readonly reply: string
  readonly failure: Failure | null
  readonly calls: readonly CallView[]
  /** Files that were sent to the person. */
  readonly media: readonly SentMedia[]
  /** The answers of the model, one a step. */
  readonly answers: readonly Answer[]
  /** The model that answered last, or is being asked; empty: not known. */
  readonly model: string
  readonly steps: number
  readonly usage: AnswerUsage
  readonly spent: Spend
  readonly end: TurnEnd | null
}

/** A turn before its first record. */
export function newTurnView(turn: string): TurnView {
  return {
    turn,
    message: null,
    beganAt: null,
    status: 'running',
    into: null,
    reply: '',
    failure: null,
    calls: [],
    media: [],
    answers: [],
    model: '',
    steps: 0,
    usage: noUsage,
    spent: noSpend,
    end: null,
  }
}

/** @returns the view after the record; the same view for a record that says nothing of the turn. */
export function foldRecord(view: TurnView, record: StepRecord): TurnView {
  if (record.turn !== view.turn && record.call !== view.turn) return view
  // A message that this turn took in has a record with its id.
  if (isTurn(record) && record.call !== view.turn) return view
  const step = readStep(record)
  return step === null ? view : foldStep(view, record, step)
}

/** Folds a step that was read before. @param step of this record, which belongs to the turn */
export function foldStep(view: TurnView, record: StepRecord, step: TurnStep): TurnView {
  const spent = step.spent === noSpend ? view.spent : addSpend(view.spent, step.spent)
  const after = { ...view, spent }
  switch (step.kind) {
    case 'sent':
      return { ...after, message: view.message ?? step.message }
    case 'taken': {
      const beganAt = view.beganAt ?? (startsTurn(record) ? record.at : null)
      return { ...after, message: view.message ?? step.message, beganAt, into: step.into ?? view.into }
    }
    case 'answered':
      return withAnswer(after, step.answer)
    case 'call': {
      const { media } = step.change
      return settled({ ...after, calls: withChange(view, step.change), media: media === null ? view.media : [...view.media, media] })
    }
    case 'ended':
      return settled({ ...after, end: step.end })
    case 'asked':
      return { ...after, model: step.model || view.model }
    case 'dropped':
    case 'other':
      return spent === view.spent ? view : after
    default:
      return assertNever(step)
  }
}

/** Puts a page of history before what is known of the same turn. @param older folded from records that precede all of `newer` */
export function joinTurns(older: TurnView, newer: TurnView): TurnView {
  const later = new Map(newer.calls.map((call) => [call.call, call]))
  const known = new Set(older.calls.map(({ call }) => call))
  const begun = older.calls.map((call) => joinCalls(call, later.get(call.call)))
  const added = newer.calls.filter(({ call }) => !known.has(call)).map((call) => withInput(call, older.answers))
  return settled({
    ...newer,
    message: older.message ?? newer.message,
    beganAt: older.beganAt ?? newer.beganAt,
    into: newer.into ?? older.into,
    calls: [...begun, ...added],
    media: [...older.media, ...newer.media],
    answers: [...older.answers, ...newer.answers],
    model: newer.model || older.model,
    usage: addUsage(older.usage, newer.usage),
    spent: addSpend(older.spent, newer.spent),
    end: newer.end ?? older.end,
  })
}

/** @returns the views of all turns in these records, by id, in the order in which they were sent @param records oldest first */
export function foldTurns(records: readonly RecordView[]): ReadonlyMap<string, TurnView> {
  const turns = new Map<string, TurnView>()
  for (const record of records) {
    const { turn, call } = record
    for (const id of isTurn(record) ? [call] : turn === '' ? [] : [turn])
      turns.set(id, foldRecord(turns.get(id) ?? newTurnView(id), record))
  }
  return turns
}

/** @returns whether the turn has its outcome */
export function isOver({ end }: Pick<TurnView, 'end'>): boolean {
  return end !== null
}

/** @returns the questions that the turn waits for, the oldest first */
export function pendingIn({ calls }: Pick<TurnView, 'calls'>): readonly PendingApproval[] {
  return calls.flatMap(({ pending }) => pending ?? [])
}

/** @returns the text of the newest answer */
export function lastAnswer({ answers }: Pick<TurnView, 'answers'>): string {
  const last = answers.at(-1)
  return last === undefined ? '' : textOfAnswer(last)
}

/** The failure, unless the reply already contains it. */
export function unreportedFailure({ failure, reply }: Pick<TurnView, 'failure' | 'reply'>): Failure | null {
  return failure === null || reply.includes(failure.message) ? null : failure
}

/** What follows from the calls and the end. */
function settled(view: TurnView): TurnView {
  const { end, calls, answers } = view
  if (end === null)
    return { ...view, status: calls.some(({ status }) => status === 'waiting') ? 'waiting' : 'running', steps: answers.length }
  const { status, into, reply, failure, steps } = end
  return { ...view, status, into: into ?? view.into, reply, failure, steps: steps || answers.length }
}

function withAnswer(view: TurnView, answer: Answer): TurnView {
  const answers = [...view.answers, answer]
  return settled({ ...view, answers, model: answer.model || view.model, usage: addUsage(view.usage, answer.usage) })
}

function withChange({ calls, answers }: TurnView, change: CallChange): readonly CallView[] {
  const { call, name, media: _, ...said } = change
  const at = calls.findIndex((each) => each.call === call)
  const before = calls[at]
  const after = { call, ...said, name: before?.name ?? name }
  return before === undefined ? [...calls, withInput(after, answers)] : calls.with(at, joinCalls(before, after))
}

/** What the later record leaves out is as it was. */
function joinCalls(before: CallView, after: CallView | undefined): CallView {
  if (after === undefined) return before
  return {
    ...after,
    name: before.name,
    input: after.input || before.input,
    text: after.text || before.text,
    ms: after.ms ?? before.ms,
    pending: after.status === 'waiting' ? (after.pending ?? before.pending) : null,
  }
}

/** A refused call has no record of its input: it is what the model wrote. */
function withInput(call: CallView, answers: readonly Answer[]): CallView {
  if (call.input !== '') return call
  const answer = answers.findLast((each) => call.call.startsWith(`${each.call}.`))
  const part = answer?.parts.find((each) => each.type === 'tool_call' && each.call === call.call)
  return part?.type === 'tool_call' ? { ...call, input: part.input } : call
}

function addUsage(a: AnswerUsage, b: AnswerUsage): AnswerUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  }
}
