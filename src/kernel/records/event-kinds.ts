/**
 * What a record of the journal means to those who watch: the kind of the event, and the few facts about it that they may see. Never
 * what was said, read or written: ids, names, counts and reasons only, so that a subscriber needs no right but to watch. Where a model or a
 * plugin has chosen a name or given a reason, the event has the labels of what they had read.
 */
import type { JsonObject } from '../../base/index.ts'
import {
  type Call,
  type CallEvent,
  type EventView,
  isTurn,
  labelledFields,
  labelsIn,
  type Notice,
  noticeKind,
  type RecordView,
} from '../../protocol/index.ts'

/** First words of the kinds that Oxbow itself has; all others are what somebody publishes. */
export const ownFamilies = [
  'approval',
  'budget',
  'call',
  'hook',
  'memory',
  'message',
  'overloaded',
  'plugin',
  'recovered',
  'session',
  'state',
  'turn',
] as const
type Family = (typeof ownFamilies)[number]
export type OwnKind = Family | `${Family}_${string}`

/** Finds the call that a record is of; undefined for one that is gone. */
export type FindCall = (name: string) => Pick<Call, 'event'> | undefined

const short = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 200) : '')
const statusOf = (body: JsonObject): string => short(body['status'])

/** @returns whether a record may be an event, so that its body is worth reading: models' exchanges are large and never events */
export function mayBeEvent({ name, phase }: Pick<RecordView, 'name' | 'phase'>): boolean {
  return phase !== 'exchange' || name.startsWith('event.')
}

/** @returns null for a record that is no event, such as the intent of a call */
export function describeEvent(record: RecordView, find: FindCall): EventView | null {
  const { seq, at, actor, session } = record
  const described = describe(record, find)
  return described === null ? null : { seq, at, actor, session, ...described }
}

function describe(record: RecordView, find: FindCall): CallEvent | null {
  const { name, phase, call } = record
  const body = record.body as JsonObject
  // A model chooses tools, hosts and questions by what it has read.
  if (phase === 'parked')
    return { kind: 'approval_requested', fields: labelledFields({ call, name, reason: short(body['reason']) }, labelsIn(body)) }
  if (phase === 'decided') {
    const kind = body['partial'] === true ? 'approval_partial' : 'approval_resolved'
    return { kind, fields: { call, name, approved: body['allow'] === true, by: short(body['by']) } }
  }
  if (phase === 'refused')
    return { kind: 'call_refused', fields: labelledFields({ call, name, code: short(body['code']) }, labelsIn(body)) }
  if (isTurn(record)) return describeTurn(body, record)
  if (phase === 'exchange') return name.startsWith('event.') ? ownEvent(name, body) : null
  if (phase !== 'outcome' || statusOf(body) !== 'ok') return null
  return find(name)?.event?.(body) ?? null
}

function describeTurn(body: JsonObject, { phase, turn }: RecordView): CallEvent | null {
  if (phase === 'started') return body['into'] === undefined ? { kind: 'turn_started', fields: { turn } } : null
  if (phase === 'intent') return { kind: 'message_received', fields: { turn } }
  if (phase === 'outcome') return { kind: 'turn_ended', fields: { turn, status: statusOf(body) } }
  return null
}

/**
 * What a subsystem notes for those who watch: a record of the call `event.<kind>`, whose body has the fields. The subsystem leaves out
 * what people said.
 */
function ownEvent(name: string, body: JsonObject): CallEvent {
  const fields = Object.fromEntries(Object.entries(body).filter(([field]) => field !== 'documents'))
  return { kind: name.slice('event.'.length), fields }
}

/** @returns the notice that a record is; null for all others */
export function noticeOf(record: RecordView): Notice | null {
  const event = record.name.startsWith('event.') ? describeEvent(record, () => undefined) : null
  const kind = event === null ? undefined : noticeKind(event.kind, event.fields)
  if (event === null || kind === undefined) return null
  const { seq, at, session, fields } = event
  return { seq, at, kind, session, fields }
}
