/**
 * What a record of the journal means to those who watch: the kind of the event, and the few facts about it that they may see. Never
 * what was said, read or written: ids, names, counts and reasons only, so that a subscriber needs no right but to watch.
 */
import { type JsonObject, type Notice, noticeKinds, ownValue, type RecordView } from '../../types/index.ts'

export interface EventView {
  /** The record's place in the journal: the cursor of whoever has taken it. */
  readonly seq: number
  readonly at: number
  readonly kind: string
  readonly actor: string
  readonly session: string
  readonly fields: JsonObject
}

/** Chooses events; empty lists choose all. */
export interface EventFilter {
  /** Kinds, or families with a star: `agent_started`, `agent_*`. */
  readonly kinds: readonly string[]
  readonly session: string
}

/** First words of the kinds that Oxbow itself has; all others are what somebody publishes. */
const families = [
  'agent',
  'approval',
  'budget',
  'call',
  'graph',
  'hook',
  'key',
  'memory',
  'message',
  'overloaded',
  'plugin',
  'recovered',
  'schedule',
  'session',
  'state',
  'turn',
] as const
type Family = (typeof families)[number]
export type OwnKind = Family | `${Family}_${string}`

type Describe = (body: JsonObject, record: RecordView) => { readonly kind: string; readonly fields: JsonObject } | null

const short = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 200) : '')
const statusOf = (body: JsonObject): string => short(body['status'])

/** Outcomes that succeeded, by the name of the call. */
const byOutcome: Readonly<Record<string, Describe>> = {
  'session.create': (body) => ({ kind: 'session_created', fields: { id: short(body['id']) } }),
  'session.archive': (body) => ({ kind: 'session_archived', fields: { id: short(body['session']) } }),
  'session.delete': (body) => ({ kind: 'session_deleted', fields: { id: short(body['session']) } }),
  'session.fork': (body) => ({ kind: 'session_forked', fields: { id: short(body['session']) } }),
  'session.set_mode': () => ({ kind: 'session_mode', fields: {} }),
  'session.agent': (body) => ({ kind: 'session_agent', fields: { agent: short(body['agent']) } }),
  'memory.save': () => ({ kind: 'memory_stored', fields: { source: 'note' } }),
  'memory.ingest': () => ({ kind: 'memory_stored', fields: { source: 'document' } }),
  'memory.search': () => ({ kind: 'memory_recalled', fields: { source: 'search' } }),
  'memory.recall': () => ({ kind: 'memory_recalled', fields: { source: 'turn' } }),
  'memory.forget': () => ({ kind: 'memory_forgotten', fields: {} }),
  'state.save': () => ({ kind: 'state_saved', fields: {} }),
  'state.delete': () => ({ kind: 'state_deleted', fields: {} }),
  'events.publish': (body) => ({
    kind: `custom_${short(body['kind'])}`,
    fields: { data: body['data'] ?? null, labels: body['labels'] ?? [] },
  }),
}

/** @returns whether a record may be an event, so that its body is worth reading: the exchanges of models are large, and are none */
export function mayBeEvent({ name, phase }: Pick<RecordView, 'name' | 'phase'>): boolean {
  return phase !== 'exchange' || name.startsWith('event.')
}

/** @returns null for a record that is no event, such as the intent of a call */
export function describeEvent(record: RecordView): EventView | null {
  const { seq, at, actor, session } = record
  const described = describe(record)
  return described === null ? null : { seq, at, actor, session, ...described }
}

function describe(record: RecordView): ReturnType<Describe> {
  const { name, phase, call } = record
  const body = record.body as JsonObject
  if (phase === 'parked') return { kind: 'approval_requested', fields: { call, name, reason: short(body['reason']) } }
  if (phase === 'decided') {
    const kind = body['partial'] === true ? 'approval_partial' : 'approval_resolved'
    return { kind, fields: { call, name, approved: body['allow'] === true, by: short(body['by']) } }
  }
  if (phase === 'refused') return { kind: 'call_refused', fields: { call, name, code: short(body['code']) } }
  if (name === 'turn.send') return describeTurn(body, record)
  if (phase === 'exchange') return name.startsWith('event.') ? ownEvent(name, body) : null
  if (phase !== 'outcome' || statusOf(body) !== 'ok') return null
  return ownValue(byOutcome, name)?.(body, record) ?? null
}

function describeTurn(body: JsonObject, { phase, turn }: RecordView): ReturnType<Describe> {
  if (phase === 'started') return body['into'] === undefined ? { kind: 'turn_started', fields: { turn } } : null
  if (phase === 'intent') return { kind: 'message_received', fields: { turn } }
  if (phase === 'outcome') return { kind: 'turn_ended', fields: { turn, status: statusOf(body) } }
  return null
}

/**
 * What a subsystem notes for those who watch: a record of the call `event.<kind>`, whose body has the fields. The subsystem leaves out
 * what people said.
 */
function ownEvent(name: string, body: JsonObject): ReturnType<Describe> {
  const fields = Object.fromEntries(Object.entries(body).filter(([field]) => field !== 'documents'))
  return { kind: name.slice('event.'.length), fields }
}

/** @returns the notice that a record is; null for all others */
export function noticeOf(record: RecordView): Notice | null {
  const kind = noticeKinds.find((each) => record.name === `event.${each}`)
  const event = kind === undefined ? null : describeEvent(record)
  if (kind === undefined || event === null || (kind === 'schedule_ended' && event.fields['notify'] !== true)) return null
  const { seq, at, session, fields } = event
  return { seq, at, kind, session, fields }
}

/**
 * What somebody publishes is chosen by its own name too: `build_*` chooses `custom_build_done`. Not where the name begins as Oxbow's own
 * kinds do, so that nobody who waits for `turn_ended` receives a published one.
 * @returns whether the event is chosen
 */
export function matches({ kinds, session }: EventFilter, event: Pick<EventView, 'kind' | 'session'>): boolean {
  if (session !== '' && event.session !== session) return false
  return kinds.length === 0 || kinds.some((kind) => fits(kind, event.kind) || (isPublished(kind) && fits(`custom_${kind}`, event.kind)))
}

function fits(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern
}

function isPublished(pattern: string): boolean {
  return !families.some((family) => fits(pattern, family) || pattern.startsWith(`${family}_`) || pattern === `${family}*`)
}
